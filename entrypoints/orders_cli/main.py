"""`orders`: reads the arguments and the configuration, runs a command, tells how it went."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from orders_cli.exits import Exit
from orders_cli.parser import build_parser
from orders_core import StoreUnavailable
from orders_service.config import SETTINGS, Config, InvalidConfig, load

_EXTRAS: Final = {"bottle", "waitress", "pg8000", "prometheus_client"}


def run() -> None:
    """Run the command of this process and exit with its status."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Run one command.

    Args:
        arguments: What stands behind `orders` on the command line.

    Returns:
        The exit status; see `Exit`.
    """
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    if parsed.version:
        print(f"orders {version('orders-core')}")
        return Exit.DONE
    if parsed.command is None:
        parser.print_help(sys.stderr)
        return Exit.USAGE
    try:
        return _run(parsed)
    except InvalidConfig as error:
        return _complain(Exit.CONFIGURATION, *error.problems)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        hint = f"{error.name} is not installed: pip install 'orders-core[service]'"
        return _complain(Exit.CONFIGURATION, hint)
    except (StoreUnavailable, OSError) as error:
        return _complain(Exit.UNAVAILABLE, str(error))
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


def _run(parsed: argparse.Namespace) -> int:
    """Run the command that was asked for; each brings what it needs, so that others start fast."""
    if parsed.command == "completion":
        from orders_cli.completion import print_completion  # noqa: PLC0415

        return print_completion(parsed.shell)
    config = _config(parsed)
    match parsed.command:
        case "serve":
            from orders_cli.serve import serve  # noqa: PLC0415

            return serve(config)
        case "migrate":
            from orders_cli.database import migrate  # noqa: PLC0415

            return migrate(config, parsed.grant_to)
        case "check":
            from orders_cli.database import check  # noqa: PLC0415

            return check(config)
        case "import":
            from orders_cli.transfer import import_orders  # noqa: PLC0415

            return import_orders(config, parsed.file, parsed.format)
        case _:
            from orders_cli.transfer import export_orders  # noqa: PLC0415

            return export_orders(config, parsed.output, parsed.format)


def _config(parsed: argparse.Namespace) -> Config:
    flags = {setting.name: getattr(parsed, setting.name, None) for setting in SETTINGS}
    file = parsed.config or os.environ.get("ORDERS_CONFIG")
    return load(flags, os.environ, Path(file) if file else None)


def _complain(status: Exit, *messages: str) -> Exit:
    for message in messages:
        print(f"orders: {message}", file=sys.stderr)
    return status
