"""Secrets are planted, and searched for wherever they could leak."""

import base64
import json
import logging
import os
import subprocess
import traceback
from collections.abc import Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest
from attrs import evolve, frozen

from orders_core import StoreUnavailable
from orders_postgres import DatabaseUrl, PostgresStore
from orders_tokens import new_secret
from tests.postgres.secure_server import Client, open_secure_server
from tests.postgres_server import PASSWORD, SERVICE, OrdersDatabase, PostgresServer, wait_until
from tests.service_process import RunningService, running_service
from tests.service_python import SERVICE_PATH, SERVICE_PYTHON
from tests.token_files import write_tokens

TOKEN: Final = "token-canary-92ab61"  # noqa: S105 - a canary
AMOUNT: Final = "9123456.78"
WRONG: Final = "wrong-canary/4711%"
BEARER: Final = {"Authorization": f"Bearer {TOKEN}", "Cookie": f"session={TOKEN}"}
JSON: Final = {"Content-Type": "application/json"}
COMMANDS: Final = (
    ("serve", "--help"),
    ("check",),
    ("export",),
    ("serve", "--listen", "nowhere"),
)


@frozen
class Secret:
    """Something that must not leak, in any encoding."""

    text: str

    def assert_not_in(self, found: Mapping[str, str]) -> None:
        """Prove that none of these texts contains it."""
        forms = {
            self.text,
            quote(self.text, safe=""),
            quote(self.text),
            json.dumps(self.text)[1:-1],
            repr(self.text)[1:-1],
            base64.b64encode(self.text.encode()).decode(),
        }
        assert [place for place, text in found.items() for form in forms if form in text] == []


def given(
    database: OrdersDatabase, password: str, where: str, folder: Path
) -> tuple[str, Mapping[str, str]]:
    """Return a URL and an environment, with a password in one of the places allowed for it."""
    url = DatabaseUrl.parse(database.server.url_text(database.name))
    plain = f"postgresql://{SERVICE}@{url.hosts[0]}/{database.name}?connect_timeout=30"
    if where == "URL":
        return plain.replace("@", f":{quote(password, safe='')}@", 1), {}
    if where == "variable":
        return plain, {"DATABASE_PASSWORD": password}
    file = folder / "password"
    file.write_text(f"{password}\n", "utf-8")
    return plain, {"DATABASE_PASSWORD_FILE": str(file)}


def answers(
    connection: HTTPConnection,
    *requests: tuple[str, str, str],
    headers: Mapping[str, str] = BEARER,
) -> dict[str, str]:
    """Send requests, each with a token, and return all responses."""
    found = {}
    with closing(connection):
        for method, target, body in requests:
            connection.request(method, target, body or None, {**JSON, **headers})
            response = connection.getresponse()
            heads = "\n".join(f"{name}: {value}" for name, value in response.getheaders())
            content = response.read().decode()
            name = f"{response.status} of {method} {target} {body}"
            found[name] = f"{heads}\n\n{content}"
    return found


def shown(service: RunningService, headers: Mapping[str, str] = BEARER) -> dict[str, str]:
    """Return everything that a service shows to its clients."""
    return {
        **answers(
            service.connect(),
            ("POST", "/orders", f'{{"id":"A","amount":{AMOUNT}}}'),
            ("POST", "/orders", '{"id":"A","amount":1}'),
            ("POST", "/orders", '{"id":"A"'),
            ("POST", "/orders", "[]"),
            ("GET", "/orders", ""),
            ("GET", "/orders/A", ""),
            ("GET", "/orders/none", ""),
            ("GET", "/nowhere", ""),
            ("GET", "/", ""),
            ("DELETE", "/orders", ""),
            ("GET", "/openapi.json", ""),
            headers=headers,
        ),
        **answers(
            service.connect_operations(),
            ("GET", "/readyz", ""),
            ("GET", "/livez", ""),
            ("GET", "/metrics", ""),
            ("POST", "/nowhere", ""),
        ),
    }


def processes(service: RunningService) -> dict[str, str]:
    """Return the arguments of a service's processes, and what it added to their environments."""
    begun = service.children.values()
    given = _process_file(service.pid, "environ").split("\0")
    arguments = {
        f"arguments of {pid}": _process_file(pid, "cmdline") for pid in (service.pid, *begun)
    }
    added = {
        f"environment of {pid}": "\n".join(
            each for each in _process_file(pid, "environ").split("\0") if each not in given
        )
        for pid in begun
    }
    return {**arguments, **added}


