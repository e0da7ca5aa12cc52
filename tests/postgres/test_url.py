"""The database URL: libpq's parameters, checked as a whole, its password never shown."""

from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orders_postgres import DatabaseUrl, Host, InvalidDatabaseUrl, SslMode, TargetSessionAttrs
from orders_postgres.parameters import FIXED, PARAMETERS, ChannelBinding, TlsVersion

SECRET = "secret"  # noqa: S105 - an example
COMPLETE = f"postgresql://ordersuser:{SECRET}@db.example:6432/ordersdb"

# PostgreSQL 18, "Parameter Key Words", and those of older releases.
LIBPQ_PARAMETERS = """
host hostaddr port dbname user password passfile require_auth channel_binding connect_timeout
client_encoding options application_name fallback_application_name keepalives keepalives_idle
keepalives_interval keepalives_count tcp_user_timeout replication gssencmode sslmode requiressl
sslnegotiation sslcompression sslcert sslkey sslkeylogfile sslpassword sslcertmode sslrootcert
sslcrl sslcrldir sslsni requirepeer ssl_min_protocol_version ssl_max_protocol_version
min_protocol_version max_protocol_version krbsrvname gsslib gssdelegation scram_client_key
scram_server_key service servicefile target_session_attrs load_balance_hosts oauth_issuer
oauth_client_id oauth_client_secret oauth_scope
"""

# A percent-encoded part may contain any text except control characters and surrogates.
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]),
    min_size=1,
    max_size=20,
)


def problems_of(url: str, **options: object) -> tuple[str, ...]:
    with pytest.raises(InvalidDatabaseUrl) as caught:
        DatabaseUrl.parse(url, **options)  # type: ignore[arg-type]  # as a caller would
    assert str(caught.value) == "; ".join(caught.value.problems)
    return caught.value.problems


def test_every_part_of_the_url_is_read() -> None:
    url = DatabaseUrl.parse(COMPLETE)
    assert (url.user, url.password) == ("ordersuser", "secret")
    assert (url.hosts, url.database) == ((Host("db.example", 6432),), "ordersdb")


def test_the_short_scheme_means_the_same() -> None:
    short = COMPLETE.replace("postgresql://", "postgres://")
    assert DatabaseUrl.parse(short) == DatabaseUrl.parse(COMPLETE)


def test_every_part_may_be_a_parameter_instead() -> None:
    query = "user=ordersuser&password=secret&host=db.example&port=6432&dbname=ordersdb"
    assert DatabaseUrl.parse(f"postgresql://?{query}") == DatabaseUrl.parse(COMPLETE)


def test_all_parameters_at_once() -> None:
    url = DatabaseUrl.parse(
        f"{COMPLETE}?sslmode=verify-ca&sslrootcert=/etc/ca.crt&sslcert=/etc/c.crt"
        "&sslkey=/etc/c.key&sslcrl=/etc/ca.crl&application_name=nightly%20import"
        "&connect_timeout=7&target_session_attrs=read-write",
    )
    assert url.sslmode is SslMode.VERIFY_CA
    assert url.sslrootcert == Path("/etc/ca.crt")
    assert (url.sslcert, url.sslkey) == (Path("/etc/c.crt"), Path("/etc/c.key"))
    assert url.sslcrl == Path("/etc/ca.crl")
    assert (url.application_name, url.connect_timeout) == ("nightly import", 7)
    assert url.target_session_attrs is TargetSessionAttrs.READ_WRITE


def test_port_application_name_time_limit_and_kind_of_server_have_defaults() -> None:
    url = DatabaseUrl.parse("postgresql://u@localhost/d")
    assert url.hosts == (Host("localhost", 5432),)
    assert (url.application_name, url.connect_timeout) == ("orders", 2)
    assert url.target_session_attrs is TargetSessionAttrs.ANY


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://u@a:1,b:2/d", (Host("a", 1), Host("b", 2))),
        ("postgresql://u@a,b/d", (Host("a", 5432), Host("b", 5432))),
        ("postgresql://u@a:1,b/d", (Host("a", 1), Host("b", 5432))),
        ("postgresql://u@a,b:2/d", (Host("a", 5432), Host("b", 2))),
        ("postgresql://u@[::1]:1,[::2]/d", (Host("::1", 1), Host("::2", 5432))),
        ("postgresql://u@a,b/d?port=1", (Host("a", 1), Host("b", 1))),
        ("postgresql://u@a,b/d?port=1,2", (Host("a", 1), Host("b", 2))),
        ("postgresql://u@/d?host=a,b&port=1,", (Host("a", 1), Host("b", 5432))),
        ("postgresql://u@/d?host=a%2Cb&port=,2", (Host("a", 5432), Host("b", 2))),
        ("postgresql://u@/d?host=/run,::1", (Host("/run", 5432), Host("::1", 5432))),
    ],
)
def test_several_hosts_are_separated_by_commas(url: str, hosts: tuple[Host, ...]) -> None:
    assert DatabaseUrl.parse(url).hosts == hosts


