"""The API server behind the ports."""
