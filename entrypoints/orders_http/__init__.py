"""Orders over HTTP: `api` is what is answered, `server` is how it is answered fast."""
