"""`orders check`: the configuration, what systemd adds to it, and the database.

What makes `orders serve` refuse to start is refused here too, with the same status.
"""

import errno
import json
from collections.abc import Iterable, Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Final

from orders_cli.circumstances import Circumstances
from orders_cli.exits import Exit
from orders_http.api.problems import CONTENT_TYPE
from orders_service.composition import tokens_of
from orders_service.config import Config, InvalidConfig, Listener
from orders_service.open_files import allow_open_files, refuse_few_files
from orders_service.sockets import try_listening
from orders_service.systemd import set_by_socket
from orders_service.units import ServiceUnit
from orders_service.values import Address, Auth
from orders_tokens import read_tokens

_SECONDS: Final = 1.0
_OURS: Final = (b'{"status":"ok"}', b'{"status": "live"}')


def check(config: Config, circumstances: Circumstances) -> int:
    """Print every setting, its source and no secret; then try all that a start needs.

    What is printed is TOML, fit for a configuration file: the secrets are comments in it.
    Nothing is made: a SQLite file that is not there yet is said to be so, and is no error.

    Raises:
        InvalidConfig: The service would not start with it; the message says why.
        OSError: An address cannot be listened on.
        StoreUnavailable: The database cannot be used; the message says why.
    """
    for setting, value, source in config.described():
        # A JSON string without control characters is a TOML string.
        shown = f"{setting.name} = {json.dumps(value, ensure_ascii=False)}"
        print(f"{'# ' if setting.secret else ''}{shown}  # {source}", flush=True)
    _remark(circumstances.remarks)
    if circumstances.unit is None:
        allow_open_files()
    else:
        _refuse_what_systemd_gives(circumstances.unit)
    listeners = _listeners(config, circumstances)
    tokens = tokens_of(config, read_tokens)
    config.refuse_unprotected(listeners)
    count = None if tokens is None else len(tokens)
    _remark([_admission(config, count, listeners, circumstances)])
    if circumstances.is_known:
        _remark(_try_addresses(config, circumstances))
    if config.database.can_be_created:
        _remark([f"{config.database} does not exist yet; the first start makes it"])
        return Exit.DONE
    with closing(config.database.open()) as store:
        store.check()
    _remark(["the database answers, takes orders, and has the schema that this release needs"])
    _remark(config.database.inspect().notes)
    return Exit.DONE


def _remark(remarks: Iterable[str]) -> None:
    for remark in remarks:
        print(f"# {remark}", flush=True)


def _refuse_what_systemd_gives(unit: ServiceUnit) -> None:
    """Refuse limits and sockets with which nobody could be served.

    Raises:
        InvalidConfig: With every such socket, or the limit.
    """
    if unit.files is not None:
        refuse_few_files(unit.files)
    problems = [
        f"{each.unit} hands {each.place} ({each.kind}) over to {unit.name}, and Orders accepts "
        f"clients itself, on stream sockets of IP or Unix: use ListenStream= in {each.unit}"
        for each in unit.sockets
        if not each.is_served
    ]
    if problems:
        raise InvalidConfig(problems)


def _listeners(config: Config, circumstances: Circumstances) -> Sequence[Listener]:
    """Find where the service will be reached, and say so when systemd decides."""
    unit = circumstances.unit
    if unit is None:
        return [config.listener]
    _remark(f"{each.unit} hands {each.place} over to {unit.name}" for each in unit.sockets)
    if not circumstances.orders:
        return [config.listener]
    return [
        Listener(each.address, set_by_socket(each.unit))
        for each in circumstances.orders
        if each.address is not None
    ]


def _admission(
    config: Config,
    tokens: int | None,
    listeners: Iterable[Listener],
    circumstances: Circumstances,
) -> str:
    """Say what lets a client in."""
    if tokens is not None:
        count = tokens or "none: nobody is let in"
        return f"clients need a token; {config.tokens_file} has {count}"
    if config.auth is Auth.TRUSTED_NETWORK:
        return "clients need no token: everyone whom the network lets through is let in"
    unix = [each.place for each in circumstances.orders if each.is_unix]
    places = ", ".join([*(str(each.address) for each in listeners), *unix])
    doubt = "" if circumstances.is_known else ", unless systemd hands over another address"
    return f"clients need no token: only this machine reaches {places}{doubt}"


def _try_addresses(config: Config, circumstances: Circumstances) -> Iterable[str]:
    """Try the addresses that the service opens itself.

    Raises:
        OSError: One cannot be listened on, and not because the service itself runs.
    """
    for handed, name, address, path in (
        (bool(circumstances.orders), "listen", config.listen, "/health"),
        (bool(circumstances.for_operations), "ops_listen", config.ops_listen, "/livez"),
    ):
        if handed:
            continue
        try:
            try_listening(Listener(address, config.set_by(name)))
        except OSError as error:
            if not _is_in_use(error) or _is_another_program(address, path):
                raise
            yield f"{address} is in use, as it is while the service runs"


def _is_in_use(error: OSError) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE


def _is_another_program(address: Address, path: str) -> bool:
    """Tell whether what answers there is surely not this service."""
    with closing(HTTPConnection(address.host, address.port, timeout=_SECONDS)) as connection:
        try:
            connection.request("GET", path, headers={"Host": "localhost"})
            answer = connection.getresponse()
            is_problem = answer.getheader("Content-Type") == CONTENT_TYPE
            return not (is_problem or answer.read() in _OURS)
        except OSError:
            # A service that is busy, or a socket that systemd holds for one that has failed.
            return False
        except HTTPException:
            return True
