"""Fetch a page from a lab host as a browser would that trusts the private CA: python fetch.py web1 polls.test"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import sys
from pathlib import Path

from provision import lab

CA = Path(".prov/ca/ca.crt")


def fetch(address: str, domain: str, path: str = "/", body: bytes | None = None) -> tuple[int, str]:
    """Status and text of https://domain/path at an address; the certificate has to be good for the domain.

    body: posted, as JSON or any bytes.
    """
    context = ssl.create_default_context(cafile=str(CA))
    connection = http.client.HTTPSConnection(domain, context=context, timeout=10)
    plain = socket.create_connection((address, 443), timeout=10)
    connection.sock = context.wrap_socket(plain, server_hostname=domain)
    headers = {} if body is None else {"Content-Type": "application/json"}
    connection.request("GET" if body is None else "POST", path, body, headers)
    response = connection.getresponse()
    return response.status, response.read().decode()


def address_of(name: str) -> str:
    """Return the address of a lab host. Exits without one."""
    host = lab.find(name)
    if host is None:
        sys.exit(f"there is no lab host {name}: boot it first:  prov lab up {name}")
    return host.address


def main(name: str, domain: str) -> int:
    address = address_of(name)
    status, page = fetch(address, domain)
    title = re.search(r"<title>(.*?)</title>", page, re.DOTALL)
    sys.stdout.write(f"\n  https://{domain}/ at {address}: status {status}, certificate verified\n")
    sys.stdout.write(f"  title: {title.group(1).strip() if title else '(none)'}\n\n")
    sys.stdout.write(f"  In a browser: add '{address} {domain}' to /etc/hosts and trust {CA}\n")
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
