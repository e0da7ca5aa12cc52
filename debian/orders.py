#!/usr/bin/python3 -I
"""The command `orders` as Debian's package installs it: with its own libraries and its file."""

import os
import sys

sys.path.insert(0, "/usr/lib/orders")
os.environ.setdefault("ORDERS_CONFIG", "/etc/orders/orders.toml")

from orders_cli.main import run  # noqa: E402 - found only now

run()
