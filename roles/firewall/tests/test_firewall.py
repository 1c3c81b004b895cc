"""The role `firewall`: what is opened answers, and all else is silent."""

from __future__ import annotations

import pytest

from provision.testing import ProvHost

#: listens on a port for a minute, in a process of its own
LISTEN = (
    "import os, socket, time; s = socket.create_server(('', {})); os.fork() and os._exit(0); time.sleep(60)"
)


def listen(prov_host: ProvHost, port: int) -> None:
    """Have something listen on a port."""
    argv = [
        "systemd-run",
        "-q",
        "--service-type=forking",
        f"--unit=listens-{port}",
        "python3",
        "-c",
        LISTEN.format(port),
    ]
    assert prov_host.run(argv).status == 0


@pytest.mark.parametrize("port", [22, 80])
def test_its_roles_are_reached(prov_host: ProvHost, port: int) -> None:
    prov_host.connected(port).close()


@pytest.mark.parametrize("port", [8081, 9100])
def test_what_is_named_is_reached(prov_host: ProvHost, port: int) -> None:
    listen(prov_host, port)
    prov_host.connected(port).close()


def test_all_else_is_dropped(prov_host: ProvHost) -> None:
    listen(prov_host, 8082)
    with pytest.raises(TimeoutError):
        prov_host.connected(8082, timeout=2)


def test_it_is_there_after_a_reboot(prov_host: ProvHost) -> None:
    assert prov_host.run(["systemctl", "is-enabled", "nftables"]).stdout.strip() == "enabled"
