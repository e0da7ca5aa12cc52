"""The watch: monitoring knows the state of the database without client traffic."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import NoReturn

import pytest

from orders_core import OrderStore
from orders_core.database import Database
from orders_memory import MemoryStore
from orders_postgres import SCHEMA_VERSION
from orders_service import database_watch as watching
from orders_service.composition import Service, SharedMetrics, build_service
from orders_service.configuration.loading import load
from orders_service.database_watch import Watch
from orders_sqlite import SqliteDatabase
from tests.certificates import Authority
from tests.postgres_server import OrdersDatabase
from tests.prometheus.exposition import samples, value


@contextmanager
def service_on(url: str, metrics: SharedMetrics) -> Iterator[tuple[Service, Database]]:
    config = load({}, {"DATABASE_URL": url}, None)
    with closing(build_service(config, metrics.of(0))) as service:
        yield service, config.database


def test_an_available_database_is_up_and_shows_its_schema(
    orders_database: OrdersDatabase,
) -> None:
    metrics = SharedMetrics(1)
    url = orders_database.server.url_text(orders_database.name)
    with service_on(url, metrics) as (service, database):
        service.watch(database).check()
        assert value(metrics, "orders_store_up") == 1
        for name in ("orders_store_schema_version", "orders_store_schema_version_needed"):
            assert value(metrics, name) == SCHEMA_VERSION
        orders_database.run("DELETE FROM orders_schema WHERE version = 3")
        service.watch(database).check()
    assert value(metrics, "orders_store_up") == 0
    assert value(metrics, "orders_store_schema_version") == 2
    assert value(metrics, "orders_store_unavailable_total", reason="schema") == 1


def test_an_unavailable_database_is_down_and_the_reason_is_counted(tmp_path: Path) -> None:
    metrics = SharedMetrics(1)
    authority = Authority("Orders test authority")
    certificate = tmp_path / "ca.crt"
    certificate.write_bytes(authority.certificate_pem)
    url = f"postgresql://me@localhost:1/mine?sslmode=verify-full&sslrootcert={certificate}"
    with service_on(url, metrics) as (service, database):
        service.watch(database).check()
    text = metrics.exposition().decode()
    assert value(metrics, "orders_store_up") == 0
    assert value(metrics, "orders_store_unavailable_total", reason="unreachable") == 1
    assert samples(text, "orders_store_schema_version") == {}
    assert samples(text, "orders_certificate_expiry_timestamp_seconds") == {
        (("certificate", "ca"),): authority.certificate.not_valid_after_utc.timestamp()
    }


def test_a_sqlite_file_reports_its_disk(tmp_path: Path) -> None:
    metrics = SharedMetrics(1)
    with service_on(f"sqlite:///{tmp_path}/orders.db", metrics) as (service, database):
        service.watch(database).check()
    size = value(metrics, "orders_store_disk_size_bytes")
    assert 0 < value(metrics, "orders_store_disk_free_bytes") <= size


def test_a_missing_folder_reports_no_disk(tmp_path: Path) -> None:
    metrics = SharedMetrics(1)
    with service_on(f"sqlite:///{tmp_path}/gone/orders.db", metrics) as (service, database):
        service.watch(database).check()
    assert value(metrics, "orders_store_up") == 0
    assert samples(metrics.exposition().decode(), "orders_store_disk_free_bytes") == {}


class Looks(MemoryStore):
    """Counts its checks; the first one fails with a defect."""

    def __init__(self, defects: int = 0) -> None:
        super().__init__()
        self.seen = 0
        self.defects = defects
        self.twice = Event()

    def check(self) -> None:
        self.seen += 1
        if self.seen > 1:
            self.twice.set()
        if self.seen <= self.defects:
            raise AssertionError("a defect")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "WATCH_SECONDS", 0.01)


def watch_of(store: OrderStore, tmp_path: Path, metrics: SharedMetrics) -> Watch:
    return Watch(store, SqliteDatabase(tmp_path / "orders.db"), metrics.of(0))


@pytest.mark.usefixtures("impatient")
def test_it_checks_regularly_until_it_ends(tmp_path: Path) -> None:
    store = Looks()
    watch = watch_of(store, tmp_path, SharedMetrics(1))
    with watch.running() as thread:
        assert store.twice.wait(30)
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.usefixtures("impatient")
def test_a_defect_is_logged_and_the_next_check_follows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, metrics = Looks(defects=1), SharedMetrics(1)
    with caplog.at_level(logging.ERROR), watch_of(store, tmp_path, metrics).running() as thread:
        assert store.twice.wait(30)
    thread.join(30)
    assert [record.message for record in caplog.records] == ["the database could not be checked"]
    assert value(metrics, "orders_store_up") == 1


class Defective(MemoryStore):
    """Fails with a defect."""

    def check(self) -> NoReturn:
        raise AssertionError("a defect")


@pytest.mark.usefixtures("impatient")
def test_a_database_that_cannot_be_checked_is_down(tmp_path: Path) -> None:
    metrics = SharedMetrics(1)
    watch = watch_of(Defective(), tmp_path, metrics)
    watch.metrics.store_up(is_up=True)
    with watch.running() as thread:
        pass
    thread.join(30)
    assert value(metrics, "orders_store_up") == 0
