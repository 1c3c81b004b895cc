"""The role `hello` on a throwaway host:  prov test hello    (or plain pytest, which boots one and deploys it once)"""

from __future__ import annotations

from provision.testing import Deployed, Host, ProvHost


def test_the_greeting(host: Host, prov_host: ProvHost) -> None:
    file = host.file("/etc/hello.conf")
    assert (file.user, file.mode) == ("root", 0o644)
    assert f"Hello from {prov_host.name}" in file.content_string


def test_the_deploy_wrote_it(deployed: Deployed) -> None:
    assert deployed["file /etc/hello.conf"].state == "changed"
