"""The trawler operator: watches Subscriptions, lists their sources, launches one Job per new video."""
