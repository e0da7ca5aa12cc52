"""A real PgBouncer in front of a test server, with its defaults except for the pool mode."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Final

import pg8000.native  # type: ignore[import-untyped]  # pg8000 ships no types
import pytest
from attrs import evolve, frozen

from orders_postgres import DatabaseUrl, Host
from tests.postgres_server import (
    HOST,
    OWNER,
    PASSWORD,
    SERVICE,
    PostgresServer,
    free_port,
    unprivileged_user,
    wait_until,
)
from tests.short_folders import short_folder

# Installed beside the older one of Debian 12.
_UNPACKED: Final = Path("/opt/pgbouncer/usr/sbin/pgbouncer")
_END_SECONDS: Final = 30.0
_SETTINGS: Final = """\
[databases]
* = host={folder} port={server_port}
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = {mode}
max_client_conn = 300
{more}
"""


class PoolMode(Enum):
    """When a session of the server returns to the pool."""

    SESSION = "session"
    TRANSACTION = "transaction"
    STATEMENT = "statement"


def pgbouncer_programs() -> list[Path]:
    """Find every PgBouncer, the newest last; without one, skip the test, which fails in CI."""
    usual = shutil.which("pgbouncer", path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin")
    found = [Path(usual)] if usual is not None else []
    if _UNPACKED.exists():
        found.append(_UNPACKED)
    if not found:
        pytest.skip("PgBouncer is not installed: apt-get install pgbouncer")
    return found


@frozen
class Pooler:
    """A PgBouncer for tests; `open_pooler` starts one."""

    port: int

    def before(self, url: DatabaseUrl) -> DatabaseUrl:
        """Return the URL of the same database through the pooler."""
        return evolve(url, hosts=(Host(HOST, self.port),), password=PASSWORD)

    def text_before(self, url: str, server: PostgresServer) -> str:
        """Return the same for a URL as a person would write it."""
        return url.replace(f"{HOST}:{server.port}/", f"{HOST}:{self.port}/")

    def answers(self) -> bool:
        """Return whether the service's role can connect."""
        with suppress(pg8000.native.Error, OSError):
            pg8000.native.Connection(
                SERVICE, HOST, "postgres", self.port, PASSWORD, timeout=30
            ).close()
            return True
        return False


@contextmanager
def open_pooler(
    server: PostgresServer,
    mode: PoolMode,
    program: Path | None = None,
    **more: str,
) -> Iterator[Pooler]:
    """Start a PgBouncer in front of a server, and stop it at the end.

    Args:
        server: The running server.
        mode: The pool mode.
        program: The PgBouncer to run; the newest by default.
        more: Further settings.
    """
    pooler = Pooler(free_port())
    with short_folder() as folder:
        user = unprivileged_user()
        users = folder / "users.txt"
        users.write_text("".join(f'"{role}" "{PASSWORD}"\n' for role in (OWNER, SERVICE)), "utf-8")
        settings = _SETTINGS.format(
            folder=server.folder,
            server_port=server.port,
            host=HOST,
            port=pooler.port,
            users=users,
            mode=mode.value,
            more="".join(f"{name} = {value}\n" for name, value in more.items()),
        )
        file = folder / "pgbouncer.ini"
        file.write_text(settings, "utf-8")
        for path in (folder, users, file):
            server.give(path)
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen(
                [program or pgbouncer_programs()[-1], file],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                user=user,
                extra_groups=None if user is None else [],
            ) as process,
        ):
            try:
                wait_until(pooler.answers)
                yield pooler
            finally:
                process.terminate()
                process.wait(_END_SECONDS)
