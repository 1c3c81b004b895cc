"""The role `nginx`: what every front does, its unit and its package."""

from __future__ import annotations

from provision.testing import Deployed, Host, ProvHost
from roles.fronttests import FrontTests


class TestNginx(FrontTests):
    """The front in the inventory beside this file."""


def test_the_unit(host: Host, prov_host: ProvHost) -> None:
    service = host.service("nginx")
    assert service.is_running
    assert service.is_enabled
    # its parent is root for ports and keys, may change users, and connects everywhere
    judged = prov_host.run(["systemd-analyze", "security", "--no-pager", "nginx"]).stdout
    assert float(judged.split("Overall exposure level")[1].split(":")[1].split()[0]) <= 2.6, judged


def test_it_was_installed_by_the_deploy(deployed: Deployed) -> None:
    assert [name for name in deployed.changed if name.startswith("package") and "nginx" in name]
