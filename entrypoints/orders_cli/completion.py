"""`orders completion`."""
