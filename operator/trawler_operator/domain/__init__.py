"""Decisions as pure functions: no framework, no client, no I/O; the clock is an argument called `now`."""
