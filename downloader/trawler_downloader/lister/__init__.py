"""Answers listing requests over a Unix socket; each in a worker process that can be killed."""
