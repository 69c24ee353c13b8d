"""The pass that observes, settles, lists, plans and applies, and the queue that feeds it; I/O only through its ports."""
