"""Tries what a start of the service needs, without starting it or creating anything."""

import errno
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Final

from orders_http.api.problems import CONTENT_TYPE
from orders_service.composition import tokens_of
from orders_service.configuration.parsers import Address, Auth
from orders_service.configuration.settings import Config, InvalidConfig, Listener
from orders_service.open_files import allow_open_files, refuse_few_files
from orders_service.sockets import try_listening
from orders_service.systemd import set_by_socket
from orders_service.systemd_unit import ServiceUnit
from orders_service.systemd_unit_lookup import UnitLookup
from orders_tokens import read_tokens

_SECONDS: Final = 1.0
_OURS: Final = (b'{"status":"ok"}', b'{"status": "live"}')


def preflight(config: Config, lookup: UnitLookup) -> Iterator[str]:
    """Try what a start needs.

    Args:
        config: The configuration.
        lookup: How systemd starts the service.

    Yields:
        What the reader should know, one sentence each.

    Raises:
        InvalidConfig: The service would refuse to start.
        OSError: The service cannot listen on an address.
        StoreUnavailable: The database cannot be used.
    """
    yield from lookup.remarks
    unit = lookup.unit
    if unit is None:
        allow_open_files()
    else:
        _refuse_unusable(unit)
        yield from (f"{each.unit} passes {each.endpoint} to {unit.name}" for each in unit.sockets)
    listeners = _listeners(config, lookup)
    tokens = tokens_of(config, read_tokens)
    config.refuse_unprotected(listeners)
    if tokens is None:
        yield _admission(config, listeners, lookup)
    else:
        count = len(tokens) or "no token, so every client is refused"
        yield f"clients need a token; {config.tokens_file} has {count}"
    if lookup.is_known:
        yield from _try_addresses(config, lookup)
    if config.database.can_be_created:
        yield f"{config.database} does not exist yet; the first start creates it"
        return
    with closing(config.database.open()) as store:
        store.check()
    yield "the database answers, accepts orders, and has the schema that this release needs"
    yield from config.database.inspect().notes


def _refuse_unusable(unit: ServiceUnit) -> None:
    """Refuse limits and sockets with which the service could serve no client.

    Raises:
        InvalidConfig: With every such socket, or the limit.
    """
    if unit.files is not None:
        refuse_few_files(unit.files)
    problems = [
        f"{each.unit} passes {each.endpoint} ({each.kind}) to {unit.name}, but Orders needs stream "
        f"sockets of IP or Unix: use ListenStream= in {each.unit}"
        for each in unit.sockets
        if not each.is_served
    ]
    if problems:
        raise InvalidConfig(problems)


def _listeners(config: Config, lookup: UnitLookup) -> Sequence[Listener]:
    """List the TCP addresses on which clients will reach the service."""
    if not lookup.orders_sockets:
        return [config.listener]
    return [
        Listener(each.address, set_by_socket(each.unit))
        for each in lookup.orders_sockets
        if each.address is not None
    ]


def _admission(config: Config, listeners: Sequence[Listener], lookup: UnitLookup) -> str:
    """Describe who may use a service that needs no token."""
    if config.auth is Auth.TRUSTED_NETWORK:
        return "clients need no token: everyone who can connect may use the service"
    unix = [each.endpoint for each in lookup.orders_sockets if each.is_unix]
    addresses = ", ".join([*(str(each.address) for each in listeners), *unix])
    doubt = "" if lookup.is_known else ", unless systemd passes another address"
    return f"clients need no token: only this machine can reach {addresses}{doubt}"


def _try_addresses(config: Config, lookup: UnitLookup) -> Iterator[str]:
    """Try the addresses that the service opens itself.

    Raises:
        OSError: The service cannot listen on one, and it is not in use by the service itself.
    """
    for passed, listener, path in (
        (lookup.orders_sockets, config.listener, "/health"),
        (lookup.operations_sockets, config.operations_listener, "/livez"),
    ):
        if passed:
            continue
        try:
            try_listening(listener)
        except OSError as error:
            if not _is_in_use(error) or _is_another_program(listener.address, path):
                raise
            yield f"{listener.address} is in use, as expected while the service runs"


def _is_in_use(error: OSError) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE


def _is_another_program(address: Address, path: str) -> bool:
    """Tell whether the program that answers there is certainly not this service."""
    with closing(HTTPConnection(address.host, address.port, timeout=_SECONDS)) as connection:
        try:
            connection.request("GET", path, headers={"Host": "localhost"})
            answer = connection.getresponse()
            is_problem = answer.getheader("Content-Type") == CONTENT_TYPE
            return not (is_problem or answer.read() in _OURS)
        except OSError:
            # A busy service, or a socket that systemd holds for a service that failed.
            return False
        except HTTPException:
            return True
