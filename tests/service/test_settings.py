"""The configuration: where each setting comes from, and what is refused."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders_postgres import PostgresDatabase
from orders_service.configuration.loading import load
from orders_service.configuration.parsers import Address, Auth
from orders_service.configuration.row import Setting
from orders_service.configuration.settings import SETTINGS, Config, InvalidConfig
from orders_service.cores import usable_cores
from orders_sqlite import SqliteDatabase

SOURCES = ("flag", "environment", "file")
URL = "postgresql://me@localhost/mine"
# The default of each setting, and a valid value for each source.
VALUES = {
    "database_url": ("sqlite:///orders.db", "sqlite:///a.db", "sqlite:///b.db", "sqlite:///c.db"),
    "listen": ("127.0.0.1:8000", "localhost:1", "127.0.0.1:1", "[::1]:1"),
    "ops_listen": ("127.0.0.1:9000", "[::1]:2", "[::2]:2", "[::3]:2"),
    "workers": ("auto", "3", "5", "7"),
    "currency": ("USD", "EUR", "CHF", "GBP"),
    "allowed_hosts": ("", "flag.example", "environment.example", "*"),
    "root": ("/", "/flag", "/environment/x", "/"),
    "idle_seconds": ("120", "1", "60", "86400"),
    "tokens_file": ("", "flag.tokens", "environment.tokens", "/file.tokens"),
    "log_requests": ("20", "0", "5", "999999"),
}
BY_NAME = {setting.name: setting for setting in SETTINGS}


def shown(config: Config) -> dict[str, tuple[str, str]]:
    """Return each setting's value and source."""
    return {setting.name: (value, source) for setting, value, source in config.described()}


def problems(
    flags: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    toml: Path | None = None,
) -> tuple[str, ...]:
    """Return the problems of a configuration."""
    with pytest.raises(InvalidConfig) as raised:
        load(flags or {}, environ or {}, toml)
    assert str(raised.value) == "; ".join(raised.value.problems)
    return raised.value.problems


def file_of(folder: Path, text: str) -> Path:
    """Write a TOML file."""
    path = folder / "orders.toml"
    path.write_text(text, "utf-8")
    return path


@given(st.fixed_dictionaries({name: st.sets(st.sampled_from(SOURCES)) for name in VALUES}))
def test_flags_override_environment_overrides_file_overrides_defaults(
    tmp_path_factory: pytest.TempPathFactory,
    given_by: Mapping[str, set[str]],
) -> None:
    by_source = {
        source: {
            name: VALUES[name][1 + SOURCES.index(source)]
            for name, sources in given_by.items()
            if source in sources
        }
        for source in SOURCES
    }
    toml = file_of(
        tmp_path_factory.mktemp("config"),
        "".join(f"{name} = {json.dumps(value)}\n" for name, value in by_source["file"].items()),
    )
    environ = {BY_NAME[name].variable: value for name, value in by_source["environment"].items()}

    described = shown(load(by_source["flag"], environ, toml))

    for name, sources in given_by.items():
        first = next((source for source in SOURCES if source in sources), None)
        if first is None:
            assert described[name] == (VALUES[name][0], "default")
        else:
            source = {
                "flag": f"flag {BY_NAME[name].flag}",
                "environment": f"environment {BY_NAME[name].variable}",
                "file": str(toml),
            }[first]
            assert described[name] == (by_source[first][name], source)


def test_every_setting_is_in_the_property_above() -> None:
    # What `auth` may be depends on the others: it has tests of its own.
    assert set(VALUES) == {setting.name for setting in SETTINGS} - {"database_password", "auth"}


def test_the_defaults() -> None:
    config = load({}, {}, None)
    assert config.database == SqliteDatabase(Path("orders.db"))
    assert (config.listen, config.ops_listen) == (
        Address("127.0.0.1", 8000),
        Address("127.0.0.1", 9000),
    )
    assert (config.workers, config.worker_count) == (None, 1)
    assert (config.currency, config.allowed_hosts) == ("USD", frozenset())
    assert (config.tokens_file, config.auth) == (None, Auth.LOOPBACK)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_an_empty_variable_counts_as_unset(setting: Setting) -> None:
    environ = {setting.variable: "", f"{setting.variable}_FILE": ""}
    assert load({}, environ, None) == load({}, {}, None)


