"""Orders over HTTP: `api` answers the requests, and `server` serves them fast."""
