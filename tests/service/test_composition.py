"""The composition root: it joins the parts and opens nothing."""

from contextlib import closing
from pathlib import Path

from orders_core import Order, Outcome, place
from orders_service.composition import SharedMetrics, build_service
from orders_service.configuration.loading import load


def test_building_opens_nothing(tmp_path: Path) -> None:
    metrics = SharedMetrics(1).of(0)
    build_service(load({"database_url": f"sqlite:///{tmp_path}/orders.db"}, {}, None), metrics)
    build_service(load({"database_url": "postgresql://me@localhost:1/mine"}, {}, None), metrics)
    assert list(tmp_path.iterdir()) == []


def test_the_store_of_a_service_is_measured(tmp_path: Path) -> None:
    metrics = SharedMetrics(1)
    config = load({"database_url": f"sqlite:///{tmp_path}/orders.db"}, {}, None)
    service = build_service(config, metrics.of(0))
    with closing(service):
        assert place(service.store, Order("A-1", "12.30")) is Outcome.CREATED
    assert b'orders_store_orders_total{outcome="created"} 1.0' in metrics.exposition()
