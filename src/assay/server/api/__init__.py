"""The HTTP API, one module for what belongs together; `server.app` puts them under their paths."""
