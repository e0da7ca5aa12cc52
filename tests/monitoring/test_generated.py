"""Generated files are up to date, and their links lead somewhere."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring.alerts import Alert
from monitoring.files import RELEASE, ROOT, dashboards, files
from monitoring.metrics import with_table
from monitoring.objectives import LATENCY_SECONDS, RUNBOOKS
from monitoring.rules import groups
from orders_prometheus import SharedMetrics
from tests.monitoring.expressions import dashboard_expressions

ALERTS = [rule for group in groups() for rule in group.rules if isinstance(rule, Alert)]
PARTS = ("Meaning", "Impact", "Diagnosis", "Mitigation")
RUNBOOK_FOLDER = ROOT / "docs/runbooks"


@pytest.mark.parametrize("name", files())
def test_every_generated_file_is_up_to_date(name: str) -> None:
    assert (ROOT / name).read_text("utf-8") == files()[name], "run: make monitoring"


def test_a_page_without_the_table_s_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the lines"):
        with_table("# Metrics\n")


def test_no_two_alerts_share_a_name() -> None:
    names = [alert.name for alert in ALERTS]
    assert len(set(names)) == len(names)


def test_the_latency_objective_is_a_bucket_bound() -> None:
    (requests, *_) = SharedMetrics(1).families
    assert requests.name == "orders_http_request_duration_seconds"
    assert LATENCY_SECONDS in requests.bounds  # type: ignore[attr-defined]  # a histogram


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_links_to_a_complete_runbook(alert: Alert) -> None:
    url = alert.as_dict()["annotations"]["runbook_url"]
    assert url.startswith(f"{RUNBOOKS}/")
    text = (RUNBOOK_FOLDER / url.removeprefix(f"{RUNBOOKS}/")).read_text("utf-8")
    assert f"`{alert.name}`" in text
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == list(PARTS)
    _, diagnosis = text.split("## Diagnosis\n")
    for system in ("On Linux:", "On Kubernetes:"):
        assert system in diagnosis


def test_every_runbook_belongs_to_an_alert() -> None:
    written = {page.stem for page in RUNBOOK_FOLDER.glob("*.md")} - {"README"}
    assert written == {alert.page for alert in ALERTS}
    listed = (RUNBOOK_FOLDER / "README.md").read_text("utf-8")
    assert [alert.name for alert in ALERTS if f"`{alert.name}`" not in listed] == []


def test_links_between_pages_are_valid() -> None:
    pages = [*RUNBOOK_FOLDER.glob("*.md"), ROOT / "docs/monitoring.md"]
    broken = [
        (page.name, target)
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text("utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("name", dashboards())
def test_panels_are_unique_and_described(name: str) -> None:
    board = json.loads(dashboards()[name])
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    titles = [panel["title"] for panel in panels]
    assert len(set(titles)) == len(titles)
    for panel in panels:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["targets"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)
        assert all(target["legendFormat"] for target in panel["targets"])
    assert len(dashboard_expressions(name)) == sum(len(panel["targets"]) for panel in panels)


@pytest.mark.parametrize("name", dashboards())
def test_the_panels_of_a_dashboard_do_not_overlap(name: str) -> None:
    board = json.loads(dashboards()[name])
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def component(name: str) -> Any:  # noqa: ANN401 - YAML
    return yaml.safe_load((ROOT / "k8s/components/monitoring" / name).read_text("utf-8"))


def test_both_rule_files_have_the_same_rules() -> None:
    plain = yaml.safe_load((ROOT / "monitoring/rules/orders.rules.yaml").read_text("utf-8"))
    assert component("prometheusrule.yaml")["spec"] == plain


def test_kube_prometheus_stack_selects_the_component_s_objects() -> None:
    for name in ("servicemonitor.yaml", "prometheusrule.yaml"):
        assert component(name)["metadata"]["labels"]["release"] == RELEASE
    values = yaml.safe_load((ROOT / "monitoring/kube-prometheus-stack.yaml").read_text("utf-8"))
    sidecar = values["grafana"]["sidecar"]["dashboards"]
    (maps,) = component("kustomization.yaml")["configMapGenerator"]
    assert maps["options"]["labels"][sidecar["label"]] == sidecar["labelValue"]
    assert sidecar["folderAnnotation"] in maps["options"]["annotations"]
    assert {Path(each).stem for each in maps["files"]} == dashboards().keys()


def test_the_service_monitor_selects_the_service_with_the_alerts_job_label() -> None:
    service = yaml.safe_load((ROOT / "k8s/base/service.yaml").read_text("utf-8"))
    monitor = component("servicemonitor.yaml")["spec"]
    labels = service["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    assert labels[monitor["jobLabel"]] == "orders"
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
