"""Every way in which Orders can fail, as one tree with `OrdersError` at its root.

Nothing here knows of HTTP, of a command line or of a database: those translate from this tree.
"""

from enum import Enum

from attrs import frozen

from orders_core.characters import invisible_names, quoted


@frozen
class Violation:
    """One thing that is wrong with an input.

    Attributes:
        field: The part that is wrong: `id`, `amount`, or the name of an argument.
        message: What is wrong and what would be right, as a phrase that follows the field's name.
    """

    field: str
    message: str

    def __str__(self) -> str:
        """Read as a sentence: the field, then what is wrong with it."""
        return f"{self.field} {self.message}"


class OrdersError(Exception):
    """The root of every error that Orders raises on purpose.

    Each keeps its constructor's arguments as `args`, so that it can be pickled: an error
    that is raised in a process of a pool reaches the one that waits for it.
    """


class InvalidOrder(OrdersError, ValueError):
    """An id or an amount lies outside what Orders accepts.

    Attributes:
        violations: Everything that is wrong, at least one.
    """

    def __init__(self, *violations: Violation) -> None:
        """Take every violation found, so that one answer can name them all."""
        super().__init__(*violations)
        self.violations = violations

    def __str__(self) -> str:
        """Name every violation."""
        return "; ".join(map(str, self.violations))


class InvalidPage(OrdersError, ValueError):
    """A page was asked for that cannot be: a limit out of range, or two directions at once."""


class OrderNotFound(OrdersError, LookupError):
    """No stored order has this id.

    Attributes:
        id: The id that was looked for, as text.
    """

    def __init__(self, id: str) -> None:  # noqa: A002 - the field's own name
        """Take the id that was looked for."""
        super().__init__(id)
        self.id = id

    def __str__(self) -> str:
        """Name the id that was looked for."""
        hidden = invisible_names(self.id)
        note = f"; the id holds {hidden}, which may not show" if hidden else ""
        return f"no order has the id {quoted(self.id)}{note}"


class OrderConflict(OrdersError):
    """An order with the same id and another amount is already stored; nothing was changed.

    Attributes:
        positions: Where in the given orders the conflicts are, counted from 0, ascending.
        ids: The ids in conflict, as text, in the same order as `positions`.
    """

    def __init__(self, positions: tuple[int, ...], ids: tuple[str, ...]) -> None:
        """Take the places and the ids of all conflicts."""
        super().__init__(positions, ids)
        self.positions = positions
        self.ids = ids

    def __str__(self) -> str:
        """Name every id in conflict."""
        return "; ".join(
            f"order {quoted(each)} is already stored with another amount" for each in self.ids
        )


class Reason(Enum):
    """Why a store is unavailable. The values are stable: logs and metrics carry them."""

    UNREACHABLE = "unreachable"
    """No connection: refused, reset, not found, or closed in the middle of work."""
    TIMEOUT = "timeout"
    """A time limit passed before the store answered."""
    TLS = "tls"
    """The connection could not be secured, or the other side could not be verified."""
    REFUSED = "refused"
    """The store refused this user: password, certificate, database name or a missing right."""
    SCHEMA = "schema"
    """The schema is missing, or is not of a version that this release can work with."""
    READ_ONLY = "read-only"
    """The store takes no writes now, such as a standby after a failover."""
    EXHAUSTED = "exhausted"
    """Out of disk, memory or connections."""
    POOL = "pool"
    """Every connection that we allow ourselves is in use; the store itself may be well."""
    FAILED = "failed"
    """Anything else; the message says what."""


class StoreUnavailable(OrdersError):
    """The store could not do what it was asked, through no fault of the order.

    Whether an order that was being added is stored is unknown. Adding it again is always safe:
    the id makes it happen once.

    Attributes:
        reason: Why, as one of a closed set.
        message: What happened, for the people who run the service.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        """Take the reason and a message for the people who run the service."""
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        """Give the message alone; the reason is for programs."""
        return self.message
