"""The page for people: server-rendered HTML with forms and sessions, without script."""

from orders_http.api.page.handlers import OrdersPage

__all__ = ["OrdersPage"]
