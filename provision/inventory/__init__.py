"""Inventories: hosts, how to reach them, and their wanted state."""

from provision.inventory.connection_settings import ConnectionSettings
from provision.inventory.inventory_files import load
from provision.inventory.loaded import Inventory, InventoryHost, check
from provision.inventory.located import Origin
from provision.inventory.problems import Problems
from provision.inventory.unresolved import UnresolvedGroup

__all__ = [
    "ConnectionSettings",
    "UnresolvedGroup",
    "Inventory",
    "InventoryHost",
    "Origin",
    "Problems",
    "check",
    "load",
]
