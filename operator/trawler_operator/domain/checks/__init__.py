"""Looking at a source: when, which of its videos are wanted, and which of those are available yet."""
