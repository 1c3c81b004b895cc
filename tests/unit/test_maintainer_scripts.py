"""Accounts that packages bring, as a plan foresees them from their scripts."""

from __future__ import annotations

import pytest

from provision.system.planned.maintainer_scripts import Scripts

REDIS = """set -eu
USER="redis"
case "$1" in
    configure)
    adduser \\
        --system \\
        --home /var/lib/redis \\
        --quiet \\
        --group \\
        "${USER}" || true
    ;;
esac
"""
OTHERS = """# useradd commented
addgroup --system ssl-cert
if ! getent passwd mysql >/dev/null; then useradd --system -g mysql --home-dir /var/lib/mysqld mysql; fi
chown prometheus /var/lib/x
u  node  -  "Node exporter"  /
g adm2 -
"""


@pytest.mark.parametrize(
    ("kind", "name", "added"),
    [
        ("user", "redis", True),
        ("group", "redis", True),
        ("user", "redis-sentinel", False),
        ("user", "commented", False),
        ("group", "ssl-cert", True),
        ("user", "ssl-cert", False),
        ("user", "mysql", True),
        ("user", "mysqld", False),
        ("user", "prometheus", False),
        ("user", "node", True),
        ("group", "adm2", True),
        ("user", "adm2", False),
    ],
)
def test_what_scripts_add(kind: str, name: str, added: bool) -> None:
    assert Scripts(REDIS + OTHERS).adds(kind, name) is added


#: of dh_installsystemd: as it is, and with --no-enable, as nftables and rsync have it
ENABLED = """
	deb-systemd-helper unmask 'nginx.service' >/dev/null || true
	if deb-systemd-helper --quiet was-enabled 'nginx.service'; then
		deb-systemd-helper enable 'nginx.service' >/dev/null || true
"""
LEFT = """
	if deb-systemd-helper debian-installed 'nftables.service'; then
		deb-systemd-helper unmask 'nftables.service' >/dev/null || true
		if deb-systemd-helper --quiet was-enabled 'nftables.service'; then
			deb-systemd-helper enable 'nftables.service' >/dev/null || true
"""


def test_units_that_are_left_to_the_administrator_are_not_foreseen_as_enabled() -> None:
    scripts = Scripts(ENABLED + LEFT)
    assert scripts.enable("nginx.service")
    assert not scripts.enable("nftables.service")
    assert not scripts.enable("other.service")
