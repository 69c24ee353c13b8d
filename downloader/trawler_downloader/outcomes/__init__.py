"""Turns what yt-dlp and the operating system raise into an outcome class with a reason and a message."""
