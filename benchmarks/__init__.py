"""Compares Orders with its peers, on one machine in one run. `make bench` runs it."""
