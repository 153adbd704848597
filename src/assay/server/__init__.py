"""The server: HTTP in front of `serving`. The only room that knows FastAPI."""
