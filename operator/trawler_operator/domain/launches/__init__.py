"""From a queued video to its end: who may start, the claim, the Job, what its ending does to the entry."""
