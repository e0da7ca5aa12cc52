"""Removing and purging the package."""

from pathlib import Path
from typing import Final

from tests.debian_package import newer
from tests.e2e.linux.conftest import Host

# Directories that the system itself writes to while packages come and go.
NOT_OURS: Final = (
    *("proc", "sys", "dev", "run", "tmp", "root"),
    *("var/log", "var/cache", "var/lib/apt"),
)


def files(host: Host) -> set[str]:
    """List every file with its mode, its owner and its content's hash."""
    pruned = " -o ".join(f"-path /{folder}" for folder in NOT_OURS)
    found = f"find / -xdev \\( {pruned} \\) -prune -o"
    listed = host.run(
        f"{found} -printf '%M %u:%g %p %l\\n'\n{found} -type f -exec sha256sum {{}} +\n"
    )
    return set(listed.splitlines())


def test_a_purge_keeps_the_orders_and_a_new_installation_finds_them(
    installed: Host, package: Path
) -> None:
    installed.place("A-1")
    said = installed.run("apt-get purge --yes orders 2>&1")
    assert "orders: kept /var/lib/orders" in said
    assert installed.attempt("test -e /etc/orders").returncode != 0
    installed.install(package)
    assert installed.has("A-1")


def test_a_purge_asks_whether_to_remove_the_orders(installed: Host) -> None:
    installed.place("A-1")
    # debconf asks only on a terminal.
    purge = "DEBIAN_FRONTEND=teletype dpkg --purge orders"
    said = installed.run(f"echo yes | script --quiet --return --command '{purge}' /dev/null")
    assert "Remove the orders as well?" in said
    assert installed.attempt("test -e /var/lib/orders").returncode != 0


def test_an_enabled_check_is_removed_and_reinstalled_with_the_package(
    installed: Host, package: Path
) -> None:
    active = "systemctl is-active orders-check.timer"
    installed.run("systemctl enable --now orders-check.timer")
    installed.run("apt-get remove --yes orders")
    assert installed.attempt(active).returncode != 0
    installed.install(package)
    installed.run(active)


def test_an_upgrade_and_a_full_purge_leave_nothing(
    installed: Host, package: Path, tmp_path: Path
) -> None:
    # The first installation also installed the dependencies.
    told = "echo orders orders/purge-data boolean true | debconf-set-selections"
    installed.run(f"{told}; apt-get purge --yes orders")
    before = files(installed)
    installed.install(package)
    installed.install(newer(package, "999.0", tmp_path))
    installed.place("A-1")
    installed.run("systemctl start orders-check; orders check")
    installed.run("apt-get remove --yes orders")
    assert installed.attempt("command -v orders").returncode != 0
    installed.run("test -f /etc/orders/orders.toml && test -f /var/lib/orders/orders.db")
    installed.run(f"{told}; apt-get purge --yes orders")
    assert files(installed) ^ before == set()