def test_kubernetes_variables_for_a_service_of_this_name_are_ignored() -> None:
    environ = {
        "ORDERS_SERVICE_HOST": "10.96.0.7",
        "ORDERS_SERVICE_PORT": "80",
        "ORDERS_SERVICE_PORT_HTTP": "80",
        "ORDERS_PORT": "tcp://10.96.0.7:80",
        "ORDERS_PORT_80_TCP": "tcp://10.96.0.7:80",
        "ORDERS_PORT_80_TCP_ADDR": "10.96.0.7",
        "ORDERS_PORT_80_TCP_PORT": "80",
        "ORDERS_PORT_80_TCP_PROTO": "tcp",
    }
    assert load({}, environ, None) == load({}, {}, None)


def test_all_problems_are_reported_at_once_with_their_sources(tmp_path: Path) -> None:
    toml = file_of(tmp_path, 'colour = "red"\nlisten = 8000\ncurrency = "euro"\n')
    found = problems(
        {"ops_listen": "nowhere"},
        {"DATABASE_URL": "mysql://localhost", "ORDERS_ALLOWED_HOSTS": "a.example, b/c"},
        toml,
    )
    assert [problem.partition(":")[0] for problem in found] == [
        str(toml),
        str(toml),
        "database_url (environment DATABASE_URL)",
        "ops_listen (flag --ops-listen)",
        f"currency ({toml})",
        "allowed_hosts (environment ORDERS_ALLOWED_HOSTS)",
    ]
    assert "colour is not a setting; settings are database_url, " in found[0]
    assert "listen must be a string" in found[1]


@pytest.mark.parametrize("value", ["8000", "true", "1.5", "{}", "[1]", '["a:1"]', "2026-01-01"])
@pytest.mark.parametrize("name", ["listen", "database_password", "database_password_file"])
def test_a_setting_in_toml_is_a_string(tmp_path: Path, name: str, value: str) -> None:
    toml = file_of(tmp_path, f"database_url = '{URL}'\n{name} = {value}\n")
    assert problems(toml=toml) == (f"{toml}: {name} must be a string",)


@pytest.mark.parametrize("value", ['"b.example, A.example"', '["A.example", "b.example"]'])
def test_hosts_in_toml_are_a_string_or_a_list(tmp_path: Path, value: str) -> None:
    config = load({}, {}, file_of(tmp_path, f"allowed_hosts = {value}\n"))
    assert config.allowed_hosts == {"a.example", "b.example"}


@pytest.mark.parametrize("value", ["7", '"7"'])
def test_a_number_in_toml_is_a_number_or_a_string(tmp_path: Path, value: str) -> None:
    config = load({}, {}, file_of(tmp_path, f"log_requests = {value}\n"))
    assert config.log_requests == 7


@pytest.mark.parametrize("value", ["true", "1.0", "[1]"])
def test_a_number_in_toml_is_nothing_else(tmp_path: Path, value: str) -> None:
    toml = file_of(tmp_path, f"log_requests = {value}\n")
    assert problems(toml=toml) == (f"{toml}: log_requests must be a string or a whole number",)


@pytest.mark.parametrize("value", ["-1", "1.5", "1000000", "many", "٣"])
def test_the_number_of_logged_requests_is_a_whole_number(value: str) -> None:
    (problem,) = problems(environ={"ORDERS_LOG_REQUESTS": value})
    assert problem.startswith("log_requests (environment ORDERS_LOG_REQUESTS): ")
    assert problem.endswith(f"{value!r} is not a whole number from 0 to 999999")


