#!/usr/bin/python3 -I
"""The command `orders` as Debian's package installs it: with its own libraries and its file."""

import os
import sys
from pathlib import Path

# Beside itself, so that a package that was only unpacked works as well.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib/orders"))
os.environ.setdefault("ORDERS_CONFIG", "/etc/orders/orders.toml")
# What `orders check` is about, unless another file was named.
if os.environ["ORDERS_CONFIG"] == "/etc/orders/orders.toml":
    os.environ.setdefault("ORDERS_UNIT", "orders.service")

from orders_cli.main import run

run()
