"""`orders check`: prints the configuration, and tries what a start needs or asks the service."""

import json

from orders_cli.exits import Exit
from orders_service.configuration.settings import Config
from orders_service.preflight import preflight
from orders_service.readiness import ask_readiness
from orders_service.systemd_unit_lookup import UnitLookup


def check(config: Config, lookup: UnitLookup) -> int:
    """Print every setting with its source and without secrets; then try what a start needs.

    The output is TOML, ready for a configuration file, with the secrets as comments.

    Raises:
        InvalidConfig: The service would refuse to start.
        OSError: The service cannot listen on an address.
        StoreUnavailable: The database cannot be used.
    """
    for setting, value, source in config.described():
        # A JSON string without control characters is a TOML string.
        shown = f"{setting.name} = {json.dumps(value, ensure_ascii=False)}"
        print(f"{'# ' if setting.secret else ''}{shown}  # {source}", flush=True)
    for remark in preflight(config, lookup):
        print(f"# {remark}", flush=True)
    return Exit.DONE


def check_running(config: Config, lookup: UnitLookup) -> int:
    """Ask the running service whether it is ready, and print its answer.

    Raises:
        OSError: Nothing answers in time, or another program does.
    """
    readiness = ask_readiness(config, lookup)
    print(readiness.answer)
    return Exit.DONE if readiness.is_ready else Exit.UNAVAILABLE
