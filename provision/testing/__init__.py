"""Tests of roles on throwaway hosts: `prov test`, and fixtures for role and step tests (docs/testing.md).

This package has the names that tests import for annotations: Host, which is pytest-testinfra's, ProvHost,
Deployed, StepHost. Each is loaded on first use, because pytest loads this package wherever prov is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from testinfra.host import Host

    from provision.testing.deployed import Deployed
    from provision.testing.provhost import Answer, ProvHost, Ran
    from provision.testing.stephost import StepHost

__all__ = ["Answer", "Deployed", "Host", "ProvHost", "Ran", "StepHost"]

#: what to do if pytest-testinfra is missing
INSTALL = "pip install 'prov-deploy[test]'"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "Host":
        try:
            from testinfra.host import Host
        except ImportError:
            raise ImportError(f"tests of roles need pytest-testinfra: {INSTALL}") from None
        return Host
    from importlib import import_module

    home = {"Deployed": "deployed", "StepHost": "stephost"}.get(name, "provhost")
    return getattr(import_module(f"provision.testing.{home}"), name)
