"""Two runs beside each other."""

from typing import Final

from benchmarks.report import figure
from benchmarks.results import Load, Results, ratio

_HEAD: Final = ("load", "connections", "server", "req/s before", "after", "ratio")


def compared(before: Results, after: Results) -> str:
    """Write the rates of two runs, and the second divided by the first, as a Markdown table.

    Only one machine's runs can be compared, and even there pgbench's row tells how much the
    machine itself has changed between them.
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
