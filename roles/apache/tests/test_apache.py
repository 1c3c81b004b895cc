"""The role `apache`: what every front does, its unit and its package."""

from __future__ import annotations

from provision.testing import Deployed, Host
from roles.fronttests import FrontTests


class TestApache(FrontTests):
    """The front in the inventory beside this file."""


def test_the_unit(host: Host) -> None:
    service = host.service("apache2")
    assert service.is_running
    assert service.is_enabled


def test_it_was_installed_by_the_deploy(deployed: Deployed) -> None:
    assert [name for name in deployed.changed if name.startswith("package") and "apache2-bin" in name]
