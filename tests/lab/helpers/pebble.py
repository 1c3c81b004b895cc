"""Pebble, Let's Encrypt's own test server for ACME, on a lab host, with its test server for DNS.

It refuses nonces at random and takes its time, as it does by default (PEBBLE_WFE_NONCEREJECT, PEBBLE_VA_NOSLEEP). It
asks again for each order: by default it takes every other name as shown already (PEBBLE_AUTHZREUSE).
"""

from __future__ import annotations

import json
from pathlib import Path

from helpers.hosts import on

DIRECTORY = "https://localhost:14000/dir"
SETTINGS = {
    "listenAddress": "0.0.0.0:14000",
    "managementListenAddress": "0.0.0.0:15000",
    "certificate": "/opt/pebble/cert.pem",
    "privateKey": "/opt/pebble/key.pem",
    "httpPort": 80,
    "tlsPort": 443,
    "ocspResponderURL": "",
    "externalAccountBindingRequired": False,
    "retryAfter": {"authz": 1, "order": 1},
}
INSTALL = """
set -e
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends pebble openssl curl >/dev/null 2>&1
mkdir -p /opt/pebble
cd /opt/pebble
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \\
    -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>/dev/null
"""


class Pebble:
    """An authority on a host. Its names lead to the host itself, unless `leads` says otherwise."""

    def __init__(self, host: str, folder: Path, *, seconds: int) -> None:
        """Install and start it. folder: gets pebble.pem, which verifies it. seconds: lifetime of certificates."""
        self.host = host
        on(host, "sh", "-c", INSTALL, timeout=180)
        (folder / "pebble.pem").write_text(on(host, "cat", "/opt/pebble/cert.pem") + "\n")
        settings = {"pebble": {**SETTINGS, "certificateValidityPeriod": seconds}}
        on(host, "sh", "-c", f"echo '{json.dumps(settings)}' >/opt/pebble/config.json")
        self.boot()

    def boot(self) -> None:
        """Start it with its server for DNS."""
        silent = [word for kind in ("http01", "https01", "tlsalpn01", "doh") for word in (f"-{kind}", "")]
        argv = ["pebble-challtestsrv", "-defaultIPv6", "", "-defaultIPv4", "127.0.0.1", *silent]
        on(self.host, "systemd-run", "-q", "--unit=dns", *argv)
        self.start()

    def start(self, resolver: str = "127.0.0.1:8053") -> None:
        """Start it, without anything that it knew before: accounts, orders, its own key."""
        argv = ["pebble", "-config", "/opt/pebble/config.json", "-dnsserver", resolver]
        on(self.host, "systemd-run", "-q", "--unit=pebble", "-E", "PEBBLE_AUTHZREUSE=0", *argv)
        on(self.host, "sh", "-c", "until curl -sk https://localhost:14000/dir >/dev/null; do sleep 0.1; done")

    def stop(self) -> None:
        on(self.host, "systemctl", "stop", "pebble")

    def leads(self, name: str, *, nowhere: bool) -> None:
        """Have a name lead nowhere, or to the host again."""
        path = "set-servfail" if nowhere else "clear-servfail"
        on(self.host, "curl", "-s", "-d", json.dumps({"host": name}), f"http://localhost:8055/{path}")

    def revoked(self, serial: int) -> int:
        """Return why a certificate is revoked (RFC 5280, 5.3.1); -1 if it is not."""
        number = f"{serial:x}"
        url = f"https://localhost:15000/cert-status-by-serial/{number.zfill(len(number) + len(number) % 2)}"
        found = json.loads(on(self.host, "curl", "-sk", url))
        return int(found.get("Reason", 0)) if found["Status"] == "Revoked" else -1

    def roots(self, folder: Path) -> Path:
        """Return a file with the authority's certificates, for clients."""
        paths = ("roots/0", "intermediates/0")
        found = [on(self.host, "curl", "-sk", f"https://localhost:15000/{path}") for path in paths]
        # others may read it at this moment
        (folder / "roots.new").write_text("\n".join(found) + "\n")
        return (folder / "roots.new").replace(folder / "roots.pem")
