"""The loads: wrk for the servers, pgbench for PostgreSQL alone."""

import json
import math
import re
import secrets
import subprocess
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory, TemporaryFile
from time import sleep, time
from typing import Final

from attrs import frozen

from benchmarks.database import count, environment, server_pid, stored_id
from benchmarks.processes import cpu_seconds, ended_with_us
from benchmarks.results import Load, Sample, Timing, percentile
from benchmarks.servers import Server
from benchmarks.settings import FOLDER
from tests.postgres_server import OrdersDatabase, postgres_programs

PGBENCH: Final = "pgbench"
PAGE: Final = 100
"""The number of orders in a list."""

_PATHS: Final = 5_000
_MICROSECONDS: Final = 1_000_000
_RESULT: Final = re.compile(r"^result (\{.*\})$", re.MULTILINE)
_FAILED: Final = re.compile(r"^number of failed transactions: (\d+)", re.MULTILINE)
# The time limit of pgbench includes connecting. If it was too short, the next attempt gets more.
_TRIES: Final = 3
_CONNECTED_PER_SECOND: Final = 100
_SETTLING_SECONDS: Final = 0.3
_POLL_SECONDS: Final = 0.01
# Stored ids are S and nine digits; `:first` is the number of the first.
_SCRIPTS: Final = {
    Load.PLACE: r"""
\set number random(0, 9000000000000000000)
\set cents random(0, 9999999)
INSERT INTO orders (id, amount) VALUES ('p' || :number, :cents / 100.0) ON CONFLICT (id) DO NOTHING;
""",
    Load.LOOK_UP: r"""
\set number random(:first, :last)
SELECT id, amount FROM orders WHERE id = 'S' || :number;
""",
    Load.LIST: r"""
\set number random(:first, :last - 100)
SELECT id, amount FROM orders WHERE id > 'S' || :number ORDER BY id LIMIT 100;
""",
}


class Failed(Exception):
    """A load could not be run, or it stored the wrong number of orders."""


