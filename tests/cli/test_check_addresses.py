"""`orders check` refuses addresses with which the service would refuse to start."""

import os
import pwd
import socket
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from attrs import frozen

from orders_cli.exits import Exit
from orders_http.server.limits import DEFAULT_LIMITS
from orders_service import systemd_unit
from tests.cli.command import Ended, Orders
from tests.service_process import running_service

HOST = "127.0.0.1"
FREE = {"ORDERS_LISTEN": f"{HOST}:0", "ORDERS_OPS_LISTEN": f"{HOST}:0"}
UNIT = "orders.service"


# The addresses that the service opens itself.


@pytest.mark.parametrize("flag", ["--listen", "--ops-listen"])
def test_an_address_of_another_machine_is_refused(orders: Orders, flag: str) -> None:
    ended = orders("check", flag, "192.0.2.1:1", **{**FREE, "ORDERS_AUTH": "trusted-network"})
    assert ended.status == Exit.UNAVAILABLE
    assert ended.err == (
        "orders: 192.0.2.1:1: cannot listen: Cannot assign requested address; "
        f"{flag} sets the address\n"
    )


class Other(BaseHTTPRequestHandler):
    """Another program's answers."""

    def do_GET(self) -> None:
        """Answer that the page does not exist."""
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextmanager
def another_program() -> Iterator[int]:
    """Run another program; return its port."""
    with HTTPServer((HOST, 0), Other) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def no_http() -> Iterator[int]:
    """Run a program that speaks another protocol; return its port."""

    def greet() -> None:
        client, _ = listener.accept()
        with client:
            client.sendall(b"220 welcome\r\n")
            client.recv(1024)

    with socket.create_server((HOST, 0)) as listener:
        thread = Thread(target=greet)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


@pytest.mark.parametrize("program", [another_program, no_http])
def test_an_address_in_use_by_another_program_is_refused(
    orders: Orders, program: type[object]
) -> None:
    with program() as port:  # type: ignore[attr-defined]  # a function of this module
        ended = orders("check", ORDERS_LISTEN=f"{HOST}:{port}", ORDERS_OPS_LISTEN=f"{HOST}:0")
    assert ended.status == Exit.UNAVAILABLE
    assert ended.err == (
        f"orders: {HOST}:{port}: cannot listen: Address already in use; ORDERS_LISTEN "
        "sets the address\n"
    )


def test_an_address_in_use_by_the_running_service_is_no_problem(orders: Orders) -> None:
    with running_service(f"sqlite:///{orders.folder}/orders.db") as service:
        addresses = [f"{HOST}:{service.port}", f"{HOST}:{service.operations_port}"]
        ended = orders("check", ORDERS_LISTEN=addresses[0], ORDERS_OPS_LISTEN=addresses[1])
    assert (ended.status, ended.err) == (Exit.DONE, "")
    for address in addresses:
        assert f"# {address} is in use, as expected while the service runs\n" in ended.out


def test_a_socket_that_does_not_answer_may_be_the_services(orders: Orders) -> None:
    with socket.create_server((HOST, 0)) as listener:
        address = f"{HOST}:{listener.getsockname()[1]}"
        ended = orders("check", **{**FREE, "ORDERS_LISTEN": address})
    assert (ended.status, ended.err) == (Exit.DONE, "")


# The sockets that systemd passes. A program plays systemctl; tests/e2e/linux asks the real one.


