"""The content and the metadata of the Debian package."""

import re
import tomllib
from configparser import ConfigParser
from email.parser import Parser
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

from orders_cli.exits import Exit
from orders_cli.parser import build_parser
from orders_service.configuration.loading import load
from orders_service.configuration.settings import SETTINGS
from tests.debian_package import ROOT, run
from tests.packaging.test_distribution import PACKAGES, SOURCE_ROOTS

LIBRARY: Final = "usr/lib/orders"
UNITS: Final = "usr/lib/systemd/system"
CONFIGURATION: Final = "etc/orders/orders.toml"
VERSION: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
# Debian's own package replaces it.
LEFT_OUT: Final = "tzdata"
BY_CLASSIFIER: Final = {
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Zope Public License": "ZPL-2.1",
}
# The socket units define the addresses.
NOT_IN_FILE: Final = {"listen", "ops_listen"}


@pytest.fixture(scope="module")
def content(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the package installs, with its control files in the folder DEBIAN."""
    folder = tmp_path_factory.mktemp("content")
    run("dpkg-deb", "--raw-extract", package, folder)
    return folder


@pytest.fixture(scope="module")
def manual() -> str:
    """The text of the manual page, with unescaped hyphens."""
    return (ROOT / "docs/orders.1").read_text().replace("\\-", "-")


def unit(content: Path, name: str) -> ConfigParser:
    """Read a unit; of a repeated key, only the last value."""
    read = ConfigParser(interpolation=None, strict=False)
    read.optionxform = str  # type: ignore[assignment, method-assign]  # keys keep their case
    read.read_string((content / UNITS / name).read_text())
    return read


def test_one_package_serves_every_architecture(package: Path) -> None:
    assert package.name == f"orders_{VERSION}_all.deb"


def test_it_contains_exactly_the_files_of_our_packages_unchanged(content: Path) -> None:
    expected = {
        file.relative_to(ROOT / root): file.read_bytes()
        for root in SOURCE_ROOTS
        for package in PACKAGES
        for file in (ROOT / root / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    library = content / LIBRARY
    assert expected == {
        file.relative_to(library): file.read_bytes()
        for package in PACKAGES
        for file in (library / package).rglob("*")
        if file.is_file()
    }


def test_it_contains_the_locked_versions_of_the_libraries(content: Path) -> None:
    locked = re.findall(r"^([\w-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    texts = [file.read_text() for file in (content / LIBRARY).glob("*.dist-info/METADATA")]
    installed = {(each["Name"], each["Version"]) for each in map(Parser().parsestr, texts)}
    assert {(name.lower().replace("_", "-"), version) for name, version in installed} == {
        *((name, version) for name, version in locked if name != LEFT_OUT),
        ("orders-core", VERSION),
    }


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-build.txt"])
def test_every_locked_library_has_a_hash(name: str) -> None:
    entries = re.split(r"\n(?=\w)", (ROOT / name).read_text())
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_it_contains_no_machine_code_and_no_bytecode(content: Path) -> None:
    suffixes = {file.suffix for file in (content / LIBRARY).rglob("*") if file.is_file()}
    assert suffixes.isdisjoint({".so", ".pyc", ".pyd"})


def test_lintian_reports_nothing(package: Path) -> None:
    assert run("lintian", "--allow-root", "--fail-on=error,warning", package) == ""


def test_every_override_of_lintian_has_a_reason() -> None:
    lines = (ROOT / "debian/orders.lintian-overrides").read_text().splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        assert line.startswith("#") or before.startswith("# "), line


def test_other_users_cannot_read_the_configuration_and_upgrades_keep_it(content: Path) -> None:
    assert (content / "DEBIAN/conffiles").read_text().splitlines() == [f"/{CONFIGURATION}"]
    assert (content / CONFIGURATION).stat().st_mode & 0o777 == 0o640
    tmpfiles = (content / "usr/lib/tmpfiles.d/orders.conf").read_text()
    assert f"z /{CONFIGURATION} 0640 root orders" in tmpfiles


def test_the_configuration_is_valid_and_mentions_every_setting(content: Path) -> None:
    file = content / CONFIGURATION
    assert str(load({}, {}, file).database) == "sqlite:////var/lib/orders/orders.db"
    shown = set(re.findall(r"^#?(\w+) = ", file.read_text(), re.MULTILINE))
    assert {name.replace("password_file", "password") for name in shown} == {
        setting.name for setting in SETTINGS
    } - NOT_IN_FILE


def test_the_defaults_in_the_configuration_are_those_of_the_program(content: Path) -> None:
    shown = dict(
        re.findall(
            r'^#(workers|currency|root|idle_seconds|log_requests) = "(.*)"',
            (content / CONFIGURATION).read_text(),
            re.MULTILINE,
        )
    )
    assert shown == {setting.name: setting.default for setting in SETTINGS if setting.name in shown}
    assert shown


@pytest.mark.parametrize(
    ("name", "setting", "descriptor"),
    [
        ("orders.socket", "listen", "orders.socket"),
        ("orders-operations.socket", "ops_listen", "operations"),
    ],
)
def test_the_sockets_listen_on_the_default_addresses_of_the_service(
    content: Path, name: str, setting: str, descriptor: str
) -> None:
    socket = unit(content, name)["Socket"]
    (default,) = (each.default for each in SETTINGS if each.name == setting)
    assert socket["ListenStream"] == default
    assert socket.get("FileDescriptorName", name) == descriptor
    assert socket["Service"] == "orders.service"


def test_the_check_has_the_same_sandbox_as_the_service(content: Path) -> None:
    service, check = (
        (content / UNITS / name).read_text().partition("IPAddressDeny")[2].partition("\n\n")[0]
        for name in ("orders.service", "orders-check.service")
    )
    assert service.strip() == check.strip()
    assert "ProtectSystem=strict" in service


def test_the_check_is_installed_but_not_enabled(content: Path) -> None:
    assert unit(content, "orders-check.timer")["Install"]["WantedBy"] == "timers.target"
    assert "enable 'orders-check.timer'" in (content / "DEBIAN/postinst").read_text()
    assert "debian-installed 'orders-check.timer'" in (content / "DEBIAN/postinst").read_text()


def test_an_upgrade_leaves_the_sockets_running(content: Path) -> None:
    scripts = "\n".join(
        (content / "DEBIAN" / name).read_text()
        for name in ("preinst", "postinst", "prerm")
        if (content / "DEBIAN" / name).exists()
    )
    touched = re.findall(r"deb-systemd-invoke (\S+) (.*) >/dev/null", scripts)
    assert {action for action, units in touched if "socket" in units} == {"start", "stop"}
    assert re.search(r"= remove \][^}]*?deb-systemd-invoke stop [^\n]*orders.socket", scripts)


def test_the_completions_are_installed_where_shells_look_for_them(content: Path) -> None:
    completions = ROOT / "entrypoints/orders_cli/completions"
    for shell, target in (
        ("bash", "bash-completion/completions/orders"),
        ("zsh", "zsh/vendor-completions/_orders"),
    ):
        installed = content / "usr/share" / target
        assert installed.read_bytes() == (completions / f"orders.{shell}").read_bytes()


def test_the_copyright_file_covers_every_library(content: Path) -> None:
    text = (content / "usr/share/doc/orders/copyright").read_text()
    patterns = " ".join(re.findall(r"^Files: (.*)$", text, re.MULTILINE)).split()
    covered = [pattern for pattern in patterns if pattern != "*"]
    names = [
        f"{LIBRARY}/{each.name}{'/x' if each.is_dir() else ''}"
        for each in (content / LIBRARY).iterdir()
        if each.suffix != ".dist-info" and each.name not in PACKAGES
    ]
    assert [name for name in names if not any(fnmatch(name, each) for each in covered)] == []
    unused = [each for each in covered if not list(content.glob(each))]
    assert unused == []


def test_the_copyright_file_has_the_licence_in_each_librarys_metadata(content: Path) -> None:
    text = (content / "usr/share/doc/orders/copyright").read_text()
    listed = re.findall(r"^Files: (.*)\n(?:.*\n)*?License: (.*)$", text, re.MULTILINE)
    metadata = [
        Parser().parsestr(file.read_text())
        for file in (content / LIBRARY).glob("*.dist-info/METADATA")
    ]
    libraries = [each for each in metadata if each["Name"] != "orders-core"]
    assert len(libraries) > 5
    for library in libraries:
        name = library["Name"].replace("python-", "")
        prefix = re.compile(rf"{LIBRARY}/{re.escape(name)}[/.]")
        named = {licence for files, licence in listed if any(map(prefix.match, files.split()))}
        # An SPDX expression, or in older metadata a classifier.
        stated = library["License-Expression"] or " AND ".join(
            BY_CLASSIFIER[each]
            for each in library.get_all("Classifier", [])
            if each.startswith("License ::")
        )
        assert {*stated.split(" AND ")} <= named, library["Name"]


def test_the_copyright_file_contains_every_licence_that_it_names(content: Path) -> None:
    text = (content / "usr/share/doc/orders/copyright").read_text()
    stanzas = text.split("\n\n")
    named = {
        line
        for stanza in stanzas
        if stanza.startswith("Files")
        for line in re.findall(r"^License: (.*)$", stanza, re.MULTILINE)
    }
    contained = {
        stanza.splitlines()[0].removeprefix("License: ")
        for stanza in stanzas
        if stanza.startswith("License")
    }
    assert named == contained


def test_the_manual_page_documents_every_command_and_every_flag(
    manual: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = re.findall(r"^    (\w+)", build_parser().format_help(), re.MULTILINE)
    assert "migrate" in commands
    for command in commands:
        assert f"orders {command}" in manual
        with pytest.raises(SystemExit):
            build_parser().parse_args([command, "--help"])
    flags = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert "--grant-to" in flags
    assert [flag for flag in flags if flag not in manual] == []


def test_the_manual_page_documents_every_setting_and_its_default(manual: str) -> None:
    for setting in SETTINGS:
        assert setting.variable in manual
        if setting.default and setting.flag and not setting.secret:
            assert f"Environment: {setting.variable}.\nDefault: {setting.default}.\n" in manual
        if setting.secret:
            assert f"{setting.variable}_FILE" in manual


def test_the_manual_page_documents_every_exit_status(manual: str) -> None:
    section = manual.partition(".SH EXIT STATUS")[2].partition(".SH")[0]
    assert set(re.findall(r"^\.B (\d+)$", section, re.MULTILINE)) == {
        str(int(each)) for each in Exit
    }


def test_the_paths_and_units_in_the_operations_page_exist(content: Path) -> None:
    page = (ROOT / "docs/operations/one-server.md").read_text()
    table = page.partition("## Where things are")[2].partition("##")[0]
    named = re.findall(r"`([^`]+)`", "\n".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE)))
    paths = [name if "/" in name else f"/{UNITS}/{name}" for name in named]
    created = re.findall(
        r"^d (\S+)", (content / "usr/lib/tmpfiles.d/orders.conf").read_text(), re.MULTILINE
    )
    assert len(paths) > 5
    assert [
        path for path in paths if path not in created and not (content / path[1:]).exists()
    ] == []


def test_every_page_that_the_configuration_names_is_installed(content: Path) -> None:
    named = re.findall(r"/usr/share/doc/[\w./-]*\w", (content / CONFIGURATION).read_text())
    assert named
    assert [page for page in named if not (content / page[1:]).is_file()] == []
