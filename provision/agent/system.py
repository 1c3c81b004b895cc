"""The place where `System` was until 0.1; steps of your own import it from provision.system.host. Shipped."""

from provision.system.host import System

__all__ = ["System"]
