"""`orders migrate` and `orders check`: the database and the configuration."""

import json
from contextlib import closing

from orders_cli.exits import Exit
from orders_service.config import Auth, Config, InvalidConfig
from orders_service.databases import InvalidDatabase
from orders_service.tokens import read_tokens


def migrate(config: Config, grant_to: str | None) -> int:
    """Bring the schema to what this release needs, and say what was done.

    Args:
        config: Where the database is.
        grant_to: The service's role, when it is not the one that migrates.

    Raises:
        InvalidConfig: Rights were to be granted in a database without roles.
        StoreUnavailable: The database cannot be reached or changed.
    """
    try:
        applied = config.database.migrate(grant_to)
    except InvalidDatabase as error:
        raise InvalidConfig(error.problems) from None
    for name in applied:
        print(f"applied {name}")
    print(f"{config.database} has the schema that this release needs")
    return Exit.DONE


def check(config: Config) -> int:
    """Print every setting, its source and no secret; then try the token file and the database.

    What is printed is TOML, fit for a configuration file: the secrets are comments in it.
    Nothing is made: a SQLite file that is not there yet is said to be so, and is no error.

    Raises:
        InvalidTokens: The token file cannot be used; the message says why.
        StoreUnavailable: The database cannot be used; the message says why.
    """
    for setting, value, source in config.described():
        # A JSON string without control characters is a TOML string.
        shown = f"{setting.name} = {json.dumps(value, ensure_ascii=False)}"
        print(f"{'# ' if setting.secret else ''}{shown}  # {source}", flush=True)
    print(f"# {_admission(config)}", flush=True)
    if config.database.is_to_be_made:
        print(f"# {config.database} does not exist yet; the first start makes it")
        return Exit.DONE
    with closing(config.database.open()) as store:
        store.check()
    print("# the database answers and has the schema that this release needs")
    return Exit.DONE


def _admission(config: Config) -> str:
    """Say what lets a client in.

    Raises:
        InvalidTokens: The token file cannot be used.
    """
    if config.tokens_file is not None:
        count = len(read_tokens(config.tokens_file))
        return f"clients need a token; {config.tokens_file} has {count or 'none: nobody is let in'}"
    if config.auth is Auth.TRUSTED_NETWORK:
        return "clients need no token: everyone whom the network lets through is let in"
    return f"clients need no token: only this machine reaches {config.listen}"
