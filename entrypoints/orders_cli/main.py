"""`orders`: reads the arguments and the configuration, runs a command, reports problems."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from orders_cli.exits import Exit
from orders_cli.parser import Parser, WrongArguments, build_parser
from orders_cli.standard_error import is_read_by_a_person, log, tell
from orders_core import Reason, StoreUnavailable
from orders_core.missing_extras import MissingExtra
from orders_service.configuration.loading import load
from orders_service.configuration.settings import SETTINGS, Config, InvalidConfig
from orders_service.logs import configure_logs, log_what_python_prints
from orders_tokens import InvalidTokens


def run() -> None:
    """Run the command of this process and exit with its status."""
    if sys.stderr is None:
        # The caller closed it (`2>&-`). Python's print would use standard output instead.
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - stays open
    arguments = sys.argv[1:]
    say = tell
    # Known before the arguments are parsed, so that wrong arguments of a service are logged too.
    if arguments[:1] == ["serve"]:
        configure_logs()
        if not is_read_by_a_person():
            log_what_python_prints()
            say = log
    status = main(arguments, say)
    try:
        print(end="", flush=True)
    except OSError:
        # Already reported. Python would fail once more on what is still buffered.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def main(arguments: Sequence[str], say: Callable[[str], None] = tell) -> int:
    """Run one command.

    Args:
        arguments: The arguments of `orders`.
        say: Writes one line about a problem.

    Returns:
        The exit status; see `Exit`.

    Raises:
        SystemExit: Help was asked for.
    """
    status, problems = _outcome(arguments)
    for problem in problems:
        say(problem)
    return status


def _outcome(arguments: Sequence[str]) -> tuple[int, Sequence[str]]:
    """Run one command; return its exit status and the problems."""
    command = None
    try:
        parser = build_parser()
        parsed = _parsed(parser, arguments)
        command = parsed.command
        status = _run(parser, parsed)
        # Python's own flush at exit could not change the status any more.
        print(end="", flush=True)
    except WrongArguments as error:
        return Exit.USAGE, [str(error)]
    except (InvalidConfig, InvalidTokens) as error:
        return Exit.CONFIGURATION, error.problems
    except MissingExtra as error:
        # The extra that brings everything the command may need.
        return Exit.CONFIGURATION, [str(MissingExtra(error.library, "service"))]
    except StoreUnavailable as error:
        hints = []
        if error.reason is Reason.SCHEMA and command != "migrate":
            hints.append("if the database is new or from an older release, run: orders migrate")
        return Exit.UNAVAILABLE, [str(error), *hints]
    except BrokenPipeError:
        return Exit.OUTPUT_CLOSED, []
    except OSError as error:
        reason = error.strerror or str(error)
        told = f"{error.filename}: {reason}" if error.filename else reason
        return Exit.UNAVAILABLE, [told]
    except KeyboardInterrupt:
        return Exit.INTERRUPTED, []
    return status, []


def _parsed(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:
        # Without its value, which may be a password meant for another flag.
        name = unknown[0].partition("=")[0]
        is_flag = name.startswith("--")
        parser.error(f"unknown flag {name}" if is_flag else "too many arguments")
    return parsed


def _run(parser: Parser, parsed: argparse.Namespace) -> int:
    """Run the command. Each imports only what it needs, so that the others start fast."""
    if parsed.version:
        print(f"orders {_version()}")
        return Exit.DONE
    if parsed.command is None:
        parser.print_help(sys.stderr)
        return Exit.USAGE
    if parsed.command == "completion":
        from orders_cli.completion import print_completion  # noqa: PLC0415

        return print_completion(parsed.shell)
    if parsed.command == "check":
        return _check(parsed)
    config = _config(parsed)
    match parsed.command:
        case "serve":
            from orders_cli.serve import serve_orders  # noqa: PLC0415

            return serve_orders(config)
        case "migrate":
            from orders_cli.database import migrate  # noqa: PLC0415

            return migrate(config, parsed.grant_to)
        case "token":
            return _token(parser, parsed, config)
        case "import":
            from orders_cli.importing import import_orders  # noqa: PLC0415

            return import_orders(config, parsed.file, parsed.format, whole=parsed.whole)
        case _:
            from orders_cli.exporting import export_orders  # noqa: PLC0415

            return export_orders(config, parsed.output, parsed.format)


def _check(parsed: argparse.Namespace) -> int:
    """Check the configuration on behalf of the systemd unit that it is for."""
    from orders_cli.check import check, check_running  # noqa: PLC0415
    from orders_service.systemd_unit_lookup import look_up_unit  # noqa: PLC0415

    if parsed.unit and parsed.config:
        # The check switches to the unit's folder.
        parsed.config = str(Path(parsed.config).absolute())
    # Without an explicit --unit, these mean another service than the unit's.
    is_other = any((parsed.config, parsed.listen, parsed.ops_listen))
    unit = "" if is_other else os.environ.get("ORDERS_UNIT", "")
    unit = unit if parsed.unit is None else parsed.unit
    lookup = look_up_unit(unit, os.environ, is_required=bool(parsed.unit))
    try:
        config = _config(parsed)
    except InvalidConfig as error:
        raise InvalidConfig([*error.problems, *lookup.remarks]) from None
    return check_running(config, lookup) if parsed.running else check(config, lookup)


def _token(parser: Parser, parsed: argparse.Namespace, config: Config) -> int:
    """Make, revoke or list tokens."""
    from orders_cli.tokens import list_tokens, make_token, revoke_token  # noqa: PLC0415

    if parsed.list != (parsed.name is None):
        parser.error("token needs the NAME of a token, or --list without a name")
    if parsed.list:
        return list_tokens(config)
    if parsed.revoke:
        return revoke_token(config, parsed.name)
    return make_token(config, parsed.name, parsed.scope, add=parsed.add)


def _version() -> str:
    try:
        return version("orders-core")
    except PackageNotFoundError:
        return "(not installed: run from its source)"


def _config(parsed: argparse.Namespace) -> Config:
    flags = {setting.name: getattr(parsed, setting.name, None) for setting in SETTINGS}
    file = parsed.config or os.environ.get("ORDERS_CONFIG")
    return load(flags, os.environ, Path(file) if file else None)