@frozen
class Target:
    """A server, or PostgreSQL alone, with the paths that wrk requests.

    Attributes:
        database: The database that it uses.
        stored: The number of orders stored before the first load.
        server: The server; None for PostgreSQL alone.
        folder: The folder for the lists of paths.
    """

    database: OrdersDatabase
    stored: int
    server: Server | None
    folder: Path

    @property
    def name(self) -> str:
        """The name in flags and files."""
        return PGBENCH if self.server is None else self.server.kind.name

    def prepare(self, random: Random) -> None:
        """Write the paths that wrk chooses from."""
        if self.server is None:
            return
        for load, last in ((Load.LOOK_UP, self.stored), (Load.LIST, self.stored - PAGE)):
            ids = [stored_id(random.randrange(last)) for _ in range(_PATHS)]
            path_of = self.server.kind.list_path if load is Load.LIST else "/orders/{}".format
            self._paths(load).write_text("\n".join(map(path_of, ids)) + "\n", "utf-8")

    def run(self, load: Load, connections: int, seconds: int) -> Sample:
        """Run a load and measure it.

        Raises:
            Failed: The load generator failed, or acknowledged orders are missing.
        """
        stored = count(self.database)
        server_cpu = None
        if self.server is None:
            timing, postgres_cpu = self._pgbench(load, connections, seconds)
        else:
            server_before = cpu_seconds(self.server.pid)
            postgres_before = self._postgres_cpu()
            timing = self._wrk(self.server, load, connections, seconds)
            postgres_cpu = self._postgres_cpu() - postgres_before
            server_cpu = cpu_seconds(self.server.pid) - server_before
            if timing.requests == 0:
                message = f"{self.name} answered nothing"
                raise Failed(message)
            if load is Load.PLACE:
                self._check_stored(count(self.database) - stored, timing, connections)
        each = _MICROSECONDS / timing.requests
        return Sample(
            self.name,
            load,
            connections,
            timing,
            None if server_cpu is None else server_cpu * each,
            postgres_cpu * each,
        )

    def _postgres_cpu(self) -> float:
        return cpu_seconds(server_pid(self.database.server))

    def _check_stored(self, added: int, timing: Timing, connections: int) -> None:
        """Check that each request stored an order; requests cut off at the end may have too."""
        acknowledged = timing.requests - timing.errors
        if not acknowledged <= added <= timing.requests + connections:
            message = f"{self.name}: {acknowledged} orders were acknowledged and {added} stored"
            raise Failed(message)

    def _wrk(self, server: Server, load: Load, connections: int, seconds: int) -> Timing:
        seed = str(secrets.randbelow(2**31))
        asked = ("place", seed) if load is Load.PLACE else ("read", seed, self._paths(load))
        made = subprocess.run(
            [
                *("wrk", "--threads", "1", "--connections", str(connections)),
                *("--duration", f"{seconds}s", "--timeout", "10s"),
                *("--script", FOLDER / "load.lua", server.url, "--", *asked),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            message = f"wrk failed on {self.name}: {made.stdout}{made.stderr}"
            raise Failed(message)
        return timing_of_wrk(made.stdout)

    def _pgbench(self, load: Load, connections: int, seconds: int) -> tuple[Timing, float]:
        """Measure while all clients are connected; on a busy machine connecting takes a while."""
        patience = seconds + 1 + math.ceil(connections / _CONNECTED_PER_SECOND)
        measured = None
        for _ in range(_TRIES):
            measured = self._pgbench_within(patience, load, connections, seconds)
            if measured is not None:
                return measured
            patience *= 4
        message = f"{connections} clients of pgbench did not connect within {patience // 4} s"
        raise Failed(message)

    def _pgbench_within(
        self, patience: int, load: Load, connections: int, seconds: int
    ) -> tuple[Timing, float] | None:
        """Measure, or return None if pgbench ended too early."""
        first = int(stored_id(0)[1:])
        with TemporaryDirectory() as name, TemporaryFile("w+", encoding="utf-8") as output:
            folder = Path(name)
            script = folder / "script.sql"
            script.write_text(_SCRIPTS[load], "utf-8")
            made = subprocess.Popen(
                [
                    *(postgres_programs() / "pgbench", "--no-vacuum", "--protocol=prepared"),
                    *("--client", str(connections), "--time", str(patience), "--log"),
                    *("--define", f"first={first}", "--define", f"last={first + self.stored - 1}"),
                    *("--file", script),
                ],
                stdout=output,
                stderr=output,
                cwd=folder,
                env=environment(self.database),
            )
            with ended_with_us(made):
                while made.poll() is None and len(self.database.sessions()) < connections:
                    sleep(_POLL_SECONDS)
                # The last client has only just connected.
                sleep(_SETTLING_SECONDS)
                began, cpu_before = time(), self._postgres_cpu()
                sleep(seconds)
                ended, cpu = time(), self._postgres_cpu() - cpu_before
                is_whole = made.poll() is None
            output.seek(0)
            printed = output.read()
            if made.returncode != 0:
                message = f"pgbench failed: {printed}"
                raise Failed(message)
            logs = [log.read_text("ascii") for log in folder.glob("pgbench_log.*")]
        return (timing_of_pgbench(printed, logs, began, ended), cpu) if is_whole else None

    def _paths(self, load: Load) -> Path:
        return self.folder / f"{self.name}-{load.name}.paths"


def timing_of_wrk(printed: str) -> Timing:
    """Parse the line that `load.lua` prints at the end.

    Raises:
        Failed: The line is missing.
    """
    found = _RESULT.search(printed)
    if found is None:
        message = f"wrk printed no result: {printed}"
        raise Failed(message)
    values = json.loads(found[1])
    return Timing(
        values["requests"],
        values["microseconds"] / _MICROSECONDS,
        values["p50"] / 1_000,
        values["p99"] / 1_000,
        values["errors"],
    )


def timing_of_pgbench(printed: str, logs: Sequence[str], began: float, ended: float) -> Timing:
    """Parse the output of pgbench and its logs, which have a line per transaction.

    Args:
        printed: Its standard output.
        logs: The format is documented in PostgreSQL, "pgbench", "Per-Transaction Logging".
        began: The start of the measurement, in seconds since 1970. Only transactions that ended
            between `began` and `ended` count.
        ended: The end of the measurement.

    Raises:
        Failed: No transaction ended in that time.
    """
    latencies = []
    for line in chain.from_iterable(log.splitlines() for log in logs):
        _client, _number, latency, _script, whole, fraction, *_ = map(int, line.split())
        if began < whole + fraction / _MICROSECONDS <= ended:
            latencies.append(latency / 1_000)
    if not latencies:
        message = f"pgbench ended no transaction while all its clients were connected: {printed}"
        raise Failed(message)
    latencies.sort()
    failed = _FAILED.search(printed)
    return Timing(
        len(latencies),
        ended - began,
        percentile(latencies, 50),
        percentile(latencies, 99),
        0 if failed is None else int(failed[1]),
    )
