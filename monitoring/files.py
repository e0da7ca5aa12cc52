"""Every file that is generated, by its place in the checkout."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from monitoring.dashboards import postgresql, service
from monitoring.metrics import with_table
from monitoring.rules import document

ROOT: Final = Path(__file__).parents[1]
_WRITTEN: Final = (
    "# Written by `make monitoring` from the code in monitoring/: change that instead.\n"
)
_COMPONENT: Final = "k8s/components/monitoring"
RELEASE: Final = "monitoring"
"""Of kube-prometheus-stack, which chooses by this label what it takes."""
_WIDTH: Final = 80  # PyYAML breaks after the word that exceeds it


class _Dumper(yaml.SafeDumper):
    """Writes as people would: lists indented, long texts in blocks."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - PyYAML's own signature
        """Indent the items of a list too."""
        super().increase_indent(flow, False)  # noqa: FBT003 - its only form


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else ">" if len(text) > _WIDTH - 30 else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def as_yaml(content: Mapping[str, Any]) -> str:
    """Write YAML that says where it comes from."""
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=_WIDTH, allow_unicode=True)
    return _WRITTEN + str(text)


def rule_file(factor: int = 1) -> str:
    """Write the rules as Prometheus reads them."""
    return as_yaml(document(factor))


def _rule_resource() -> Mapping[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "orders",
            "namespace": "orders",
            "labels": {
                "app.kubernetes.io/name": "orders",
                "app.kubernetes.io/component": "monitoring",
                "release": RELEASE,
            },
        },
        "spec": document(),
    }


def dashboards() -> Mapping[str, str]:
    """Give both dashboards by their names."""
    return {"orders-service": service(), "orders-postgresql": postgresql()}


def files() -> Mapping[str, str]:
    """Give the content of every generated file."""
    return {
        "docs/metrics.md": with_table((ROOT / "docs/metrics.md").read_text("utf-8")),
        "monitoring/rules/orders.rules.yaml": rule_file(),
        f"{_COMPONENT}/prometheusrule.yaml": as_yaml(_rule_resource()),
        **{f"{_COMPONENT}/dashboards/{name}.json": text for name, text in dashboards().items()},
    }
