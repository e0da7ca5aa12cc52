"""The results as a plot."""

from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.load import PGBENCH
from benchmarks.results import Load, Results
from benchmarks.servers import ORDERS, ORDERS_PYPY

_CONNECTIONS: Final = 32
_OURS: Final = "#1f6f8b"
_PEERS: Final = "#b8c4cc"
_BASE: Final = "#e8d5b5"


def draw(results: Results, file: Path) -> None:
    """Draw requests per second and p99 at 32 connections, with one column per load.

    Args:
        results: The results.
        file: The output file; its suffix determines the format.
    """
    # Text as text, and ids that depend only on the content, keep the file small and reproducible.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "orders"}):
        figure = Figure(figsize=(11, 5), layout="constrained", facecolor="white")
        rows = figure.subplots(2, len(Load), sharey="row")
        for column, load in enumerate(Load):
            found = [
                (name, title, cell)
                for name, title in reversed(results.titles.items())
                if (cell := results.cell(name, load, _CONNECTIONS)) is not None
            ]
            titles = [title for _, title, _ in found]
            colours = [_colour(name) for name, _, _ in found]
            values = (
                ("requests per second", [cell.requests_per_second for _, _, cell in found]),
                ("p99 in ms", [cell.p99_ms for _, _, cell in found]),
            )
            for row, (label, figures) in zip(rows, values, strict=True):
                axes = row[column]
                bars = axes.barh(titles, figures, color=colours)
                axes.bar_label(bars, fmt="{:,.4g}", padding=3, fontsize=8)
                axes.margins(x=0.2)
                axes.set_xlabel(label, fontsize=8)
                axes.tick_params(labelsize=8)
                axes.spines[["top", "right"]].set_visible(False)
            rows[0][column].set_title(f"{load.value}, {_CONNECTIONS} connections", fontsize=10)
        figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


def _colour(server: str) -> str:
    if server in {ORDERS, ORDERS_PYPY}:
        return _OURS
    return _BASE if server == PGBENCH else _PEERS
