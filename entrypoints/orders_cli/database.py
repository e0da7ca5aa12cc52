"""`orders migrate`: the database's schema."""

from orders_cli.exits import Exit
from orders_core.database import InvalidDatabase
from orders_service.configuration.settings import Config, InvalidConfig


def migrate(config: Config, grant_to: str | None) -> int:
    """Bring the schema to what this release needs, and print what was done.

    Args:
        config: The configuration.
        grant_to: The service's role, if it is not the one that migrates.

    Raises:
        InvalidConfig: `grant_to` names a role for a database without roles.
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