def test_hosts_in_toml_are_nothing_else(tmp_path: Path) -> None:
    toml = file_of(tmp_path, 'allowed_hosts = ["a.example", 1]\n')
    assert problems(toml=toml) == (f"{toml}: allowed_hosts must be a string or a list of strings",)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"listen", "is not TOML: "),
        (b'listen = "a:1"\nlisten = "a:2"', "is not TOML: "),
        (b"\xff", "line 1: is not UTF-8; "),
    ],
)
def test_a_file_that_cannot_be_parsed_is_named(
    tmp_path: Path,
    content: bytes,
    problem: str,
) -> None:
    toml = tmp_path / "orders.toml"
    toml.write_bytes(content)
    (found,) = problems(toml=toml)
    assert found.startswith(f"{toml}: {problem}")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    toml = tmp_path / "missing.toml"
    assert problems(toml=toml) == (f"{toml}: cannot be read: No such file or directory",)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", Address("127.0.0.1", 8000)),
        ("localhost:0", Address("localhost", 0)),
        ("0.0.0.0:65535", Address("0.0.0.0", 65535)),  # noqa: S104 - to be parsed
        ("[::1]:8000", Address("::1", 8000)),
        ("[::ffff:192.0.2.1]:1", Address("::ffff:192.0.2.1", 1)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, address: Address) -> None:
    assert load({"listen": text, "auth": "trusted-network"}, {}, None).listen == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "8000", ":8000", "localhost", "localhost:", "localhost:http", "a b:1"),
        *("localhost:65536", "localhost:-1", "localhost:123456", "::1:8000", "[::1]", "[x]:1"),
        *("http://localhost:8000", "localhost:8000/", "localhost:80\u0660", "localhost:1\n"),
    ],
)
def test_anything_else_is_no_address(text: str) -> None:
    (found,) = problems({"listen": text})
    assert found.startswith("listen (flag --listen): ")
    assert found.endswith("is not HOST:PORT such as 127.0.0.1:8000 or [::1]:8000")


def test_the_two_addresses_must_differ() -> None:
    (found,) = problems({"listen": "localhost:1", "ops_listen": "localhost:1"})
    assert found == ("listen and ops_listen are both localhost:1; change --listen or --ops-listen")


def test_the_two_addresses_may_both_let_the_system_choose() -> None:
    config = load({"listen": "[::1]:0", "ops_listen": "[::1]:0"}, {}, None)
    assert config.listen == config.ops_listen


@pytest.mark.parametrize("text", ["usd", "US", "USDX", "", "€", "U5D", "USD\n"])
def test_a_currency_is_three_capital_letters(text: str) -> None:
    (found,) = problems({"currency": text})
    assert found.endswith("is not an ISO 4217 code such as USD")


@pytest.mark.parametrize("text", ["JPY", "KRW", "CLP", "KWD", "BHD", "CLF"])
def test_a_currency_without_hundredths_is_refused(text: str) -> None:
    (found,) = problems({"currency": text})
    assert found == (
        f"currency (flag --currency): {text} is not divided into hundredths; "
        "amounts have two decimals"
    )


@pytest.mark.parametrize("text", ["*", "a", "a.example", "xn--caf-dma.example", "a_b", "10.0.0.1"])
def test_a_host_is_a_name_or_every_name(text: str) -> None:
    assert load({"allowed_hosts": f" {text} ,, "}, {}, None).allowed_hosts == {text}


def test_the_final_dot_of_a_host_name_is_ignored() -> None:
    assert load({"allowed_hosts": "A.Example.,b"}, {}, None).allowed_hosts == {"a.example", "b"}


@pytest.mark.parametrize(
    "text", ["a:80", "http://a", "*.a", "a b", "-a", "café", ".", "-.", "a..", "[::1]"]
)
def test_a_host_is_nothing_else(text: str) -> None:
    (found,) = problems({"allowed_hosts": f"b,{text}"})
    assert found.startswith(f"allowed_hosts (flag --allowed-hosts): {text!r} is not a host name")


