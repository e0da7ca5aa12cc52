#!/usr/bin/python3 -I
"""The command `orders` of the Debian package, with the package's libraries and configuration."""

import os
import sys
from pathlib import Path

# Relative to this file, so that a package that is only unpacked works too.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib/orders"))
os.environ.setdefault("ORDERS_CONFIG", "/etc/orders/orders.toml")
# With the package's file, `orders check` checks the package's unit.
if os.environ["ORDERS_CONFIG"] == "/etc/orders/orders.toml":
    os.environ.setdefault("ORDERS_UNIT", "orders.service")

from orders_cli.main import run

run()
