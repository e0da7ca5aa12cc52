"""What watches the service: objectives, rules, alerts and dashboards, written by this code."""