@pytest.mark.parametrize(
    ("host", "sslmode"),
    [
        ("db.example", SslMode.VERIFY_FULL),
        ("10.0.0.1", SslMode.VERIFY_FULL),
        ("[2001:db8::1]", SslMode.VERIFY_FULL),
        ("localhost.example", SslMode.VERIFY_FULL),
        ("localhost", SslMode.DISABLE),
        ("127.0.0.1", SslMode.DISABLE),
        ("127.8.8.8", SslMode.DISABLE),
        ("[::1]", SslMode.DISABLE),
        ("%2Frun%2Fpostgresql", SslMode.DISABLE),
        ("localhost,127.0.0.1,%2Frun", SslMode.DISABLE),
        ("localhost,db.example", SslMode.VERIFY_FULL),
        ("db.example,localhost", SslMode.VERIFY_FULL),
        ("%2Frun,db.example", SslMode.VERIFY_FULL),
    ],
)
def test_a_networked_database_is_verified_by_default(
    host: str,
    sslmode: SslMode,
) -> None:
    assert DatabaseUrl.parse(f"postgresql://u@{host}/d").sslmode is sslmode


@pytest.mark.parametrize("mode", ["disable", "require", "verify-full"])
def test_an_explicit_sslmode_holds_for_every_tcp_host(mode: str) -> None:
    for host in ("localhost", "db.example"):
        assert DatabaseUrl.parse(f"postgresql://u@{host}/d?sslmode={mode}").sslmode.value == mode


def test_an_ipv6_address_loses_its_brackets() -> None:
    url = DatabaseUrl.parse("postgresql://u@[2001:db8::1]:6432/d")
    assert url.hosts == (Host("2001:db8::1", 6432),)


@pytest.mark.parametrize(
    "url",
    ["postgresql://u@%2Frun%2Fpostgresql/d", "postgresql://u@/d?host=/run/postgresql"],
)
def test_a_host_that_begins_with_a_slash_is_the_directory_of_a_socket(url: str) -> None:
    (host,) = DatabaseUrl.parse(url).hosts
    assert host.socket_path == "/run/postgresql/.s.PGSQL.5432"


def test_a_host_on_the_network_has_no_socket() -> None:
    (host,) = DatabaseUrl.parse(COMPLETE).hosts
    assert host.socket_path is None


def test_sslrootcert_system_means_the_systems_authorities() -> None:
    assert DatabaseUrl.parse(f"{COMPLETE}?sslrootcert=system").sslrootcert is None


def test_a_plus_is_not_decoded_as_a_space() -> None:
    assert DatabaseUrl.parse("postgresql://a+b@localhost/d").user == "a+b"


def test_the_password_may_be_given_separately() -> None:
    bare = COMPLETE.replace(":secret", "")
    assert DatabaseUrl.parse(bare, password=SECRET) == DatabaseUrl.parse(COMPLETE)
    assert DatabaseUrl.parse(bare).password is None


