"""Monitoring as code: generates the alerting rules, the dashboards and the table of metrics."""
