"""What holds for every suite."""

from hypothesis import settings

# No test asserts a duration: machines are shared, and a slow example is not a wrong one.
settings.register_profile("trawler", deadline=None)
settings.load_profile("trawler")
