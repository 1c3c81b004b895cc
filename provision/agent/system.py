"""Former module of `System` (until 0.1), kept for your own steps; use provision.system.host. Shipped."""

from provision.system.host import System

__all__ = ["System"]
