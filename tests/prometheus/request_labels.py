"""Labels of requests for the tests."""

from typing import Final

from orders_prometheus import RequestLabels

LABELS: Final = RequestLabels(
    routes=("/orders", "/orders/<id>", "(none)"),
    methods=("GET", "POST"),
    statuses=(200, 201, 500, 503),
    monitored=[("/orders", "POST", 201)],
)
