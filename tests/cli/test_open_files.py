"""The limit of open files: raised as far as it may be, or told when it is too low to serve."""

import json
import resource
from contextlib import ExitStack
from pathlib import Path
from shlex import quote

import pytest

from orders_cli.exits import Exit
from orders_http.server.limits import DEFAULT_LIMITS
from tests.cli.command import Orders
from tests.http.wire import HEALTH, connected
from tests.service_process import running_service
from tests.service_python import SERVICE_PYTHON

FILES, LEAST_FILES = DEFAULT_LIMITS.files, DEFAULT_LIMITS.least_files
FEW_CLIENTS = 50


def with_limits(files: int, most: int) -> str:
    """Write a program that sets the limits of open files of its own process."""
    return f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({files}, {most})); "


@pytest.mark.parametrize("most", [64, 200, LEAST_FILES - 1])
def test_a_limit_that_leaves_none_for_clients_is_a_wrong_configuration(
    orders: Orders, most: int
) -> None:
    with orders.start("serve", before=with_limits(most // 2, most)) as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (Exit.CONFIGURATION, b"")
    (line,) = err.decode().splitlines()
    message = json.loads(line)["message"]
    assert f"may open {most} files, but needs {LEAST_FILES}" in message
    for way in (f"ulimit -Hn {FILES}", f"LimitNOFILE={FILES}"):
        assert way in message


def limits_of_a_worker(folder: Path, files: int, most: int) -> tuple[int, int]:
    """Start a service with limits, have as many clients answered as it has, and give its limits."""
    python = folder / "python"
    program = f'ulimit -Sn {files}; ulimit -Hn {most}; exec {quote(SERVICE_PYTHON)} "$@"'
    python.write_text(f"#!/bin/bash\n{program}\n")
    python.chmod(0o755)
    settings = {"ORDERS_WORKERS": "1"}
    with (
        running_service(f"sqlite:///{folder}/orders.db", settings, python=str(python)) as service,
        ExitStack() as stack,
    ):
        wires = [stack.enter_context(connected(service)) for _ in range(FEW_CLIENTS)]
        for wire in wires:
            wire.send(HEALTH)
        assert {wire.receive().status for wire in wires} == {200}
        return resource.prlimit(service.children["worker-0"], resource.RLIMIT_NOFILE)


def test_the_least_that_is_asked_for_is_enough_for_some_clients(tmp_path: Path) -> None:
    limits = limits_of_a_worker(tmp_path, LEAST_FILES // 2, LEAST_FILES)
    assert limits == (LEAST_FILES, LEAST_FILES)


def test_a_low_limit_is_raised_as_far_as_it_is_of_use(tmp_path: Path) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert limits_of_a_worker(tmp_path, 100, most) == (min(FILES, most), most)


def test_a_limit_that_suffices_is_left(tmp_path: Path) -> None:
    assert limits_of_a_worker(tmp_path, FILES + 1, FILES + 2) == (FILES + 1, FILES + 2)
