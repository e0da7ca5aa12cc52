"""The content of the wheel and the source archive."""

from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest

from tests.packaging.conftest import Distribution, build

PACKAGES = {
    "orders_cli",
    "orders_core",
    "orders_http",
    "orders_memory",
    "orders_postgres",
    "orders_prometheus",
    "orders_records",
    "orders_service",
    "orders_sqlite",
    "orders_tokens",
}
SOURCE_ROOTS = (".", "adapters", "entrypoints")


def contents(wheel: Path) -> dict[PurePosixPath, bytes]:
    with ZipFile(wheel) as archive:
        return {PurePosixPath(name): archive.read(name) for name in archive.namelist()}


@pytest.fixture
def files(distribution: Distribution) -> dict[PurePosixPath, bytes]:
    """The wheel's files by name, except its metadata."""
    return {
        path: content
        for path, content in contents(distribution.wheel).items()
        if not path.parts[0].endswith(".dist-info")
    }


@pytest.fixture
def metadata(distribution: Distribution) -> Message:
    (text,) = (
        content.decode()
        for path, content in contents(distribution.wheel).items()
        if path.match("*.dist-info/METADATA")
    )
    return Parser().parsestr(text)


def requirements(metadata: Message, extra: str | None = None) -> set[str]:
    """List the requirements of an extra, or those without one."""
    found = [each.partition(";") for each in metadata.get_all("Requires-Dist", [])]
    wanted = "" if extra is None else f'extra == "{extra}"'
    return {requirement.strip() for requirement, _, marker in found if marker.strip() == wanted}


def test_one_wheel_serves_every_machine(distribution: Distribution) -> None:
    assert distribution.wheel.name.endswith("-py3-none-any.whl")


def test_the_wheel_installs_only_our_packages(files: dict[PurePosixPath, bytes]) -> None:
    assert {path.parts[0] for path in files} == PACKAGES


def test_the_wheel_contains_every_file_of_the_packages_unchanged(
    files: dict[PurePosixPath, bytes],
    source_tree: Path,
) -> None:
    assert files == {
        PurePosixPath(file.relative_to(source_tree / root)): file.read_bytes()
        for root in SOURCE_ROOTS
        for package in PACKAGES
        for file in (source_tree / root / package).rglob("*")
        if file.is_file()
    }


def test_every_package_is_marked_as_typed(files: dict[PurePosixPath, bytes]) -> None:
    assert {path.parent.name for path in files if path.name == "py.typed"} == PACKAGES


def test_migrations_templates_and_completions_are_in_the_wheel(
    files: dict[PurePosixPath, bytes],
) -> None:
    for pattern in (
        "orders_postgres/migrations/*.sql",
        "orders_sqlite/migrations/*.sql",
        "orders_http/api/openapi.json",
        "orders_http/api/page/templates/*.html",
        "orders_cli/completions/*",
    ):
        assert any(path.match(pattern) for path in files), pattern


def test_the_source_archive_and_the_checkout_build_the_same_wheel(
    distribution: Distribution,
    source_tree: Path,
    tmp_path: Path,
) -> None:
    build(source_tree, tmp_path, "--wheel")
    (direct,) = tmp_path.glob("*.whl")
    assert direct.name == distribution.wheel.name
    assert contents(direct) == contents(distribution.wheel)


def test_the_wheel_contains_the_licence(distribution: Distribution, metadata: Message) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    assert any(path.name == "LICENSE" for path in contents(distribution.wheel))


def test_the_library_requires_only_attrs(metadata: Message) -> None:
    assert {each.partition(">=")[0] for each in requirements(metadata)} == {"attrs"}


def test_the_extra_service_combines_the_other_extras(metadata: Message) -> None:
    parts = [requirements(metadata, extra) for extra in ("postgres", "http", "metrics")]
    assert all(parts)
    assert requirements(metadata, "service") == set.union(*parts)
    assert requirements(metadata, "service") < requirements(metadata, "dev")
