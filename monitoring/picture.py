"""`python -m monitoring.picture` draws both dashboards as they look under load.

It needs no Grafana: it sends the panels' queries to a real Prometheus, and draws the results in the
panels' layout. `make picture` calls it.
"""

import json
import re
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from monitoring.files import ROOT, dashboards, rule_file
from tests.monitoring.load import load
from tests.monitoring.prometheus import Prometheus, node_exporter, prometheus
from tests.postgres.secure_server import Client, open_secure_server
from tests.service_process import running_service

_FACTOR: Final = 60
_CALM_SECONDS: Final = 45.0
_OUTAGE_SECONDS: Final = 10.0
_WARM_SECONDS: Final = 8.0
_BACKUP: Final = "orders_backup_last_success_timestamp_seconds"
_VARIABLES: Final = {"$__rate_interval": "5s", "$job": "orders", "$instance": ".*"}
_COLUMNS: Final = 24
_LINES: Final = 6  # in a legend
_COLOURS: Final = (
    *("#3b7dd8", "#e0752d", "#4c9f50", "#8f5bb5", "#c4404a", "#17a2a2", "#7f7f7f", "#a1713b"),
    *("#d37bb0", "#222222"),
)
_KINDS: Final = {"green": "#4c9f50", "yellow": "#d8a015", "red": "#c4404a"}