@pytest.mark.parametrize(
    ("text", "root"),
    [("/", ""), ("/shop", "/shop"), ("/shop/", "/shop"), ("/a/b-c/D_e.f~", "/a/b-c/D_e.f~")],
)
def test_a_root_is_a_path_and_its_last_slash_is_ignored(text: str, root: str) -> None:
    assert load({"root": text}, {}, None).root == root


@pytest.mark.parametrize(
    "text",
    ["shop", "//", "/a//b", "/../x", "/a/.", "/a/..", "/a b", "/a%20b", "/a?x", "/ü", "/a\n"],
)
def test_a_root_is_nothing_else(text: str) -> None:
    (found,) = problems({"root": text})
    assert found.startswith(f"root (flag --root): {text!r} is not a path such as /shop")


@pytest.mark.parametrize("text", ["0", "86401", "1.5", "-1", "x", "9999999"])
def test_the_idle_time_is_a_number_of_seconds(text: str) -> None:
    (found,) = problems({"idle_seconds": text})
    reason = f"{text!r} is not a whole number from 1 to 86400"
    assert found == f"idle_seconds (flag --idle-seconds): {reason}"


def test_the_idle_time_may_be_a_number_in_toml(tmp_path: Path) -> None:
    assert load({}, {}, file_of(tmp_path, "idle_seconds = 60\n")).idle_seconds == 60


@pytest.mark.parametrize("source", ["variable", "file variable", "toml", "toml file"])
def test_a_password_comes_from_a_variable_a_file_or_toml(tmp_path: Path, source: str) -> None:
    password = tmp_path / "password"
    password.write_text("secret\n")
    environ, toml, named = {
        "variable": ({"DATABASE_PASSWORD": "secret"}, "", "environment DATABASE_PASSWORD"),
        "file variable": (
            {"DATABASE_PASSWORD_FILE": str(password)},
            "",
            "environment DATABASE_PASSWORD_FILE",
        ),
        "toml": ({}, 'database_password = "secret"', ""),
        "toml file": ({}, f"database_password_file = '{password}'", " (database_password_file)"),
    }[source]
    file = file_of(tmp_path, toml)
    config = load({"database_url": URL}, environ, file)
    assert isinstance(config.database, PostgresDatabase)
    url = config.database.url
    by_file = "file" in source
    # A file is read again for each connection, so that a new password comes into use.
    assert (url.password, url.password_file) == ((None, password) if by_file else ("secret", None))
    assert shown(config)["database_password"] == ("***", named if environ else f"{file}{named}")
    assert "secret" not in repr(config) + str(config)


def test_a_url_with_its_password_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://me:secret@localhost/mine\n")
    config = load({}, {"DATABASE_URL_FILE": str(file)}, None)
    assert isinstance(config.database, PostgresDatabase)
    assert config.database.url.password == "secret"  # noqa: S105 - an example
    assert config.database.holds_password
    value, source = shown(config)["database_url"]
    assert "me:***@localhost" in value
    assert source == "environment DATABASE_URL_FILE"
    assert "secret" not in repr(config)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "No such file or directory"), (b"\xff", "line 1: is not UTF-8; ")],
)
def test_a_url_file_that_cannot_be_read_is_named(
    tmp_path: Path,
    content: bytes | None,
    problem: str,
) -> None:
    file = tmp_path / "url"
    if content is not None:
        file.write_bytes(content)
    (found,) = problems(environ={"DATABASE_URL_FILE": str(file)})
    assert found.startswith("database_url (environment DATABASE_URL_FILE): ")
    assert f"{file}: {problem}" in found


@pytest.mark.parametrize("name", ["database_url", "database_password"])
def test_a_nul_in_the_path_of_a_secrets_file_is_refused(tmp_path: Path, name: str) -> None:
    toml = file_of(tmp_path, f'{name}_file = "secrets\\u0000"\n')
    wrong = "the path of the file holds a NUL character; no path can"
    assert problems(toml=toml) == (f"{name} ({toml} ({name}_file)): {wrong}",)
    variable = f"{name.upper()}_FILE"
    assert problems(environ={variable: "\0"}) == (f"{name} (environment {variable}): {wrong}",)


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_PASSWORD"])
def test_a_secret_and_its_file_exclude_each_other(name: str) -> None:
    environ = {"DATABASE_URL": URL, name: URL, f"{name}_FILE": "file"}
    assert problems(environ=environ) == (f"{name} and {name}_FILE are both set; remove one",)


