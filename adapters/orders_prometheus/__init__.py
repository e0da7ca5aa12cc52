"""Metrics of the service, in a registry of their own, for Prometheus to scrape."""

from orders_prometheus.metrics import MeasuredStore, Metrics

__all__ = ["MeasuredStore", "Metrics"]
