"""The role `python`: what virtual environments and their packages need."""

from __future__ import annotations

from provision.testing import Host, ProvHost


def test_an_environment_can_be_made(prov_host: ProvHost) -> None:
    assert prov_host.run(["python3", "-m", "venv", "/tmp/tried"]).status == 0
    asked = prov_host.run(["/tmp/tried/bin/python", "-c", "import ssl, sqlite3; print(ssl.OPENSSL_VERSION)"])
    assert asked.stdout.startswith("OpenSSL 3.")
    assert prov_host.run(["rm", "-r", "/tmp/tried"]).status == 0


def test_packages(host: Host) -> None:
    for name in ("python3-venv", "ca-certificates", "python3-dev"):
        assert host.package(name).is_installed
