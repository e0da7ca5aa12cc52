"""Metrics of the service, summed over its processes, for Prometheus to scrape."""

from orders_core.extras import needing

with needing("metrics", "prometheus_client"):
    from orders_prometheus.metrics import Metrics, SharedMetrics
    from orders_prometheus.store import MeasuredStore

__all__ = ["MeasuredStore", "Metrics", "SharedMetrics"]
