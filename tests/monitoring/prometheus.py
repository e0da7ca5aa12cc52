"""Prometheus, Alertmanager and node exporter as ordinary processes on free ports."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml
from attrs import define, field, frozen

from tests.postgres_server import HOST, free_port, wait_until

_EVERY: Final = "1s"
_PATIENCE_SECONDS: Final = 120.0


def program(name: str) -> str:
    """Find a program, or skip: a skipped test fails in CI."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: scripts/require prometheus")
    return found


@contextmanager
def running(folder: Path, *command: str) -> Iterator[None]:
    """Run a program while the block runs; its output goes to a file."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            yield
            assert process.poll() is None, log.read_text("utf-8", errors="replace")
        finally:
            process.terminate()
            process.wait(30)


def answer(url: str) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON at a URL."""
    with urlopen(url, timeout=30) as response:  # noqa: S310 - of our own
        return json.load(response)


def is_ready(url: str) -> bool:
    """Return whether a URL answers with 200."""
    try:
        with urlopen(url, timeout=30) as response:  # noqa: S310 - of our own
            return bool(response.status == 200)
    except HTTPError as refusal:
        refusal.close()
        return False
    except (HTTPException, OSError):
        return False


@frozen
class Prometheus:
    """A running Prometheus."""

    url: str

    def query(self, expression: str) -> Sequence[tuple[Mapping[str, str], float]]:
        """Evaluate an expression; return each series' labels and current value."""
        found = answer(f"{self.url}/api/v1/query?{urlencode({'query': expression})}")
        data = found["data"]
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(each["metric"], float(each["value"][1])) for each in data["result"]]

    def history(
        self, expression: str, begun: float, ended: float
    ) -> Sequence[tuple[Mapping[str, str], Sequence[tuple[float, float]]]]:
        """Evaluate an expression for every second; return each series' labels and values."""
        asked = {"query": expression, "start": begun, "end": ended, "step": 1}
        found = answer(f"{self.url}/api/v1/query_range?{urlencode(asked)}")
        return [
            (each["metric"], [(at, float(value)) for at, value in each["values"]])
            for each in found["data"]["result"]
        ]

    def names(self) -> set[str]:
        """Return the names of all series."""
        return set(answer(f"{self.url}/api/v1/label/__name__/values")["data"])

    def firing(self) -> set[str]:
        """Return the names of the firing alerts."""
        return {labels["alertname"] for labels, _ in self.query('ALERTS{alertstate="firing"}')}


@contextmanager
def prometheus(
    folder: Path,
    rules: str,
    targets: Mapping[str, Sequence[str]],
    alertmanager: str | None = None,
) -> Iterator[Prometheus]:
    """Run Prometheus, which scrapes and evaluates every second.

    Args:
        folder: The folder for its files.
        rules: The content of the rule file.
        targets: The addresses to scrape, by job.
        alertmanager: The address of an Alertmanager, or None.
    """
    address = f"{HOST}:{free_port()}"
    (folder / "orders.rules.yaml").write_text(rules, "utf-8")
    configuration: dict[str, Any] = {
        "global": {"scrape_interval": _EVERY, "evaluation_interval": _EVERY},
        "rule_files": ["orders.rules.yaml"],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
            for job, addresses in targets.items()
        ],
    }
    if alertmanager is not None:
        static = [{"static_configs": [{"targets": [alertmanager]}]}]
        configuration["alerting"] = {"alertmanagers": static}
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration), "utf-8")
    with running(
        folder,
        program("prometheus"),
        "--config.file=prometheus.yaml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
        # Resend alerts every second, instead of every minute.
        "--rules.alert.resend-delay=1s",
    ):
        wait_until(lambda: is_ready(f"http://{address}/-/ready"), _PATIENCE_SECONDS)
        yield Prometheus(f"http://{address}")


@define
class Notified:
    """A receiver of Alertmanager's notifications."""

    port: int
    notices: list[Mapping[str, Any]] = field(factory=list)

    def summaries(self, name: str, status: str) -> list[str]:
        """Return the summaries of an alert's notifications that are `firing` or `resolved`."""
        return [
            alert["annotations"]["summary"]
            for notice in self.notices
            for alert in notice["alerts"]
            if alert["labels"]["alertname"] == name and alert["status"] == status
        ]


@contextmanager
def notified() -> Iterator[Notified]:
    """Receive Alertmanager's notifications, as a pager would."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            pager.notices.append(json.loads(content))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        pager = Notified(server.server_address[1])
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield pager
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def alertmanager(folder: Path, pager: Notified) -> Iterator[str]:
    """Run Alertmanager, which notifies the pager at once; yield its address."""
    address = f"{HOST}:{free_port()}"
    configuration = {
        "route": {
            "receiver": "pager",
            "group_by": ["alertname"],
            "group_wait": "0s",
            "group_interval": "1s",
        },
        "receivers": [
            {
                "name": "pager",
                "webhook_configs": [{"url": f"http://{HOST}:{pager.port}/"}],
            }
        ],
    }
    (folder / "alertmanager.yaml").write_text(yaml.safe_dump(configuration), "utf-8")
    with running(
        folder,
        program("prometheus-alertmanager"),
        "--config.file=alertmanager.yaml",
        f"--storage.path={folder}/alertmanager",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ):
        wait_until(lambda: is_ready(f"http://{address}/-/ready"), _PATIENCE_SECONDS)
        yield address


@contextmanager
def node_exporter(folder: Path) -> Iterator[str]:
    """Run the node exporter with the folder's `*.prom` files; yield its address."""
    address = f"{HOST}:{free_port()}"
    with running(
        folder,
        program("prometheus-node-exporter"),
        f"--web.listen-address={address}",
        f"--collector.textfile.directory={folder}",
    ):
        wait_until(lambda: is_ready(f"http://{address}/metrics"), _PATIENCE_SECONDS)
        yield address