@frozen
class Systemd:
    """A machine booted by systemd, with units."""

    orders: Orders
    folder: Path

    def has(self, *sockets: str, service: str = "", status: int = 0) -> None:
        """Make systemctl show a service with some properties, and sockets."""
        ids = " ".join(f"{number}.socket" for number in range(len(sockets)))
        defaults = f"LoadState=loaded\nTriggeredBy={ids} orders.timer\nNeedDaemonReload=no\n"
        (self.folder / "service").write_text(f"{service}{defaults}")
        (self.folder / "sockets").write_text("\n".join(sockets))
        program = self.folder / "systemctl"
        program.write_text(
            f"#!/bin/sh\ncd {self.folder}\n"
            f'[ {status} = 0 ] || {{ echo "Failed to connect" >&2; exit {status}; }}\n'
            'case "$*" in *orders.service) cat service;; *) cat sockets;; esac\n'
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def check(self, *arguments: str, **environ: str) -> Ended:
        """Check the configuration of the service."""
        path = f"{self.folder}:{os.environ['PATH']}"
        return self.orders("check", *arguments, **{"ORDERS_UNIT": UNIT, "PATH": path, **environ})


def socket_unit(number: int, *addresses: str, name: str = "", **properties: str) -> str:
    """Write what systemctl shows of a socket unit."""
    shown = {"ActiveState": "inactive", "NeedDaemonReload": "no", **properties}
    lines = [
        f"Listen={address}" + " (Stream)" * (not address.endswith(")")) for address in addresses
    ]
    lines += [f"Id={number}.socket", f"FileDescriptorName={name or f'{number}.socket'}"]
    lines += ["LoadState=loaded"] if "LoadState" not in shown else []
    return "\n".join([*lines, *(f"{key}={value}" for key, value in shown.items()), ""])


@pytest.fixture
def systemd(orders: Orders, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Systemd:
    """A machine booted by systemd."""
    folder = tmp_path / "systemd"
    folder.mkdir()
    monkeypatch.setattr(systemd_unit, "_BOOTED", folder)
    return Systemd(orders, folder)


def test_an_address_that_systemd_passes_replaces_listen(systemd: Systemd) -> None:
    systemd.has(socket_unit(0, "0.0.0.0:8000"), socket_unit(1, f"{HOST}:9000", name="operations"))
    ended = systemd.check(ORDERS_LISTEN="127.0.0.1:1")
    assert ended.status == Exit.CONFIGURATION
    assert "# 0.socket passes 0.0.0.0:8000 to orders.service\n" in ended.out
    assert ended.err.startswith(
        "orders: other machines can reach 0.0.0.0:8000 (ListenStream= in 0.socket), "
    )


def test_every_address_of_every_socket_unit_is_checked(systemd: Systemd) -> None:
    addresses = ["127.0.0.1:8000", "[::1]:8000", "[::]:8001", "192.0.2.7:80"]
    systemd.has(
        socket_unit(0, *addresses[:3]),
        socket_unit(1, addresses[3], name="more"),
        socket_unit(2, "0.0.0.0:1", LoadState="masked"),
    )
    ended = systemd.check()
    assert ended.status == Exit.CONFIGURATION
    refused = [line.partition("reach ")[2].split()[0] for line in ended.err.splitlines()]
    assert refused == addresses[2:]
    trusted = systemd.check(ORDERS_AUTH="trusted-network", ORDERS_OPS_LISTEN=f"{HOST}:0")
    assert (trusted.status, trusted.err) == (Exit.DONE, "")


def test_loopback_sockets_need_no_token(systemd: Systemd) -> None:
    systemd.has(
        socket_unit(0, "127.0.0.1:8000", "[::1]:8000"),
        socket_unit(1, f"{HOST}:1", name="operations"),
    )
    ended = systemd.check()
    assert (ended.status, ended.err) == (Exit.DONE, "")
    assert "only this machine can reach 127.0.0.1:8000, [::1]:8000\n" in ended.out


def test_unix_sockets_need_no_token(systemd: Systemd) -> None:
    systemd.has(
        socket_unit(0, "/run/orders.sock", "@orders"),
        socket_unit(1, "/run/operations.sock", name="operations"),
    )
    ended = systemd.check()
    assert (ended.status, ended.err) == (Exit.DONE, "")
    assert "only this machine can reach /run/orders.sock, @orders\n" in ended.out


def test_a_link_local_address_is_read_as_systemd_writes_it(systemd: Systemd) -> None:
    systemd.has(socket_unit(0, "[fe80::1]:8000%eth0"))
    ended = systemd.check()
    assert ended.status == Exit.CONFIGURATION
    assert ended.err.startswith(
        "orders: other machines can reach [fe80::1]:8000 (ListenStream= in "
    )


@pytest.mark.parametrize("number", [0, 1])
def test_sockets_that_cannot_accept_clients_are_refused(systemd: Systemd, number: int) -> None:
    odd = ["[::]:1 (Datagram)", "/run/x (FIFO)", "/run/y (SequentialPacket)", "vsock:2:3"]
    names = ["", "operations"]
    systemd.has(socket_unit(0, f"{HOST}:1", *odd, name=names[number]))
    ended = systemd.check()
    assert ended.status == Exit.CONFIGURATION
    refused = [line.partition("passes ")[2].split()[0] for line in ended.err.splitlines()]
    assert refused == ["[::]:1", "/run/x", "/run/y", "vsock:2:3"]


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        (str(DEFAULT_LIMITS.least_files - 1), Exit.CONFIGURATION),
        (str(DEFAULT_LIMITS.least_files), Exit.DONE),
        ("infinity", Exit.DONE),
    ],
)
def test_the_units_limit_of_open_files_counts(systemd: Systemd, limit: str, status: Exit) -> None:
    systemd.has(service=f"LimitNOFILE={limit}\n")
    ended = systemd.check(**FREE)
    assert ended.status == status
    assert (f"may open {limit} files" in ended.err) == (status != Exit.DONE)


