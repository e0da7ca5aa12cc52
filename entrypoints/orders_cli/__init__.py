"""`orders`, the command."""