def test_a_password_file_is_kept_as_a_path() -> None:
    path = Path("/run/credentials/password")
    url = DatabaseUrl.parse("postgresql://u@localhost/d", password_file=path)
    assert url.password_file == path


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://u@h/d", "must begin with postgresql:// or postgres://"),
        ("", "must begin with postgresql:// or postgres://"),
        ("postgresql://u:p@ss@h/d", "write @ as %40"),
        ("postgresql://u:p/w@h/d", "write @ as %40"),
        ("postgresql://u:p?w@h/d", "write @ as %40"),
        ("postgresql://u:p#w@h/d", "write @ as %40"),
        ("postgresql://u@h/d#fragment", "# as %23"),
        ("postgresql://u@2001:db8::1/d", "write an IPv6 address in [ ]"),
        ("postgresql://u@[::1/d", "write an IPv6 address in [ ]"),
        ("postgresql://u@/d", "host is missing"),
        ("postgresql://h/d", "user is missing"),
        ("postgresql://u@h", "dbname is missing"),
        ("postgresql://u@h/", "dbname is missing"),
        ("postgresql://u@h/?dbname=", "dbname is missing"),
        ("postgresql://u@h1,,h2/d", "host lists an empty host"),
        ("postgresql://u@,:5/d", "host lists an empty host"),
        ("postgresql://u@h1,[::1/d", "write an IPv6 address in [ ]"),
        ("postgresql://u@h1,h2:x/d", "port is not a number from 1 to 65535"),
        ("postgresql://u@h1:0,h2/d", "port is not a number from 1 to 65535"),
        ("postgresql://u@h1,h2/d?port=1,2,3", "port lists 3 ports for 2 hosts"),
        ("postgresql://u@h/d?port=1,2", "port lists 2 ports for 1 hosts"),
        ("postgresql://u@h1:1,h2/d?port=1", "port is given more than once"),
        ("postgresql://u@h/d?target_session_attrs=what", "must be one of any, read-write"),
        ("postgresql://u@h/d?target_session_attrs=primary", "primary can select a server that"),
        ("postgresql://u@h:/d", "port is not a number from 1 to 65535"),
        ("postgresql://u@h:0/d", "port is not a number from 1 to 65535"),
        ("postgresql://u@h:65536/d", "port is not a number from 1 to 65535"),
        ("postgresql://u@h:-1/d", "port is not a number from 1 to 65535"),
        ("postgresql://u@h:%D9%A1/d", "port is not a number from 1 to 65535"),
        ("postgresql://u@h:999999999999/d", "port is not a number from 1 to 65535"),
        ("postgresql://u@h/d?user=v", "user is given more than once"),
        ("postgresql://u@h/d?host=i", "host is given more than once"),
        ("postgresql://u@h/d?sslmode=require&sslmode=require", "sslmode is given more than once"),
        ("postgresql://u@h/d?passfiles=/p", "parameter 1 after the ? is unknown"),
        ("postgresql://u@h/d?channel_binding=yes", "must be one of disable, prefer, require"),
        ("postgresql://u@h/d?ssl_min_protocol_version=TLSv1", "must be one of TLSv1.2, TLSv1.3"),
        (
            "postgresql://u@h/d?ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2",
            "ssl_max_protocol_version is older than ssl_min_protocol_version",
        ),
        (
            "postgresql://u@localhost/d?channel_binding=require",
            "channel_binding=require would have no effect without TLS",
        ),
        ("postgresql://u@h/d?keepalives=on", "keepalives is neither 0 nor 1"),
        ("postgresql://u@h/d?keepalives_idle=-1", "keepalives_idle is not a number from 0 to"),
        ("postgresql://u@h/d?keepalives_count=128", "is not a number from 0 to 127"),
        ("postgresql://u@h/d?client_encoding=LATIN1", "client_encoding can only be utf8 or"),
        ("postgresql://u@h/d?gssencmode=require", "gssencmode can only be disable or prefer: "),
        ("postgresql://u@h/d?ssl=true", "ssl is not supported: use sslmode=verify-full"),
        ("postgresql://u@h/d?port=1&what=2", "parameter 2 after the ? is unknown"),
        ("postgresql://u@h/d?sslmode", "has no ="),
        ("postgresql://u@h/d?sslmode=allow", "sslmode=allow falls back to plain text"),
        ("postgresql://u@h/d?sslmode=prefer", "sslmode=prefer falls back to plain text"),
        (
            "postgresql://u@h/d?sslmode=VERIFY-FULL",
            "sslmode must be one of disable, require, verify-",
        ),
        ("postgresql://u@h/d?connect_timeout=0", "connect_timeout is not a number of seconds"),
        ("postgresql://u@h/d?connect_timeout=61", "connect_timeout is not a number of seconds"),
        ("postgresql://u@h/d?connect_timeout=2.5", "connect_timeout is not a number of seconds"),
        ("postgresql://u%zz@h/d", "user has a % that begins no percent-encoded byte"),
        ("postgresql://u%@h/d", "user has a % that begins no percent-encoded byte"),
        ("postgresql://u@h/d%FF", "dbname is not UTF-8"),
        ("postgresql://u@h/d%00", "dbname contains a control character"),
        ("postgresql://u@h/d\n", "dbname contains a control character"),
        ("postgresql://u@h/d\udc80", "dbname contains a control character or a lone surrogate"),
        ("postgresql://u@h/d?sslcert=/c", "sslcert and sslkey must be given together"),
        ("postgresql://u@h/d?sslkey=/k", "sslcert and sslkey must be given together"),
        ("postgresql://u@h/d?sslrootcert=", "sslrootcert is empty"),
        ("postgresql://u@h/d?sslmode=verify-ca", "need sslmode=verify-full"),
        ("postgresql://u@h/d?sslmode=require&sslrootcert=system", "need sslmode=verify-full"),
        ("postgresql://u@h/d?sslmode=require&sslcrl=/l", "sslcrl needs sslrootcert"),
        ("postgresql://u@h/d?sslmode=disable&sslcrl=/l", "sslcrl would have no effect"),
        ("postgresql://u@localhost/d?sslrootcert=/c", "sslrootcert would have no effect"),
        ("postgresql://u@/d?host=/run&sslmode=require", "sslmode must be disable for a Unix"),
    ],
)
def test_an_unusable_url_is_refused(url: str, problem: str) -> None:
    found = problems_of(url)
    assert len(found) == 1
    assert problem in found[0]


