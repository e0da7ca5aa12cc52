"""Debian's own tools accept the package."""

from pathlib import Path

import pytest

from tests.debian_package import ROOT, newer
from tests.e2e.linux.conftest import Host, purge

INSTALL = "apt-get install --yes --no-install-recommends"


@pytest.fixture
def purged(host: Host) -> Host:
    """A host without the package."""
    purge(host)
    return host


def test_autopkgtest_passes(purged: Host, package: Path) -> None:
    for file in (*(ROOT / "debian").rglob("*"), ROOT / "README.md"):
        if file.is_file():
            purged.put(file, f"~/source/{file.relative_to(ROOT)}")
    purged.put(package, "~/orders.deb")
    # The restriction asks for a machine of its own, which this host is.
    told = purged.run(
        f"{INSTALL} autopkgtest dpkg-dev\n"
        "autopkgtest --ignore-restrictions=isolation-container --output-dir ~/autopkgtest"
        " --no-built-binaries ~/orders.deb ~/source -- null 2>&1\n"
        "cat ~/autopkgtest/summary\n"
        "rm -rf ~/autopkgtest; apt-get purge --yes orders\n"
    )
    assert told.count("PASS") >= 1
    assert "SKIP" not in told


def test_piuparts_installs_upgrades_removes_and_purges_it(
    purged: Host, package: Path, tmp_path: Path
) -> None:
    purged.put(package, "~/archive/orders.deb")
    purged.put(newer(package, "999.0", tmp_path), "~/orders_999.0_all.deb")
    # Include systemd in the base, because systemd does not clean up after itself. The host cannot
    # create devices, so bind-mount its own; Debian 13's piuparts does this by itself.
    told = purged.run(
        f"{INSTALL} piuparts mmdebstrap dpkg-dev python3\n"
        ". /etc/os-release; cd; lend=\n"
        '[ "$VERSION_CODENAME" != bookworm ] || lend="--bindmount /dev"\n'
        "mmdebstrap --mode=root --variant=minbase --include=systemd --skip=output/mknod,output/dev"
        ' "$VERSION_CODENAME" ~/base 2>&1\n'
        "cd archive; dpkg-scanpackages . >Packages; cd ..\n"
        "python3 -m http.server --bind 127.0.0.1 --directory archive 8099 >/dev/null 2>&1 &\n"
        "archive=$!; trap 'kill $archive' EXIT\n"
        'piuparts --distribution "$VERSION_CODENAME" --existing-chroot base $lend'
        " --no-eatmydata --mirror 'http://deb.debian.org/debian main'"
        " --extra-repo 'deb [trusted=yes] http://127.0.0.1:8099/ ./' orders_999.0_all.deb 2>&1\n"
    )
    assert "PASS: Installation and purging test." in told
    assert "PASS: Installation, upgrade and purging tests." in told
