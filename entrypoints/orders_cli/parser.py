"""The arguments of `orders`: every command, flag and help text."""

import argparse
from typing import Final, NoReturn

from orders_service.configuration.settings import SETTINGS

_EPILOG: Final = """\
A setting comes from its flag, else from its environment variable, else from the
TOML file, else from its default. Secrets may also come from files:
DATABASE_URL_FILE, DATABASE_PASSWORD_FILE.

exit status:
  0    done
  1    done, except for refused rows
  2    wrong arguments
  69   the database, an address or a file is unavailable
  78   wrong configuration, or a part is not installed
  130  stopped with Ctrl-C
  141  the reader closed the pipe"""

# Tells shtab, which generates the completion scripts, that an argument is a file.
_COMPLETES_FILES: Final = {"bash": "_shtab_compgen_files", "zsh": "_files"}


class WrongArguments(Exception):
    """The arguments cannot be used; the message says why, in one line."""


class Parser(argparse.ArgumentParser):
    """A parser without abbreviations, because a new flag could break scripts that use them."""

    def __init__(self, **options: object) -> None:
        """Take the options of `ArgumentParser`."""
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter,
            epilog=_EPILOG,
            allow_abbrev=False,
            **options,  # type: ignore[arg-type]  # ArgumentParser checks them itself
        )

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises:
            WrongArguments: Always.
        """
        raise WrongArguments(f"{message}; see {self.prog} --help")


def build_parser() -> Parser:
    """Build the parser of the whole command line."""
    parser = Parser(
        prog="orders",
        description="Takes orders over HTTP, stores them, and never loses or duplicates one.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    settings = _settings_parser()

    def command(name: str, summary: str, *parents: Parser) -> Parser:
        description = f"{summary[0].upper()}{summary[1:]}."
        return commands.add_parser(name, help=summary, description=description, parents=parents)

    command("serve", "serve the orders and the page over HTTP, until SIGTERM or Ctrl-C", settings)
    migrate = command(
        "migrate",
        "bring the database's schema to what this release needs",
        settings,
    )
    migrate.add_argument(
        "--grant-to",
        metavar="ROLE",
        help="grant this role what the service needs: SELECT and INSERT, nothing else",
    )
    load = command("import", "store the orders of a file; safe to repeat", settings)
    _completing_files(
        load.add_argument(
            "file",
            metavar="FILE",
            help="CSV with the header id,amount, NDJSON, or a JSON array of orders as GET /orders "
            "returns it; - is standard input",
        ),
    )
    load.add_argument(
        "--format",
        choices=("csv", "ndjson", "json"),
        help="default: detected from the content",
    )
    load.add_argument(
        "--whole",
        action="store_true",
        help="the file is complete: accept a last CSV row without a line end, which is otherwise "
        "refused because it may be cut off",
    )
    dump = command("export", "write every order, sorted by id", settings)
    _completing_files(
        dump.add_argument(
            "--output",
            metavar="FILE",
            help="written completely or not at all; default: - for standard output",
        ),
    )
    dump.add_argument(
        "--format",
        choices=("csv", "ndjson"),
        help="default: csv when FILE ends in .csv, else ndjson",
    )
    check = command(
        "check", "print the configuration without its secrets, and try what a start needs", settings
    )
    check.add_argument(
        "--running",
        action="store_true",
        help="instead, ask the running service with this configuration whether it is ready",
    )
    check.add_argument(
        "--unit",
        metavar="NAME",
        help="check for this systemd service, with its sockets, user and folder; with Debian's "
        "package the default is orders.service, unless --config, --listen or --ops-listen is "
        "given",
    )
    token = command(
        "token",
        "make a token for a client, print it once, and show its line for the token file",
        settings,
    )
    token.add_argument(
        "name", metavar="NAME", nargs="?", help="the name of the token, such as shop"
    )
    token.add_argument(
        "--scope",
        action="append",
        choices=("read", "write"),
        default=[],
        help="what the token allows; repeatable; default: read. Neither includes the other",
    )
    what = token.add_mutually_exclusive_group()
    what.add_argument("--add", action="store_true", help="add its line to the token file")
    what.add_argument("--revoke", action="store_true", help="remove NAME from the token file")
    what.add_argument("--list", action="store_true", help="print the names and the scopes")
    completion = command("completion", "print the completion script of a shell")
    completion.add_argument("shell", choices=("bash", "zsh"), help="the shell to complete in")
    return parser


def _completing_files(argument: argparse.Action) -> None:
    argument.complete = _COMPLETES_FILES  # type: ignore[attr-defined]  # shtab's own attribute


def _settings_parser() -> Parser:
    """Build the flags that every command shares: one for each setting, except the password."""
    parser = Parser(add_help=False)
    group = parser.add_argument_group("configuration")
    _completing_files(
        group.add_argument(
            "--config",
            metavar="FILE",
            help="a TOML file of settings (ORDERS_CONFIG)",
        ),
    )
    for setting in SETTINGS:
        if setting.flag is not None:
            default = f", default {setting.default}" if setting.default else ""
            explanation = f"{setting.explanation} ({setting.variable}{default})"
            argument = group.add_argument(setting.flag, metavar="VALUE", help=explanation)
            if setting.name.endswith("_file"):
                _completing_files(argument)
    return parser
