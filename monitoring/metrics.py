"""The table of docs/metrics.md, written of the metrics themselves."""

from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import Metric

from orders_prometheus import SharedMetrics

BEGIN: Final = "<!-- What follows is written by `make monitoring`. -->"
END: Final = "<!-- That was written by `make monitoring`. -->"


def exported() -> Iterator[tuple[Metric, Sequence[str]]]:
    """Give every metric that the service exports, with the names of its labels."""
    shared = SharedMetrics(1)
    own = {family.metric({}).name for family in shared.families}
    for family in shared.families:
        yield family.metric({}), tuple(family.labels)
    # What the kernel tells is there for processes that there are.
    shared.of(0)
    for metric in shared.collect():
        if metric.name not in own:
            yield metric, tuple(metric.samples[0].labels)


def table() -> str:
    """Write the table."""
    rows = ["| Metric | Type | Labels | What it tells |", "|---|---|---|---|"]
    for metric, labels in exported():
        name, kind = metric.name, metric.type
        if kind == "counter":
            name += "_total"
        elif kind == "info":
            name, kind = f"{name}_info", "gauge"
        listed = " " + ", ".join(f"`{label}`" for label in labels) if labels else ""
        meaning = metric.documentation.rstrip(".")
        rows.append(f"| `{name}` | {kind} |{listed} | {meaning}. |")
    return "\n".join(rows) + "\n"


def with_table(page: str) -> str:
    """Put the table between its two marks in a page.

    Raises:
        ValueError: The page has not both marks, in this order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"docs/metrics.md has not the lines {BEGIN} and {END}, in this order")
    return f"{before}{BEGIN}\n\n{table()}\n{END}{after}"
