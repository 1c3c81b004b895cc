"""Inventories: which hosts there are, how to reach them, and what they should be."""

from provision.inventory.connection import ConnectionSettings
from provision.inventory.draft import Group
from provision.inventory.located import Origin
from provision.inventory.model import Inventory, InventoryHost, check
from provision.inventory.problems import Problems
from provision.inventory.sources import load

__all__ = ["ConnectionSettings", "Group", "Inventory", "InventoryHost", "Origin", "Problems", "check", "load"]
