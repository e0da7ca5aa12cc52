"""`orders check` predicts whether the service starts, and the service's log is JSON."""

import json
from typing import Final

import pytest

from tests.debian_package import ROOT
from tests.e2e.linux.conftest import Host

OVERRIDE: Final = "/etc/systemd/system/orders.socket.d/listen.conf"
CHECKS: Final = (
    "orders check",
    "runuser --user orders -- orders check",
    "systemctl start orders-check.service",
)


def statuses(host: Host) -> list[int]:
    """Run the check as root, as the service's user and as a unit; return the exit statuses."""
    unit = "systemctl show --property=ExecMainStatus --value orders-check.service"
    ended = [host.attempt(each).returncode for each in CHECKS[:2]]
    host.attempt(CHECKS[2])
    return [*ended, int(host.run(unit))]


def test_the_check_fails_exactly_when_the_start_would(installed: Host) -> None:
    assert statuses(installed) == [0, 0, 0]
    installed.put(ROOT / "debian/examples/listen.conf", OVERRIDE)
    installed.run("systemctl daemon-reload")
    assert statuses(installed) == [78, 78, 78]
    assert "(ListenStream= in orders.socket)" in installed.attempt("orders check").stderr
    installed.attempt("systemctl restart orders.socket orders.service")
    status = "systemctl show --property=ExecMainStatus --value orders.service"
    assert installed.run(status).strip() == "78"

    installed.run("echo 'auth = \"trusted-network\"' >>/etc/orders/orders.toml")
    assert statuses(installed) == [0, 0, 0]
    installed.run("systemctl restart orders.socket orders.service")
    assert "passes 0.0.0.0:8000 to orders.service" in installed.run("orders check")


def test_the_check_reports_a_socket_that_differs_from_its_unit(installed: Host) -> None:
    installed.run("echo 'auth = \"trusted-network\"' >>/etc/orders/orders.toml")
    installed.put(ROOT / "debian/examples/listen.conf", OVERRIDE)
    installed.run("systemctl daemon-reload && systemctl restart orders.service")
    remark = "# orders.socket does not listen on 0.0.0.0:8000 yet: run systemctl restart"
    assert remark in installed.run("orders check")
    installed.run(f"sleep 1; touch {OVERRIDE}")
    assert "# orders.socket was changed on disk, " in installed.run("orders check")
    installed.run("systemctl daemon-reload")
    installed.run("systemctl restart orders.socket orders.service")
    assert "yet" not in installed.run("orders check")


@pytest.mark.parametrize(
    "places", [["[::1]:8001", "/run/orders.sock"], ["127.0.0.2:8000"], ["/run/orders.sock"]]
)
def test_loopback_and_unix_sockets_are_checked_and_served(
    installed: Host, places: list[str]
) -> None:
    lines = "".join(f"ListenStream={place}\\n" for place in places)
    installed.run(
        "mkdir -p /etc/systemd/system/orders.socket.d\n"
        f"printf '[Socket]\\nListenStream=\\n{lines}' >{OVERRIDE}\n"
        "systemctl daemon-reload"
    )
    assert statuses(installed) == [0, 0, 0]
    installed.run("systemctl restart orders.socket orders.service")
    assert f"only this machine can reach {', '.join(places)}\n" in installed.run("orders check")


def test_a_check_by_root_fails_on_what_the_service_cannot_read(installed: Host) -> None:
    installed.run(
        "echo 'tokens_file = \"/etc/orders/tokens\"' >>/etc/orders/orders.toml\n"
        "install --mode=0600 /dev/null /etc/orders/tokens"
    )
    assert statuses(installed) == [78, 78, 78]
    told = installed.attempt("orders check").stderr
    assert "tokens_file (/etc/orders/orders.toml): /etc/orders/tokens: cannot be read: " in told
    installed.run("chmod 0644 /etc/orders/tokens; orders check")
    owners = installed.run("stat --format=%U /var/lib/orders/*")
    assert set(owners.split()) == {"orders"}


def test_a_check_of_another_configuration_ignores_the_service(installed: Host) -> None:
    installed.put(ROOT / "debian/examples/listen.conf", OVERRIDE)
    installed.run(
        "systemctl daemon-reload; touch ~/mine.toml; cd\n"
        "orders check --config mine.toml --listen 127.0.0.1:8001 --ops-listen 127.0.0.1:9001"
    )


def test_every_journal_line_is_json(installed: Host) -> None:
    installed.place("A-1")
    installed.run("pkill --full --parent $(systemctl show -P MainPID orders) || true")
    installed.run("systemctl restart orders")
    installed.run("sed -i 's/^database_url/workers = \"no\"\\n&/' /etc/orders/orders.toml")
    installed.attempt("systemctl restart orders")
    installed.run("sed -i '/^workers/d' /etc/orders/orders.toml")
    written = installed.run(
        "journalctl --sync; journalctl --output cat --no-pager "
        "_SYSTEMD_UNIT=orders.service _TRANSPORT=stdout"
    )
    told = [json.loads(line)["message"] for line in written.splitlines()]
    assert {"serving", "request", "a process ended and is replaced"} <= set(told)
    assert told[-1].startswith("workers (/etc/orders/orders.toml): 'no' is neither ")