def test_all_problems_are_reported_at_once() -> None:
    assert len(problems_of("postgresql://h1,,h2:x/?sslmode=prefer&what=1&connect_timeout=z")) == 7


def test_the_password_may_be_given_only_once() -> None:
    for options in ({"password": "a"}, {"password_file": Path("/a")}):
        assert "password is given more than once" in problems_of(COMPLETE, **options)[0]


def test_a_password_that_cannot_be_sent_is_refused() -> None:
    (problem,) = problems_of("postgresql://u@localhost/d", password=f"{SECRET}\x00")
    assert problem == "password contains a control character or a lone surrogate"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2,hunter2/hunter2@h/d",
        "postgresql://u:hunter2#hunter2@h/d",
        "postgresql://u:hunter2",
        "postgresql://u:hunter2,hunter2:hunter2",
        "postgresql://u:hunter2?hunter2@h/d",
        "postgresql://u:hunter2@hunter2@h/d",
        "postgresql://h/d?user=u&password=hunter2&hunter2",
        "postgresql://h/d?user=u&password=hunter2&hunter2=hunter2",
        "postgresql://u:%00hunter2@h/d",
        "postgresql://u:%FFhunter2@h/d",
        "postgresql://u:%hunter2@h/d",
        "hunter2",
    ],
)
def test_no_problem_shows_the_password(url: str) -> None:
    assert "hunter2" not in "".join(problems_of(url))


names = st.one_of(
    st.from_regex(r"[a-z0-9.-]{1,30}", fullmatch=True),
    st.ip_addresses().map(str),
    st.from_regex(r"fe80::1%[a-z0-9]{1,8}", fullmatch=True),
    texts.map(lambda text: "/" + text),
).filter(lambda name: "," not in name)


def encoded(text: str) -> str:
    return quote(text, safe="")


@given(
    user=texts,
    password=texts,
    hosts=st.lists(st.builds(Host, names, st.integers(1, 65_535)), min_size=1, max_size=4),
    database=texts,
    application_name=texts,
    target=st.sampled_from(TargetSessionAttrs),
    apart=st.booleans(),
)
def test_a_url_that_was_written_is_read_back(  # noqa: PLR0913 - one for each part of a URL
    *,
    user: str,
    password: str,
    hosts: list[Host],
    database: str,
    application_name: str,
    target: TargetSessionAttrs,
    apart: bool,
) -> None:
    if apart:
        named = {
            "user": user,
            "password": password,
            "host": ",".join(host.name for host in hosts),
            "port": ",".join(str(host.port) for host in hosts),
            "dbname": database,
        }
        query = "&".join(f"{name}={encoded(value)}" for name, value in named.items())
        text = f"postgresql://?{query}&"
    else:
        addresses = ",".join(f"{written(host.name)}:{host.port}" for host in hosts)
        text = f"postgresql://{encoded(user)}:{encoded(password)}@{addresses}/{encoded(database)}?"
    url = DatabaseUrl.parse(
        f"{text}application_name={encoded(application_name)}&target_session_attrs={target.value}",
    )
    assert (url.user, url.password, url.hosts) == (user, password, tuple(hosts))
    assert (url.database, url.application_name) == (database, application_name)
    assert url.target_session_attrs is target
    again = DatabaseUrl.parse(url.redacted.replace(":***@", f":{encoded(password)}@"))
    assert again == url


