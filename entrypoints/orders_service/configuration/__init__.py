"""The settings: one row each, how their values are parsed, and where they are loaded from."""
