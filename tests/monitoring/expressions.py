"""The PromQL expressions in the rules and the dashboards."""

import json
import re
from collections.abc import Sequence

from monitoring.files import dashboards
from monitoring.rules import groups

_NAME = re.compile(r"(?<![\w:])(?:up|(?:orders|process|node|kubelet|kube)_[a-z0-9_]*)\b")
_VARIABLES = {"$__rate_interval": "5s", "$job": "orders", "$instance": ".*"}


def dashboard_expressions(name: str) -> Sequence[tuple[str, str]]:
    """Return the title and the query of each panel, with variables replaced as by Grafana."""
    found = []
    for panel in json.loads(dashboards()[name])["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for variable, value in _VARIABLES.items():
                expression = expression.replace(variable, value)
            found.append((panel["title"], expression))
    return found


def rule_expressions() -> Sequence[str]:
    """Return the expressions of all rules."""
    return [str(rule.as_dict()["expr"]) for group in groups() for rule in group.rules]


def metric_names(expression: str) -> set[str]:
    """Return the metrics in an expression, except those that rules record."""
    without_labels = re.sub(r'"[^"]*"', '""', expression)
    return set(_NAME.findall(without_labels))
