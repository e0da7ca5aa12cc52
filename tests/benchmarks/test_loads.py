"""The output of wrk and pgbench is parsed correctly."""

import pytest

from benchmarks.load import Failed, timing_of_pgbench, timing_of_wrk
from benchmarks.results import Timing

WRK = """Running 1s test @ http://127.0.0.1:8000
  1 threads and 32 connections
Requests/sec:   1000.00
result {"requests": 2000, "microseconds": 2000000, "p50": 1500, "p99": 7250, "errors": 3}
"""
PGBENCH = "number of failed transactions: 2 (0.1%)\ntps = 4.0 (without initial connection time)\n"


def test_times_of_wrk_become_seconds_and_milliseconds() -> None:
    assert timing_of_wrk(WRK) == Timing(2000, 2.0, 1.5, 7.25, 3)


def test_wrk_without_a_result_is_a_failure() -> None:
    with pytest.raises(Failed, match="unable to connect"):
        timing_of_wrk("unable to connect")


def test_pgbench_counts_transactions_that_ended_while_all_clients_were_connected() -> None:
    """Fields of a line: client, transaction, latency in µs, script, seconds, microseconds."""
    logs = [
        "0 0 9000 0 99 900000\n0 1 1000 0 100 500000\n",
        "1 0 3000 0 101 999999\n1 1 9000 0 102 1\n",
    ]
    assert timing_of_pgbench(PGBENCH, logs, 100.0, 102.0) == Timing(2, 2.0, 1.0, 3.0, 2)


def test_pgbench_without_a_transaction_is_a_failure() -> None:
    with pytest.raises(Failed, match="no transaction"):
        timing_of_pgbench(PGBENCH, ["0 0 9000 0 99 900000\n"], 100.0, 102.0)
