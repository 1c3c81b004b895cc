"""Inventories: which hosts there are, how to reach them, and what they should be."""

from provision.inventory.connection_settings import ConnectionSettings
from provision.inventory.inventory_files import load
from provision.inventory.loaded import Inventory, InventoryHost, check
from provision.inventory.located import Origin
from provision.inventory.problems import Problems
from provision.inventory.unresolved import Group

__all__ = ["ConnectionSettings", "Group", "Inventory", "InventoryHost", "Origin", "Problems", "check", "load"]
