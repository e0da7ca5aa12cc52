"""The image is small, confined and reproducible, and docker compose starts it."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any, Final

import pytest
from attrs import frozen

from tests.debian_package import ROOT, run
from tests.e2e.cluster.lab import POSTGRES_IMAGE
from tests.postgres_server import free_port, wait_until

BASE: Final = "python:3.13-slim-trixie"
MEGABYTE: Final = 1_000_000
_CONFINED: Final = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
_FILES: Final = (
    "import hashlib, pathlib\n"
    "places = map(pathlib.Path, ('/opt/orders', '/usr/local'))\n"
    "for file in sorted(file for place in places for file in place.rglob('*')):\n"
    "    content = file.read_bytes() if file.is_file() else b''\n"
    "    print(file, file.lstat().st_mtime, hashlib.sha256(content).hexdigest())\n"
)


def inspected(image: str) -> Any:  # noqa: ANN401 - whatever Docker says
    (found,) = json.loads(run("docker", "image", "inspect", image))
    return found


def in_container(image: str, *command: str) -> str:
    """Run another program in a container of the image, and return its output."""
    entry, *arguments = command
    return run("docker", "run", "--rm", f"--entrypoint={entry}", image, *arguments)


@contextmanager
def container(image: str, *options: str) -> Iterator[str]:
    """Run the service in a container, and remove it at the end."""
    name = f"orders-e2e-{secrets.token_hex(4)}"
    run("docker", "run", "--detach", "--name", name, *_CONFINED, *options, image)
    try:
        yield name
    finally:
        run("docker", "rm", "--force", name)


def health(name: str) -> str:
    return run("docker", "inspect", "--format={{.State.Health.Status}}", name).strip()


def test_it_adds_less_than_60_mb_to_its_base(image: str) -> None:
    added = inspected(image)["Size"] - inspected(BASE)["Size"]
    assert 0 < added < 60 * MEGABYTE


def test_it_has_no_pip_and_no_compiler(image: str) -> None:
    script = "! command -v pip pip3 gcc cc make && ! python -c 'import pip' 2>/dev/null"
    in_container(image, "sh", "-c", script)
    in_container(image, "sh", "-c", "! /usr/local/bin/python3 -c 'import pip' 2>/dev/null")


def test_it_has_labels_and_a_numeric_user(image: str) -> None:
    config = inspected(image)["Config"]
    assert config["User"] == "10001:10001"
    labels = config["Labels"]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    version = in_container(image, "orders", "--version")
    assert version == f"orders {labels['org.opencontainers.image.version']}\n"


def test_all_its_python_files_are_compiled(image: str) -> None:
    script = (
        "import pathlib\n"
        "for source in pathlib.Path('/opt/orders/lib').rglob('*.py'):\n"
        "    assert list(source.parent.glob(f'__pycache__/{source.stem}.*.pyc')), source\n"
    )
    in_container(image, "python", "-c", script)


def test_the_same_source_gives_the_same_files(image: str) -> None:
    again = f"{image}-again"
    epoch = run("git", "log", "-1", "--format=%ct").strip()
    build = ("docker", "build", "--no-cache", "--tag", again)
    run(*build, f"--build-arg=SOURCE_DATE_EPOCH={epoch}", ".")
    try:
        built = [in_container(each, "python", "-c", _FILES) for each in (image, again)]
        assert built[0] == built[1]
    finally:
        run("docker", "image", "rm", "--force", again)


def test_it_becomes_healthy_and_exits_cleanly_on_sigterm(image: str) -> None:
    settings = ("--env=DATABASE_URL=sqlite:////data/orders.db", "--env=ORDERS_AUTH=trusted-network")
    with container(image, "--tmpfs=/data:mode=1777", "--tmpfs=/tmp:mode=1777", *settings) as name:
        wait_until(lambda: health(name) == "healthy", seconds=60)
        run("docker", "stop", name)
        assert run("docker", "wait", name).strip() == "0"


def test_it_does_not_start_without_client_authentication(image: str) -> None:
    with container(image) as name:
        assert run("docker", "wait", name).strip() == "78"


@frozen
class Composed:
    """A project of `docker compose`."""

    name: str
    settings: Mapping[str, str]

    def __call__(self, *arguments: str) -> str:
        """Run `docker compose`."""
        return run(
            *("docker", "compose", "--project-name", self.name, *arguments), settings=self.settings
        )

    def connect(self) -> HTTPConnection:
        """Return a client of the service; the caller closes it."""
        return HTTPConnection("127.0.0.1", int(self.settings["ORDERS_PORT"]), timeout=30)


@pytest.fixture
def composed(image: str) -> Iterator[Composed]:
    """`docker compose` on free ports with this image; its volumes are removed at the end."""
    assert POSTGRES_IMAGE in (ROOT / "compose.yaml").read_text()
    settings = {
        "ORDERS_IMAGE": image,
        "ORDERS_PORT": str(free_port()),
        "ORDERS_OPS_PORT": str(free_port()),
    }
    project = Composed(f"orders-e2e-{secrets.token_hex(4)}", settings)
    try:
        yield project
    finally:
        project("down", "--volumes")


def start(composed: Composed) -> None:
    """Start everything, and place an order."""
    composed("up", "--detach", "--wait", "--no-build")
    body = '{"id": "A-1", "amount": 12.30}'
    client = composed.connect()
    client.request("POST", "/orders", body, {"Content-Type": "application/json"})
    assert client.getresponse().status == 201
    client.close()


def test_docker_compose_starts_it_with_its_database(composed: Composed) -> None:
    start(composed)


def test_docker_compose_starts_it_after_an_interrupted_first_start(
    composed: Composed,
) -> None:
    # Create the CA, but none of its certificates.
    script = "/certificates /tls/authority authority"
    composed("run", "--rm", "certificates", script)
    start(composed)
