"""The roles of the inventory as Fabric's own tasks: `fab --list`, `fab -H web1 nginx`."""

from provision.cli.fab import collection

ns = collection()
