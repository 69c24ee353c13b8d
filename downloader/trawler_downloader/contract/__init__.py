"""What the operator and the downloader say to each other, and nothing else.

Requests travel as JSON (a POST body for a listing, an environment variable for a download), answers as JSON lines
or a termination message. Depends on pydantic only: the operator's image installs this without yt-dlp.
"""
