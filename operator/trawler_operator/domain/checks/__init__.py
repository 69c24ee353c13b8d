"""Looking at a source: when, which of its videos are wanted, which of those can be had yet."""
