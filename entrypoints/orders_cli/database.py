"""`orders migrate` and `orders check`: the database and the configuration."""

import json
from contextlib import closing

from orders_cli.exits import Exit
from orders_service.config import Config, InvalidConfig
from orders_service.databases import InvalidDatabase


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
    """Print every setting, its source and no secret; then try the database.

    What is printed is TOML, fit for a configuration file: the secrets are comments in it.
    Nothing is made: a SQLite file that is not there yet is said to be so, and is no error.

    Raises:
        StoreUnavailable: The database cannot be used; the message says why.
    """
    for setting, value, source in config.described():
        # A JSON string without control characters is a TOML string.
        shown = f"{setting.name} = {json.dumps(value, ensure_ascii=False)}"
        print(f"{'# ' if setting.secret else ''}{shown}  # {source}", flush=True)
    if config.database.is_to_be_made:
        print(f"# {config.database} does not exist yet; the first start makes it")
        return Exit.DONE
    with closing(config.database.open()) as store:
        store.check()
    print("# the database answers and has the schema that this release needs")
    return Exit.DONE