def written(name: str) -> str:
    """Return a host in the form used after the @."""
    if ":" in name and not name.startswith("/"):
        return f"[{quote(name, safe=':')}]"
    return encoded(name)


@given(st.lists(st.builds(Host, names), min_size=1, max_size=4))
def test_the_shown_forms_name_every_host(hosts: list[Host]) -> None:
    query = "host=" + encoded(",".join(host.name for host in hosts))
    url = DatabaseUrl.parse(f"postgresql://u@/d?{query}")
    for host in hosts:
        assert f"{host.name}:5432" in url.address
        assert f"{written(host.name)}:5432" in url.redacted


@pytest.mark.parametrize("show", [str, repr, lambda url: url.redacted, lambda url: url.address])
def test_the_shown_forms_hide_the_password(show: object) -> None:
    assert callable(show)
    shown = show(DatabaseUrl.parse(COMPLETE))
    assert "secret" not in shown
    assert "db.example" in shown


def test_the_shown_form_is_complete() -> None:
    url = DatabaseUrl.parse(
        "postgresql://u@h/d?sslrootcert=/ca.crt&sslcert=/c.crt&sslkey=/c.key&sslcrl=/ca.crl",
    )
    assert DatabaseUrl.parse(url.redacted) == url
    assert str(url) == (
        "postgresql://u@h:5432/d?sslmode=verify-full&sslrootcert=/ca.crt&sslcert=/c.crt"
        "&sslkey=/c.key&sslcrl=/ca.crl&application_name=orders&connect_timeout=2"
        "&target_session_attrs=any"
    )


@pytest.mark.parametrize("name", LIBPQ_PARAMETERS.split())
def test_every_parameter_of_libpq_is_accepted_or_refused_by_name(name: str) -> None:
    # Whatever is given here, something is still missing.
    problems = problems_of(f"postgresql:///?{name}=what")
    assert name in PARAMETERS or any(each.startswith(f"{name} ") for each in problems)
    assert not any("unknown" in each for each in problems)


def test_a_parameter_may_confirm_the_only_supported_value() -> None:
    plain = DatabaseUrl.parse("postgresql://u@h/d")
    said = "&".join(f"{name}={each.values[0]}" for name, each in FIXED.items() if each.values)
    assert DatabaseUrl.parse(f"postgresql://u@h/d?{said}") == plain
    assert DatabaseUrl.parse("postgresql://u@h/d?client_encoding=UTF%2D8") == plain


def test_the_rarer_parameters_are_accepted_and_shown() -> None:
    url = DatabaseUrl.parse(
        "postgresql://u@h/d?ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=tlsv1.3"
        "&channel_binding=require&options=-c%20search_path%3Dshop&keepalives=0&keepalives_idle=10"
        "&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=7000"
        "&fallback_application_name=shop"
    )
    assert url.ssl_min_protocol_version is url.ssl_max_protocol_version is TlsVersion.TLS_1_3
    assert url.channel_binding is ChannelBinding.REQUIRE
    assert url.options == "-c search_path=shop"
    assert url.keepalives is False
    probes = (url.keepalives_idle, url.keepalives_interval, url.keepalives_count)
    assert (*probes, url.tcp_user_timeout) == (10, 5, 3, 7000)
    assert url.application_name == "shop"
    assert DatabaseUrl.parse(url.redacted) == url


@given(st.text(max_size=200))
@example("?".join(PARAMETERS))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for url in (text, f"postgresql://{text}"):
        with suppress(InvalidDatabaseUrl):
            parsed = DatabaseUrl.parse(url)
            assert parsed.user in unquote(url)
