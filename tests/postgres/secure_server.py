"""A PostgreSQL server that requires TLS with a client certificate, and a client of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import define

from orders_postgres import DatabaseUrl
from tests.certificates import Authority, Issued
from tests.postgres_server import SERVICE, OrdersDatabase, PostgresServer, ServerTls, open_server

SERVER_HOSTS: Final = ("localhost", "127.0.0.1")


@define
class SecureServer:
    """The server, and the authority for both sides."""

    server: PostgresServer
    authority: Authority
    database: OrdersDatabase

    def show(self, issued: Issued, *crls: bytes) -> None:
        """Use another server certificate from now on, and refuse revoked client certificates."""
        pem = self.authority.certificate_pem
        tls = ServerTls(issued.certificate_pem, issued.key_pem, pem, b"".join(crls))
        self.server.secure(tls)
        self.server.reload()

    def show_usual(self) -> None:
        """Use a valid certificate."""
        self.show(self.authority.issue("localhost", *SERVER_HOSTS))


@define
class Client:
    """The files of a client, and the URL that names them."""

    server: SecureServer
    folder: Path

    def prepare(self) -> None:
        """Write valid files."""
        self.write("ca.crt", self.server.authority.certificate_pem)
        self.identify(self.server.authority.issue(SERVICE))

    def write(self, name: str, content: bytes, mode: int = 0o600) -> Path:
        """Write one file."""
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(mode)
        return path

    def identify(self, issued: Issued, mode: int = 0o600) -> None:
        """Use this client certificate from now on."""
        self.write("client.crt", issued.certificate_pem)
        self.write("client.key", issued.key_pem, mode)

    def url_text(self, **changes: str | None) -> str:
        """Return a working URL with changes; None omits a parameter."""
        parameters = {
            "user": SERVICE,
            "host": "localhost",
            "port": str(self.server.server.port),
            "connect_timeout": "30",
            "sslmode": "verify-full",
            "sslrootcert": str(self.folder / "ca.crt"),
            "sslcert": str(self.folder / "client.crt"),
            "sslkey": str(self.folder / "client.key"),
            **changes,
        }
        given = "&".join(f"{name}={value}" for name, value in parameters.items() if value)
        return f"postgresql:///{self.server.database.name}?{given}"

    def url(self, **changes: str | None) -> DatabaseUrl:
        """Return the same URL, parsed."""
        return DatabaseUrl.parse(self.url_text(**changes))


@contextmanager
def open_secure_server() -> Iterator[SecureServer]:
    """Start such a server with a database, and remove it at the end."""
    authority = Authority("Orders test authority")
    issued = authority.issue("localhost", *SERVER_HOSTS)
    tls = ServerTls(issued.certificate_pem, issued.key_pem, authority.certificate_pem)
    with open_server(tls) as server:
        yield SecureServer(server, authority, server.new_database())