def test_a_secret_and_its_file_exclude_each_other_in_toml(tmp_path: Path) -> None:
    toml = file_of(tmp_path, f'database_url = "{URL}"\ndatabase_url_file = "file"\n')
    assert problems(toml=toml) == (
        f"{toml}: database_url and database_url_file are both set; remove one",
    )


def test_only_secrets_have_files(tmp_path: Path) -> None:
    toml = file_of(tmp_path, 'listen_file = "file"\n')
    (found,) = problems(toml=toml)
    assert found.startswith(f"{toml}: listen_file is not a setting")
    assert load({}, {"ORDERS_LISTEN_FILE": "file"}, None).listen == Address("127.0.0.1", 8000)


def test_a_password_in_a_flag_is_refused_and_not_printed() -> None:
    (found,) = problems({"database_url": "postgresql://me:canary@localhost/mine"})
    assert "use DATABASE_PASSWORD_FILE" in found
    assert "canary" not in found


def test_the_password_may_come_from_another_source_than_the_url() -> None:
    config = load({"database_url": URL}, {"DATABASE_PASSWORD": "secret"}, None)
    assert isinstance(config.database, PostgresDatabase)
    assert config.database.url.password == "secret"  # noqa: S105 - an example


@pytest.mark.parametrize(("value", "workers"), [("4", 4), ('"4"', 4), ('"auto"', None)])
def test_workers_in_toml_are_a_number_or_a_string(
    tmp_path: Path, value: str, workers: int | None
) -> None:
    assert load({}, {}, file_of(tmp_path, f"workers = {value}\n")).workers == workers


@pytest.mark.parametrize("value", ["0", "257", "-1", "two", "1.5", "1000", "\u0661"])
def test_workers_are_auto_or_from_1_to_256(value: str) -> None:
    (problem,) = problems({"workers": value})
    assert (
        problem == f"workers (flag --workers): {value!r} is neither auto nor a number from 1 to 256"
    )


@pytest.mark.parametrize("value", ["true", "1.5", "[4]"])
def test_workers_in_toml_are_nothing_else(tmp_path: Path, value: str) -> None:
    toml = file_of(tmp_path, f"workers = {value}\n")
    assert problems(toml=toml) == (f"{toml}: workers must be a string or a whole number",)


def test_auto_starts_as_many_workers_as_are_useful() -> None:
    cores = usable_cores()
    assert load({}, {"DATABASE_URL": URL}, None).worker_count == cores
    assert load({}, {}, None).worker_count == 1
    assert load({"workers": "3"}, {}, None).worker_count == 3


LOOPBACK = ("127.0.0.1:1", "127.8.9.1:1", "localhost:1", "LOCALHOST:1", "[::1]:1", "[0:0::1]:1")
ELSEWHERE = (
    *("0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[2001:db8::1]:1", "orders.example:1"),
    # They may mean this machine, but not explicitly.
    *("localhost.:1", "localhost.example:1", "127.1:1", "2130706433:1", "[::ffff:127.0.0.1]:1"),
)


@pytest.mark.parametrize("address", LOOPBACK)
def test_a_loopback_listener_needs_no_token(address: str) -> None:
    config = load({"listen": address}, {}, None)
    assert config.listen.is_loopback
    assert (config.auth, config.tokens_file) == (Auth.LOOPBACK, None)


