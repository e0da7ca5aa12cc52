"""Compare two runs."""

from typing import Final

from benchmarks.report import figure
from benchmarks.results import Load, Results, ratio

_HEAD: Final = ("load", "connections", "server", "req/s before", "after", "ratio")


def compared(before: Results, after: Results) -> str:
    """Write a Markdown table of the rates of two runs and their ratios.

    Compare only runs of the same machine. pgbench's rows show how much the machine itself has
    changed between the runs.
    """
    lines = [f"| {' | '.join(_HEAD)} |", "|---|--:|---|--:|--:|--:|"]
    cells = {(each.load, each.connections, each.server): None for each in before.samples}
    for load, connections, server in sorted(cells, key=lambda key: (list(Load).index(key[0]), key)):
        rates = [
            None if cell is None else cell.requests_per_second
            for cell in (run.cell(server, load, connections) for run in (before, after))
        ]
        figures = (*map(figure, rates), figure(ratio(rates[1], rates[0])))
        lines.append(f"| {load.value} | {connections} | {server} | {' | '.join(figures)} |")
    return "\n".join(lines) + "\n"
