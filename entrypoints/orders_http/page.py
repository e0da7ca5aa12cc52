"""The page: the stored orders as a person likes to see them."""

from http import HTTPStatus

from attrs import frozen

from orders_core import OrderStore
from orders_http.messages import Reply, Request


@frozen
class OrdersPage:
    """Handlers of `/` and its icon."""

    store: OrderStore
    currency: str

    def show(self, _request: Request) -> Reply:
        """Show."""
        return Reply(HTTPStatus.OK, b"page", "text/html; charset=utf-8")

    def create(self, _request: Request) -> Reply:
        """Create."""
        return Reply(HTTPStatus.OK, b"page", "text/html; charset=utf-8")

    def icon(self, _request: Request) -> Reply:
        """Icon."""
        return Reply(HTTPStatus.OK, b"<svg/>", "image/svg+xml")