@pytest.mark.parametrize("address", ELSEWHERE)
def test_a_listener_off_loopback_needs_tokens_or_a_trusted_network(address: str) -> None:
    (found,) = problems({"listen": address})
    assert found.startswith(f"other machines can reach {address} (--listen), and clients need no ")
    for remedy in (
        "with --tokens-file or ORDERS_TOKENS_FILE ",
        "set --auth or ORDERS_AUTH to trusted-network ",
        "listen on 127.0.0.1 with --listen",
    ):
        assert remedy in found
    with_tokens = load({"listen": address, "tokens_file": "tokens"}, {}, None)
    assert (with_tokens.auth, with_tokens.tokens_file) == (Auth.TOKENS, Path("tokens"))
    trusting = load({"listen": address, "auth": "trusted-network"}, {}, None)
    assert (trusting.auth, trusting.tokens_file) == (Auth.TRUSTED_NETWORK, None)


def test_the_operations_listener_needs_no_token() -> None:
    assert load({"ops_listen": "0.0.0.0:9000"}, {}, None).auth is Auth.LOOPBACK


def test_a_token_file_makes_tokens_necessary_on_loopback_too() -> None:
    assert load({"tokens_file": "tokens"}, {}, None).auth is Auth.TOKENS
    assert load({"tokens_file": "tokens", "auth": "tokens"}, {}, None).auth is Auth.TOKENS


def test_a_trusted_network_and_a_token_file_contradict_each_other() -> None:
    (found,) = problems({"tokens_file": "tokens"}, {"ORDERS_AUTH": "trusted-network"})
    assert found == (
        "auth is trusted-network, which needs no token, but a tokens_file is set; "
        "remove ORDERS_AUTH or --tokens-file"
    )


def test_auth_tokens_without_a_token_file_is_a_problem() -> None:
    (found,) = problems({"auth": "tokens"})
    assert found.startswith("auth is tokens (--auth), but no tokens_file is set; name it with ")


def sources(tmp_path: Path) -> Mapping[str, tuple[dict[str, str], dict[str, str], Path | None]]:
    """For each source of `listen`, make it an address that other machines can reach."""
    address = "0.0.0.0:8000"
    toml = file_of(tmp_path, f"listen = '{address}'\n")
    return {
        "--listen": ({"listen": address}, {}, None),
        "ORDERS_LISTEN": ({}, {"ORDERS_LISTEN": address}, None),
        f"listen in {toml}": ({}, {}, toml),
    }


@pytest.mark.parametrize("number", range(3))
def test_a_problem_names_what_sets_the_value(tmp_path: Path, number: int) -> None:
    set_by, (flags, environ, file) = list(sources(tmp_path).items())[number]
    (found,) = problems(flags, environ, file)
    assert f"0.0.0.0:8000 ({set_by})" in found
    assert found.endswith(f"listen on 127.0.0.1 with {set_by}")


def test_a_problem_of_an_unset_setting_points_to_the_file_if_there_is_one(tmp_path: Path) -> None:
    toml = file_of(tmp_path, "")
    (found,) = problems({"listen": "0.0.0.0:8000"}, {}, toml)
    assert f"with tokens_file in {toml} (" in found
    assert f"set auth in {toml} to trusted-network" in found
    (found,) = problems({"auth": "tokens"}, {}, toml)
    assert f"name it with tokens_file in {toml};" in found


@pytest.mark.parametrize("kind", ["DATABASE_PASSWORD", "DATABASE_PASSWORD_FILE"])
def test_a_password_for_a_sqlite_file_is_refused(kind: str) -> None:
    assert problems(environ={kind: "canary"}) == (
        f"sqlite:///orders.db has no password; remove {kind}",
    )


@pytest.mark.parametrize("text", ["none", "TOKENS", "trusted network", " tokens"])
def test_auth_is_one_of_two_words(text: str) -> None:
    (found,) = problems({"auth": text})
    assert found == f"auth (flag --auth): {text!r} is neither tokens nor trusted-network"


def test_a_nul_in_the_path_of_the_token_file_is_refused() -> None:
    (found,) = problems({"tokens_file": "a\0"})
    assert found == "tokens_file (flag --tokens-file): the path holds a NUL character; no path can"