def test_a_limit_of_open_files_too_low_for_any_client_is_refused(orders: Orders) -> None:
    limited = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); "
    with orders.start("check", environ=FREE, before=limited) as process:
        _, err = process.communicate()
    assert process.returncode == Exit.CONFIGURATION
    assert err.startswith(b"orders: each process may open 64 files, ")


@pytest.mark.parametrize(
    "arguments", [["--listen", f"{HOST}:0"], ["--config", "mine.toml"], ["--unit", ""]]
)
def test_a_check_of_another_configuration_ignores_the_unit(
    systemd: Systemd, arguments: list[str]
) -> None:
    Path("mine.toml").touch()
    systemd.has(socket_unit(0, "0.0.0.0:8000"))
    ended = systemd.check(*arguments, **FREE)
    assert (ended.status, ended.err) == (Exit.DONE, "")
    assert "passes" not in ended.out


def test_unit_names_the_service_to_check_for(systemd: Systemd) -> None:
    systemd.has(socket_unit(0, "0.0.0.0:8000"))
    Path("mine.toml").touch()
    ended = systemd.check("--unit", UNIT, "--config", "mine.toml", ORDERS_UNIT="")
    assert ended.status == Exit.CONFIGURATION
    assert f"tokens_file in {Path('mine.toml').absolute()}" in ended.err


def test_a_service_without_socket_units_opens_its_own_addresses(systemd: Systemd) -> None:
    systemd.has()
    ended = systemd.check(**FREE)
    assert (ended.status, ended.err) == (Exit.DONE, "")
    assert f"only this machine can reach {HOST}:0\n" in ended.out


def test_a_failing_systemctl_is_reported_and_fails_nothing(systemd: Systemd) -> None:
    systemd.has(status=1)
    # The address may be one that systemd opens.
    with another_program() as port:
        ended = systemd.check(ORDERS_LISTEN=f"{HOST}:{port}")
    assert (ended.status, ended.err) == (Exit.DONE, "")
    assert (
        "# cannot find out which sockets systemd passes to orders.service: "
        "systemctl failed: Failed to connect\n"
    ) in ended.out
    assert (
        f"only this machine can reach {HOST}:{port}, unless systemd passes another address\n"
    ) in ended.out


def test_a_missing_systemctl_is_reported(systemd: Systemd) -> None:
    ended = systemd.check(PATH=str(systemd.folder), **FREE)
    assert (ended.status, ended.err) == (Exit.DONE, "")
    assert "systemctl is not installed\n" in ended.out


def test_a_hanging_systemctl_is_reported(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd_unit, "_SECONDS", 0.1)
    program = systemd.folder / "systemctl"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    ended = systemd.check(**FREE)
    assert (ended.status, ended.err) == (Exit.DONE, "")
    assert "systemd did not answer within 0 s\n" in ended.out


def test_without_systemd_only_an_explicit_unit_is_mentioned(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd_unit, "_BOOTED", orders.folder / "nothing")
    ended = orders("check", ORDERS_UNIT=UNIT, **FREE)
    assert (ended.status, ended.err) == (Exit.DONE, "")
    assert "systemd" not in ended.out
    asked = orders("check", "--unit", UNIT, **FREE)
    assert asked.status == Exit.DONE
    assert "systemd is not running here\n" in asked.out


@pytest.mark.parametrize(
    ("arguments", "status"), [([], Exit.DONE), (["--unit", UNIT], Exit.CONFIGURATION)]
)
def test_a_missing_unit_is_an_error_only_if_it_was_named(
    systemd: Systemd, arguments: list[str], status: Exit
) -> None:
    systemd.has(service="LoadState=not-found\n")
    ended = systemd.check(*arguments, **FREE)
    assert ended.status == status
    assert (f"systemd has no unit {UNIT}" in ended.err) == (status != Exit.DONE)


