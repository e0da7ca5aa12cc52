"""nginx and HAProxy as ordinary processes on free ports, with the examples of docs/proxies.md."""

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

import pytest
from attrs import frozen

from tests.certificates import Authority
from tests.postgres_server import HOST, free_port, wait_until

NAME: Final = "orders.example"
_DOCS: Final = Path(__file__).parents[2] / "docs" / "proxies.md"
_PATIENCE_SECONDS: Final = 60.0
Program = Literal["nginx", "haproxy"]


def examples(language: str) -> list[str]:
    """Return the examples in a language, in order."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", _DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )


@frozen
class Ports:
    """Where a proxy listens, for plain HTTP and for TLS."""

    plain: int
    tls: int

    def url(self, scheme: str, *, with_port: bool) -> str:
        """Return the public URL; the browser maps its default ports to these."""
        port = self.tls if scheme == "https" else self.plain
        return f"{scheme}://{NAME}:{port}" if with_port else f"{scheme}://{NAME}"


def choose_ports() -> Ports:
    """Choose two free ports."""
    return Ports(free_port(), free_port())


def _certificates(folder: Path) -> None:
    issued = Authority("proxies").issue(NAME, NAME)
    (folder / "orders.crt").write_bytes(issued.certificate_pem)
    (folder / "orders.key").write_bytes(issued.key_pem)
    (folder / "orders.pem").write_bytes(issued.certificate_pem + issued.key_pem)


def nginx_configuration(site: str, folder: Path, ports: Ports) -> str:
    """Put a site into a configuration that needs no privileges; it also listens for plain HTTP."""
    listen = f"listen {HOST}:{ports.tls} ssl http2; listen {HOST}:{ports.plain};"
    site = _replaced(site, "listen 443 ssl http2;", listen)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    return (
        f"daemon off; master_process off; pid {folder}/nginx.pid;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{places}{site}}}\n"
    )


def haproxy_configuration(example: str, ports: Ports) -> str:
    """Make the example also listen for plain HTTP."""
    plain = f"bind {HOST}:{ports.plain}\n    bind {HOST}:{ports.tls} ssl"
    return _replaced(example, "bind :443 ssl", plain)


@contextmanager
def running_proxy(
    program: Program, configuration: str, folder: Path, ports: Ports, service_port: int
) -> Iterator[None]:
    """Run a proxy in front of the service on a port, while the block runs."""
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        pytest.skip(f"{program} is not installed: scripts/require {program}")
    _certificates(folder)
    configuration = _replaced(configuration, "127.0.0.1:8000", f"{HOST}:{service_port}")
    file = folder / f"{program}.conf"
    file.write_text(_replaced(configuration, "/etc/ssl/", f"{folder}/"), "utf-8")
    options = (
        ["-p", str(folder), "-e", "stderr", "-c", str(file)]
        if program == "nginx"
        else ["-db", "-f", str(file)]
    )
    log = folder / f"{program}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [found, *options], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            wait_until(lambda: _listens(process, ports, log), _PATIENCE_SECONDS)
            yield
        finally:
            process.terminate()
            process.wait(30)


def _listens(process: subprocess.Popen[bytes], ports: Ports, log: Path) -> bool:
    assert process.poll() is None, log.read_text("utf-8", errors="replace")
    with suppress(OSError):
        for port in (ports.plain, ports.tls):
            socket.create_connection((HOST, port), timeout=5).close()
        return True
    return False


def _replaced(text: str, old: str, new: str) -> str:
    assert old in text, f"{old!r} is not in the example"
    return text.replace(old, new)