def main() -> int:
    """Run the service under load, stop its database briefly, and draw the dashboards."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        # PostgreSQL runs as another user, which must be able to enter the directory.
        folder.chmod(0o755)
        (folder / "backup.prom").write_text(f"{_BACKUP} {time.time() - 6 * 3600}\n")
        client = Client(stack.enter_context(open_secure_server()), folder)
        client.prepare()
        url = client.url_text(connect_timeout="2")
        service = stack.enter_context(running_service(url, {"ORDERS_WORKERS": "2"}))
        node = stack.enter_context(node_exporter(folder))
        targets = {"orders": [f"{service.host}:{service.operations_port}"], "node": [node]}
        found = stack.enter_context(prometheus(folder, rule_file(_FACTOR), targets))
        with load(service):
            time.sleep(_WARM_SECONDS)
            begun = time.time()
            time.sleep(_CALM_SECONDS)
            client.server.server.stop()
            time.sleep(_OUTAGE_SECONDS)
            client.server.server.start()
            time.sleep(_CALM_SECONDS)
            ended = time.time()
            for board, text in dashboards().items():
                draw(found, json.loads(text), (begun, ended), ROOT / f"docs/{board}.png")
    return 0


def draw(
    prometheus: Prometheus, board: Mapping[str, Any], span: tuple[float, float], file: Path
) -> None:
    """Draw a dashboard.

    Args:
        prometheus: The Prometheus to query.
        board: The dashboard in Grafana's format.
        span: The start and the end of the drawn time.
        file: The output file; its suffix sets the format.
    """
    places = [panel["gridPos"] for panel in board["panels"]]
    height = max(place["y"] + place["h"] for place in places)
    with mpl.rc_context({"font.size": 7, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(15, height * 0.32), facecolor="white", dpi=100)
        for panel in board["panels"]:
            _draw_panel(figure, panel, height, _asked(prometheus, panel, span))
        figure.savefig(file, metadata={"Software": None})


Series = tuple[str, Sequence[float], Sequence[float]]


def _asked(
    prometheus: Prometheus, panel: Mapping[str, Any], span: tuple[float, float]
) -> Sequence[Series]:
    """Run a panel's queries; return each series' name, times and values."""
    found: list[Series] = []
    for target in panel.get("targets", ()):
        expression = target["expr"]
        for variable, value in _VARIABLES.items():
            expression = expression.replace(variable, value)
        for labels, points in prometheus.history(expression, *span):
            name = target["legendFormat"]
            for label in ("le", *labels):
                name = name.replace(f"{{{{{label}}}}}", labels.get(label, ""))
            name = re.sub(r"\{\{\w+\}\}", "", name)
            times = [at - span[0] for at, _ in points]
            found.append((name, times, [value for _, value in points]))
    return found


def _draw_panel(
    figure: Figure, panel: Mapping[str, Any], height: int, series: Sequence[Series]
) -> None:
    place = panel["gridPos"]
    left, width = place["x"] / _COLUMNS, place["w"] / _COLUMNS
    bottom, tall = 1 - (place["y"] + place["h"]) / height, place["h"] / height
    if panel["type"] == "row":
        figure.text(left + 0.01, bottom + tall / 3, panel["title"], fontsize=10, weight="bold")
        return
    inset = (left + 0.045, bottom + tall * 0.13, width - 0.055, tall * 0.72)
    axes = figure.add_axes(inset)
    axes.set_title(panel["title"], fontsize=8, loc="left")
    defaults = panel.get("fieldConfig", {}).get("defaults", {})
    show = FuncFormatter(lambda value, _: _shown(value, defaults.get("unit", "")))
    if panel["type"] == "stat":
        _draw_number(axes, series, defaults)
    elif panel["type"] == "heatmap":
        _draw_heat(axes, series)
    else:
        axes.yaxis.set_major_formatter(show)
        _draw_lines(axes, series, panel)


def _draw_number(axes: Any, series: Sequence[Series], defaults: Mapping[str, Any]) -> None:  # noqa: ANN401 - type checkers do not see matplotlib
    axes.axis("off")
    value = series[0][2][-1] if series else float("nan")
    colour = _COLOURS[0]
    for step in defaults.get("thresholds", {}).get("steps", ()):
        if step["value"] is None or value >= step["value"]:
            colour = _KINDS[step["color"]]
    text = _shown(value, defaults.get("unit", ""))
    axes.text(0.5, 0.4, text, fontsize=20, color=colour, ha="center", va="center")


def _draw_lines(axes: Any, series: Sequence[Series], panel: Mapping[str, Any]) -> None:  # noqa: ANN401 - the same
    defaults = panel["fieldConfig"]["defaults"]
    stacked = defaults["custom"].get("stacking", {}).get("mode") == "normal"
    below: dict[float, float] = {}
    for (name, times, values), number in zip(series, range(len(series)), strict=True):
        colour = _COLOURS[number % len(_COLOURS)]
        if stacked:
            base = [below.get(at, 0.0) for at in times]
            tops = [value + under for value, under in zip(values, base, strict=True)]
            below.update(zip(times, tops, strict=True))
            axes.fill_between(times, base, tops, color=colour, alpha=0.3, linewidth=0)
        else:
            tops = list(values)
        # With many series, omit those that are always 0 from the legend.
        named = name if len(series) <= _LINES or any(values) else None
        axes.plot(times, tops, color=colour, linewidth=1, label=named)
    bottom, top = defaults.get("min", 0), defaults.get("max")
    axes.set_ylim(bottom, top)
    top = axes.get_ylim()[1]
    for step in defaults.get("thresholds", {}).get("steps", ()):
        if step["value"] and step["value"] < top:
            axes.axhline(step["value"], color=_KINDS[step["color"]], linestyle="--", linewidth=0.7)
    axes.legend(fontsize=6, frameon=False, ncols=2, loc="upper right")


def _draw_heat(axes: Any, series: Sequence[Series]) -> None:  # noqa: ANN401 - the same
    buckets = sorted(series, key=lambda each: float(each[0]))
    times = sorted({at for _, moments, _ in buckets for at in moments})
    rows, before = [], dict.fromkeys(times, 0.0)
    for _, moments, values in buckets:
        here = {**before, **dict(zip(moments, values, strict=True))}
        rows.append([max(here[at] - before[at], 0.0) ** 0.5 for at in times])
        before = here
    axes.pcolormesh(times, range(len(rows)), rows, cmap="Oranges", shading="nearest")
    axes.set_yticks(range(0, len(rows), 2))
    axes.set_yticklabels([_shown(float(name), "s") for name, _, _ in buckets[::2]])


def _shown(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value * 100:,.0f} %" if abs(value) >= 1 else f"{value * 100:.3g} %"
    if unit == "bytes":
        return f"{value / 2**20:.0f} MiB"
    if unit == "s":
        return _duration(value)
    return f"{value:.3g}" + {"reqps": " req/s", "ops": " ops/s"}.get(unit, "")


def _duration(seconds: float) -> str:
    for size, name in ((86400, "days"), (3600, "h"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if abs(seconds) >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} s"


if __name__ == "__main__":
    sys.exit(main())
