"""From a queued video to the end of its launch: turns, claim, Job, and what the ending does to the entry."""