def test_changed_units_are_reported_with_the_command_to_run(systemd: Systemd) -> None:
    with socket.create_server((HOST, 0)) as v4, closing(socket.socket(socket.AF_INET6)) as v6:
        v6.bind(("::1", 0))
        v6.listen()
        there = [f"{HOST}:{v4.getsockname()[1]}", f"[::1]:{v6.getsockname()[1]}"]
        systemd.has(
            socket_unit(0, "/run/a.sock", *there, "127.0.0.2:1", ActiveState="active"),
            socket_unit(1, f"{HOST}:1", NeedDaemonReload="yes"),
            service="NeedDaemonReload=yes\n",
        )
        ended = systemd.check(ORDERS_OPS_LISTEN=f"{HOST}:0")
    assert (ended.status, ended.err) == (Exit.DONE, "")
    unknown = "was changed on disk, but systemd has not loaded the change: run systemctl"
    assert [line for line in ended.out.splitlines() if "systemctl" in line] == [
        f"# orders.service {unknown} daemon-reload, then check again",
        f"# 1.socket {unknown} daemon-reload, then check again",
        f"# 0.socket does not listen on 127.0.0.2:1 yet: run systemctl restart 0.socket {UNIT}",
    ]


def test_settings_that_only_the_unit_has_are_reported(systemd: Systemd) -> None:
    systemd.has(service='Environment=DATABASE_PASSWORD_FILE=/x "ORDERS_WORKERS=2" A=b\n')
    ended = systemd.check(ORDERS_WORKERS="2", **FREE)
    assert f"# {UNIT} sets DATABASE_PASSWORD_FILE, which this check does not see\n" in ended.out


def test_a_check_by_another_user_is_reported(systemd: Systemd) -> None:
    other = next(each for each in pwd.getpwall() if each.pw_uid not in {0, os.geteuid()})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 4_000_000)
        systemd.has(service=f"User={other.pw_name}\n")
        ended = systemd.check(**FREE)
        wrong = systemd.check(ORDERS_WORKERS="no", **FREE)
    name = other.pw_name
    assert ended.status == Exit.DONE
    told = f"{UNIT} runs as {name}, but this check does not: run it as {name} or root\n"
    assert told in ended.out
    assert wrong.err.endswith(told)


def test_a_check_by_the_services_user_reports_nothing(systemd: Systemd) -> None:
    systemd.has(service=f"User={pwd.getpwuid(os.geteuid()).pw_name}\n")
    ended = systemd.check(**FREE)
    assert (ended.status, ended.err) == (Exit.DONE, "")
    assert "runs as" not in ended.out


def test_a_missing_user_is_reported(systemd: Systemd) -> None:
    systemd.has(service="User=no-such-user\n")
    ended = systemd.check(**FREE)
    assert f"{UNIT} runs as no-such-user, but there is no such user\n" in ended.out


def test_a_check_by_root_switches_to_the_services_user_and_folder(
    systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system calls are patched; tests/e2e/linux makes the real ones."""
    user = next(each for each in pwd.getpwall() if each.pw_uid != 0)
    ids = [0]
    became: list[object] = []
    monkeypatch.setattr(os, "geteuid", lambda: ids[-1])
    monkeypatch.setattr(os, "initgroups", lambda *given: became.append(given))
    monkeypatch.setattr(os, "setgid", became.append)
    monkeypatch.setattr(os, "setuid", ids.append)
    folder = systemd.folder / "service-folder"
    folder.mkdir()
    (folder / "tokens").write_text("shop\n")
    systemd.has(service=f"User={user.pw_name}\nWorkingDirectory=!{folder}\n")
    ended = systemd.check(ORDERS_TOKENS_FILE="tokens", **FREE)
    assert became == [(user.pw_name, user.pw_gid), user.pw_gid]
    assert ids == [0, user.pw_uid]
    assert (ended.status, Path.cwd()) == (Exit.CONFIGURATION, folder)
    assert "tokens: line 1: " in ended.err


def test_a_running_service_is_asked_at_the_address_that_systemd_opened(systemd: Systemd) -> None:
    with running_service(f"sqlite:///{systemd.folder}/orders.db") as service:
        address = f"{HOST}:{service.operations_port}"
        systemd.has(socket_unit(0, address, name="operations"))
        ended = systemd.check("--running", ORDERS_OPS_LISTEN=f"{HOST}:1")
    assert (ended.status, ended.out) == (Exit.DONE, '{"status": "ready"}\n')
    gone = systemd.check("--running", ORDERS_OPS_LISTEN=f"{HOST}:1")
    assert gone.status == Exit.UNAVAILABLE
    assert gone.err.startswith(f"orders: http://{address}/readyz: ")
    assert "ListenStream= in the socket unit with FileDescriptorName=operations" in gone.err
