"""What holds for every suite."""

from hypothesis import settings

# No test asserts a duration: machines are shared, and a slow example is not a wrong one.
# Whatever is found can be found again, also by who has nothing but the output of the run that found it.
settings.register_profile("trawler", deadline=None, print_blob=True)
settings.load_profile("trawler")
