"""Loads the configuration: flags, then environment, then a TOML file, then defaults.

A secret may also be given as the path of a file that holds it: `NAME_FILE` in the environment,
`name_file` in TOML.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from orders_core.database import Database, InvalidDatabase
from orders_core.plain_text import UnusableText, decoded
from orders_service.configuration.parsers import Auth
from orders_service.configuration.row import Setting
from orders_service.configuration.settings import (
    DEFAULT_DATABASE,
    SETTINGS,
    Config,
    InvalidConfig,
    Source,
)
from orders_service.databases import parse_database


@frozen
class _Given:
    """A value as it was given: a text, or for a secret the path of a file that holds it."""

    value: str | Path | None
    source: Source


def load(
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    file: Path | None,
) -> Config:
    """Read and check the configuration.

    Args:
        flags: The flags of the command line, by the names of settings.
        environ: The environment; other variables than those of settings are ignored.
        file: The TOML file, if there is one.

    Raises:
        InvalidConfig: With every problem found.
    """
    problems: list[str] = []
    document = {} if file is None else _document(file, problems)
    givers = (
        _flags(flags),
        _environment(environ, problems),
        _settings_in(document, file, problems),
    )
    given = {
        setting.name: next(
            (giver[setting.name] for giver in givers if setting.name in giver),
            _Given(setting.default, Source("default", _set_by_default(setting, file))),
        )
        for setting in SETTINGS
    }
    sources = {name: each.source for name, each in given.items()}
    wrong: list[str] = []
    values = {each.name: _parsed(each, given[each.name], wrong) for each in SETTINGS}
    database = _database(values["database_url"], values["database_password"], sources, problems)
    problems.extend(wrong)
    config = Config(**values, database=database, sources=sources)
    if config.auth is Auth.LOOPBACK and config.tokens_file is not None:
        config = evolve(config, auth=Auth.TOKENS)
    problems.extend(_contradictions(config))
    if problems:
        raise InvalidConfig(problems)
    return config


def _set_by_default(setting: Setting, file: Path | None) -> str:
    """Name where to set a setting that has its default: the file, if there is one."""
    if file is not None:
        return f"{setting.name} in {file}"
    return f"{setting.flag} or {setting.variable}" if setting.flag else setting.variable


def _flags(flags: Mapping[str, str | None]) -> dict[str, _Given]:
    return {
        setting.name: _Given(text, Source(f"flag {setting.flag}", f"{setting.flag}"))
        for setting in SETTINGS
        if (text := flags.get(setting.name)) is not None
    }


def _environment(environ: Mapping[str, str], problems: list[str]) -> dict[str, _Given]:
    """Read the settings' variables; an empty one counts as not given."""
    given = {}
    for setting in SETTINGS:
        variable, file_variable = setting.variable, f"{setting.variable}_FILE"
        text = environ.get(variable)
        path = environ.get(file_variable) if setting.secret else None
        if text and path:
            problems.append(f"{variable} and {file_variable} are both set; remove one")
        if text:
            given[setting.name] = _Given(text, Source(f"environment {variable}", variable))
        elif path:
            source = Source(f"environment {file_variable}", file_variable)
            given[setting.name] = _Given(Path(path), source)
    return given


def _document(file: Path, problems: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(decoded(file.read_bytes()))
    except OSError as error:
        problems.append(f"{file}: cannot be read: {error.strerror}")
    except UnusableText as error:
        problems.append(f"{file}: {error}")
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{file}: is not TOML: {error}")
    return {}


def _settings_in(
    document: Mapping[str, Any],
    file: Path | None,
    problems: list[str],
) -> dict[str, _Given]:
    given = {}
    by_key = {each.name: each for each in SETTINGS}
    by_file_key = {f"{each.name}_file": each for each in SETTINGS if each.secret}
    for key, value in document.items():
        setting = by_key.get(key) or by_file_key.get(key)
        if setting is None:
            problems.append(f"{file}: {key} is not a setting; settings are {', '.join(by_key)}")
            continue
        is_path = key in by_file_key
        text = setting.toml.text(value)
        if is_path and setting.name in document:
            problems.append(f"{file}: {setting.name} and {key} are both set; remove one")
        elif text is None:
            problems.append(f"{file}: {key} must be {setting.toml.value}")
        else:
            source = Source(f"{file} ({key})" if is_path else f"{file}", f"{key} in {file}")
            given[setting.name] = _Given(Path(text) if is_path else text, source)
    return given


def _parsed(setting: Setting, given: _Given, problems: list[str]) -> Any:  # noqa: ANN401 - of any type
    """Parse a value; if it is wrong, note the problem and return the default."""
    if given.value is None:
        return None
    try:
        return setting.parse(given.value)
    except ValueError as error:
        problems.append(f"{setting.name} ({given.source.description}): {error}")
        return None if setting.default is None else setting.parse(setting.default)


def _database(
    url: str | Path,
    password: str | Path | None,
    sources: Mapping[str, Source],
    problems: list[str],
) -> Database:
    """Read the database URL; if it is wrong, note the problems and return the default."""
    where = f"database_url ({sources['database_url'].description})"
    try:
        text = _only_line_of(url) if isinstance(url, Path) else url
        database = parse_database(text, password=password)
    except InvalidDatabase as error:
        problems.extend(f"{where}: {problem}" for problem in error.problems)
    except UnusableText as error:
        problems.append(f"{where}: {url}: {error}")
    except OSError as error:
        problems.append(f"{where}: {url}: {error.strerror}")
    else:
        if sources["database_url"].set_by == "--database-url" and database.holds_password:
            problems.append(
                "--database-url holds a password, which everyone on the machine can read there; "
                "use DATABASE_PASSWORD_FILE, DATABASE_PASSWORD or DATABASE_URL",
            )
        if password is not None and not database.accepts_password:
            remedy = f"remove {sources['database_password'].set_by}"
            problems.append(f"{database} has no password; {remedy}")
        return database
    return parse_database(DEFAULT_DATABASE)


def _only_line_of(file: Path) -> str:
    """Read a file that holds a single value.

    Raises:
        OSError: It cannot be read.
        UnusableText: It does not have exactly one line, or is not UTF-8.
    """
    lines = decoded(file.read_bytes()).strip().splitlines()
    if len(lines) != 1:
        message = f"holds {len(lines)} lines; it must hold the URL alone" if lines else "is empty"
        raise UnusableText(message)
    return lines[0]


def _contradictions(config: Config) -> Iterator[str]:
    """Write a problem for each pair of settings that do not fit together."""
    named, tokens_named = config.set_by("auth"), config.set_by("tokens_file")
    if config.auth is Auth.TRUSTED_NETWORK and config.tokens_file is not None:
        yield (
            "auth is trusted-network, which needs no token, but a tokens_file is set; remove "
            f"{named} or {tokens_named}"
        )
    if config.auth is Auth.TOKENS and config.tokens_file is None:
        yield (
            f"auth is tokens ({named}), but no tokens_file is set; name it with {tokens_named}; "
            "orders token makes tokens"
        )
    if config.listen == config.ops_listen and config.listen.port != 0:
        yield (
            f"listen and ops_listen are both {config.listen}; change {config.set_by('listen')} or "
            f"{config.set_by('ops_listen')}"
        )
    yield from config.unprotected([config.listener])