def _process_file(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text("utf-8", errors="replace")


def commands(
    url: str,
    settings: Mapping[str, str],
    which: Sequence[tuple[str, ...]] = COMMANDS,
) -> dict[str, str]:
    """Run the commands that print something, and return their output."""
    ours = ("ORDERS_", "DATABASE_")
    others = {name: os.environ[name] for name in os.environ if not name.startswith(ours)}
    environment = {**others, **settings, "DATABASE_URL": url, "PYTHONPATH": SERVICE_PATH}
    found = {}
    for arguments in which:
        ended = subprocess.run(
            (SERVICE_PYTHON, "-c", "from orders_cli.main import run; run()", *arguments),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        name = f"orders {' '.join(arguments)}"
        found[name] = f"{ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    return found


@pytest.fixture(params=["URL", "variable", "file"])
def where(request: pytest.FixtureRequest) -> str:
    """Where the password is configured."""
    return str(request.param)


def test_an_accepted_password_leaks_nowhere(
    own_server: PostgresServer, where: str, tmp_path: Path
) -> None:
    database = own_server.new_database()
    url, settings = given(database, PASSWORD, where, tmp_path)
    with running_service(url, settings) as service:
        found = shown(service)
        assert any(name.startswith("201 ") for name in found)
        found |= processes(service)
        sessions = own_server.run("SELECT pg_stat_activity::text FROM pg_stat_activity")
        found["what the server shows to others"] = str(sessions)
        own_server.stop()
        try:
            found |= {
                f"{name}, without the database": text for name, text in shown(service).items()
            }
        finally:
            own_server.start()
        found |= commands(url, settings)
        service.stop()
        found["log"] = service.errors()
    assert "store unavailable" in found["log"]
    Secret(PASSWORD).assert_not_in(found)
    Secret(TOKEN).assert_not_in(found)
    # Orders belong to the clients: none is in the log.
    Secret(AMOUNT).assert_not_in({"log": found["log"]})


def test_a_rejected_password_leaks_nowhere(
    own_server: PostgresServer, where: str, tmp_path: Path
) -> None:
    database = own_server.new_database()
    url, settings = given(database, WRONG, where, tmp_path)
    with running_service(url, settings) as service:
        found = shown(service)
        assert any("28P01" in text for name, text in found.items() if "/readyz" in name)
        found |= processes(service)
        found |= commands(url, settings)
        service.stop()
        found["log"] = service.errors()
    assert "28P01" in found["log"]
    Secret(WRONG).assert_not_in(found)


def test_a_password_in_an_invalid_url_leaks_nowhere() -> None:
    password = "canary9b3"  # noqa: S105 - a canary
    for url in (
        f"postgresql://u:{password}@@h/d",
        f"postgresql://u:{password}/x@h/d",
        f"postgresql://u:{password}%zz@h/d",
        f"postgresql://h/d?user=u&password={password}&password={password}",
        f"postgresql://h/d?user=u&pasword={password}",
        f"postgres:/u:{password}@h/d",
        f"mysql://u:{password}@h/d",
        f"u:{password}@h/d",
    ):
        found = commands(url, {}, [("check",)])
        assert found["orders check"].startswith("78\n"), url
        Secret(password).assert_not_in(found)


def test_no_line_of_a_private_key_leaks(tmp_path: Path) -> None:
    with open_secure_server() as server:
        client = Client(server, tmp_path)
        client.prepare()
        key = (tmp_path / "client.key").read_text("ascii")
        with running_service(client.url_text()) as service:
            found = shown(service) | processes(service)
            assert any(name.startswith("201 ") for name in found)
            # The key in place of the certificate: both files are read, and neither is valid.
            client.write("client.crt", key.encode())
            server.database.end_sessions()
            wait_until(lambda: "both must be PEM" in answered_readiness(service))
            found |= {f"{name}, then": text for name, text in shown(service).items()}
            found |= commands(client.url_text(), {})
            service.stop()
            found["log"] = service.errors()
    for line in key.splitlines()[1:-1]:
        Secret(line).assert_not_in(found)


def answered_readiness(service: RunningService) -> str:
    return str(answers(service.connect_operations(), ("GET", "/readyz", "")))


@pytest.mark.parametrize("password", [PASSWORD, WRONG])
def test_no_traceback_and_no_log_of_any_level_contains_the_password(
    own_server: PostgresServer,
    caplog: pytest.LogCaptureFixture,
    password: str,
) -> None:
    database = own_server.new_database()
    url = evolve(database.url(), password=password, database="nowhere")
    with (
        caplog.at_level(logging.DEBUG),
        closing(PostgresStore(url)) as store,
        pytest.raises(StoreUnavailable) as caught,
    ):
        store.check()
    formatted = "".join(traceback.format_exception(caught.value))
    objects = f"{url!r} {url} {caught.value!r} {vars(caught.value)}"
    Secret(password).assert_not_in({"traceback": formatted, "log": caplog.text, "objects": objects})


def test_neither_a_valid_nor_an_invalid_token_leaks(tmp_path: Path) -> None:
    file, database = tmp_path / "tokens", f"sqlite:///{tmp_path}/orders.db"
    good = write_tokens(file, shop="read,write")["shop"]
    bad = new_secret()
    settings = {"ORDERS_TOKENS_FILE": str(file)}
    with running_service(database, settings) as service:
        found: dict[str, str] = {}
        for status, secret in ((201, good), (401, bad)):
            answered = shown(service, {"Authorization": f"Bearer {secret}"})
            assert any(name.startswith(f"{status} of POST") for name in answered)
            found |= answered
            form = {
                "Content-Type": "application/x-www-form-urlencoded",
                "Origin": service.url,
                "Cookie": f"orders_session={secret}",
            }
            log_in = ("POST", "/login", f"token={secret}")
            logged_in = answers(service.connect(), log_in, headers=form)
            found |= {f"log in with {status}": text for text in logged_in.values()}
        assert "Set-Cookie: " in found["log in with 201"]
        found |= processes(service)
        found |= commands(database, settings, [("token", "--list"), *COMMANDS])
        service.stop()
        found["log"] = service.errors()
    found["file"] = file.read_text("ascii")
    for secret in (good, bad):
        Secret(secret).assert_not_in(found)
