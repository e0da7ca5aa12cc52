"""Metrics of the service, summed over its processes, for Prometheus to scrape."""

from orders_core.missing_extras import needing

with needing("metrics", "prometheus_client"):
    from orders_prometheus.measured_store import MeasuredStore
    from orders_prometheus.metrics import Metrics, RequestLabels, SharedMetrics

__all__ = ["MeasuredStore", "Metrics", "RequestLabels", "SharedMetrics"]
