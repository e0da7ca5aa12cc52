"""The arguments of `orders`: every command, flag and help text."""

import argparse
from typing import Final

from orders_service.config import SETTINGS

_EPILOG: Final = """\
Flags go before environment variables, these before the TOML file, this before the defaults.
A secret may also come from a file: DATABASE_URL_FILE, DATABASE_PASSWORD_FILE.

exit status: 0 done, 1 a row was refused, 2 wrong arguments, 69 database or address not to be
had, 78 wrong configuration"""


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="orders",
        description="Takes orders over HTTP, keeps them, and never loses or doubles one.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    settings = _settings_parser()

    def command(name: str, summary: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[settings],
        )

    command("serve", "serve the orders and the page over HTTP, until SIGTERM or Ctrl-C")
    migrate = command("migrate", "bring the database's schema to what this release needs")
    migrate.add_argument(
        "--grant-to",
        metavar="ROLE",
        help="give this role what the service needs: SELECT and INSERT, nothing else",
    )
    load = command("import", "store the orders of a file; safe to repeat")
    load.add_argument("file", metavar="FILE", help="CSV or NDJSON; - is standard input")
    load.add_argument("--format", choices=("csv", "ndjson"), help="default: seen from the content")
    dump = command("export", "write every order, by id")
    dump.add_argument("--output", metavar="FILE", help="default: standard output")
    dump.add_argument("--format", choices=("csv", "ndjson"), help="default: ndjson")
    command("check", "print the configuration without its secrets, and try the database")
    completion = commands.add_parser("completion", help="print the completion script of a shell")
    completion.add_argument("shell", choices=("bash", "zsh"))
    return parser


def _settings_parser() -> argparse.ArgumentParser:
    """Build the flags that every command shares: one for each setting that may have one."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("configuration")
    group.add_argument("--config", metavar="FILE", help="a TOML file of settings (ORDERS_CONFIG)")
    for setting in SETTINGS:
        if setting.flag is not None:
            default = f", default {setting.default}" if setting.default else ""
            explanation = f"{setting.explanation} ({setting.variable}{default})"
            group.add_argument(setting.flag, metavar="VALUE", help=explanation)
    return parser
