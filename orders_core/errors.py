"""Every way in which Orders can fail, as one tree with `OrdersError` at its root.

Nothing here knows HTTP, the command line or a database: they translate these errors.
"""

from enum import Enum

from attrs import frozen

from orders_core.characters import invisible_names, quoted


@frozen
class Violation:
    """One mistake in an input.

    Attributes:
        field: The wrong part: `id`, `amount`, or the name of an argument.
        message: What is wrong and what would be right, as a phrase to follow the field's name.
    """

    field: str
    message: str

    def __str__(self) -> str:
        """Read as a sentence: the field, then what is wrong with it."""
        return f"{self.field} {self.message}"


class OrdersError(Exception):
    """The root of every error that Orders raises on purpose.

    Each keeps its constructor's arguments as `args`, so that it can be pickled and passed from
    one process to another.
    """


class InvalidOrder(OrdersError, ValueError):
    """An id or an amount is not acceptable.

    Attributes:
        violations: Every mistake, at least one.
    """

    def __init__(self, *violations: Violation) -> None:
        """Take every violation, so that one answer can name them all."""
        super().__init__(*violations)
        self.violations = violations

    def __str__(self) -> str:
        """Name every violation."""
        return "; ".join(map(str, self.violations))


class InvalidPage(OrdersError, ValueError):
    """A page cannot be read as asked: its limit is out of range, or it has two directions."""


class OrderNotFound(OrdersError, LookupError):
    """No stored order has this id.

    Attributes:
        id: The id looked up, as text.
    """

    def __init__(self, id: str) -> None:  # noqa: A002 - the field's own name
        """Take the id looked up."""
        super().__init__(id)
        self.id = id

    def __str__(self) -> str:
        """Name the id looked up."""
        hidden = invisible_names(self.id)
        note = f"; the id contains {hidden}, which may be invisible" if hidden else ""
        return f"no order has the id {quoted(self.id)}{note}"


class OrderConflict(OrdersError):
    """An order with the same id and another amount is already stored; nothing was changed.

    Attributes:
        positions: The positions of the conflicts in the given orders, from 0, ascending.
        ids: The ids in conflict, as text, in the same order as `positions`.
    """

    def __init__(self, positions: tuple[int, ...], ids: tuple[str, ...]) -> None:
        """Take the positions and the ids of all conflicts."""
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
    """The store refused this user: password, certificate, database name or a missing privilege."""
    SCHEMA = "schema"
    """The schema is missing, or this release cannot work with its version."""
    READ_ONLY = "read-only"
    """The store accepts no writes now, such as a standby after a failover."""
    EXHAUSTED = "exhausted"
    """Out of disk, memory or connections."""
    POOL = "pool"
    """Every connection of the pool is in use; the store itself may be well."""
    FAILED = "failed"
    """Anything else; the message says what."""


class StoreUnavailable(OrdersError):
    """The store failed, through no fault of the order.

    An order that was being added may or may not be stored. Adding it again is always safe: the id
    makes it happen once.

    Attributes:
        reason: Why, out of a fixed set.
        message: What happened, for operators.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        """Take the reason and a message for operators."""
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        """Return the message; the reason is for programs."""
        return self.message
