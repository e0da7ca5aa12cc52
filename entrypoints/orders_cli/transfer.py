"""`orders import` and `orders export`."""
