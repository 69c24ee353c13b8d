"""Jobs that work over a volume and answer through their log: what is ordered, and which try is under way."""
