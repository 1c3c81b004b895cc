"""Certificates of an ACME authority: got on the first deploy, renewed by the host alone, kept when that fails."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace

import pytest
from helpers import http3
from helpers.cli import prov
from helpers.hosts import Hosts, Kind, on
from helpers.issued import CERTIFICATE, PROGRAM, Issued, failed, issued_on, renewed
from helpers.web import Site

pytestmark = pytest.mark.lab

ACME = "t-acme"
LEARNT = "certificate for hello.test from https://localhost:14000/dir"


@pytest.fixture(scope="module")
def issued(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Issued:
    host = lab_hosts.one(ACME, Kind("debian-13"))
    # long enough for all tests of this file
    return issued_on(host, tmp_path_factory.mktemp("acme"), seconds=900, check="3s")


def test_the_first_deploy_ends_with_a_certificate_that_browsers_take(issued: Issued) -> None:
    assert issued.planned.changes(ACME) == issued.first.changes(ACME)
    (step,) = [s for s in issued.first.steps(ACME) if s["step"] == LEARNT]
    assert [change["before"] for change in step["diff"]] == ["a temporary one"]
    assert issued.second.tally(ACME)["changed"] == 0
    assert issued.site.get().title == "Hello from Flask"
    assert replace(issued.site, domain="www.hello.test").get().status == 308
    # what anyone else asks there is neither redirected nor the application's
    assert issued.site.get("/.well-known/acme-challenge/x", tls=False).status == 404


def speaks(issued: Issued, version: ssl.TLSVersion) -> bool:
    """Whether the front makes a connection with a version of TLS, and no other."""
    context = ssl.create_default_context(cafile=str(issued.site.ca))
    context.minimum_version = context.maximum_version = version
    try:
        with socket.create_connection((issued.host.address, 443), 10) as plain:
            context.wrap_socket(plain, server_hostname="hello.test").close()
    except ssl.SSLError:
        return False
    return True


def test_the_modern_profile_is_tls_1_3_alone(issued: Issued) -> None:
    assert speaks(issued, ssl.TLSVersion.TLSv1_3)
    assert not speaks(issued, ssl.TLSVersion.TLSv1_2)


def test_http_3_with_the_same_certificate(issued: Issued) -> None:
    """Also through the firewall."""
    assert issued.site.get().headers["Alt-Svc"] == 'h3=":443"; ma=86400'
    where = (issued.host.address, "hello.test", issued.site.ca)
    assert http3.status(*where) == 200
    assert http3.status(where[0], "www.hello.test", where[2]) == 308
    with pytest.raises(OSError):
        http3.status(where[0], "unknown.test", where[2])
    assert "udp dport 443 accept" in on(ACME, "nft", "list", "ruleset")


def test_brotli_for_clients_that_take_it(issued: Issued) -> None:
    for taken, sent in (("br, gzip", "br"), ("gzip", "gzip")):
        answer = issued.site.get("/static/large.css", headers={"Accept-Encoding": taken})
        assert answer.headers["Content-Encoding"] == sent


def test_keys_are_where_they_belong(issued: Issued) -> None:
    modes = on(ACME, "stat", "-c", "%a %U", "/etc/prov/tls/hello.key", "/etc/prov/acme.json")
    assert modes.splitlines() == ["600 root", "600 root"]
    assert on(ACME, "stat", "-c", "%a %U", "/var/lib/prov-acme/accounts") == "700 root"
    exposed = on(ACME, "systemd-analyze", "security", "prov-acme.service", "--no-pager").splitlines()[-1]
    assert float(exposed.split(":")[1].split()[0]) < 2.5, exposed


def test_the_host_renews_alone_when_the_authority_says_so(issued: Issued) -> None:
    """By its timer: nothing of prov runs."""
    old = issued.site.serial()
    issued.now()
    new = renewed(issued, old)
    on_disk = on(ACME, "openssl", "x509", "-in", CERTIFICATE, "-noout", "-serial")
    assert int(on_disk.removeprefix("serial="), 16) == new
    assert prov("deploy", ACME, cwd=issued.project.folder).tally(ACME)["changed"] == 0


def test_a_failure_keeps_the_old_certificate_and_names_the_cause(issued: Issued) -> None:
    site, old = issued.site, issued.site.serial()
    issued.pebble.leads("www.hello.test", nowhere=True)
    issued.now()
    why = failed(issued)
    assert "could not verify www.hello.test" in why and "could not resolve" in why
    assert site.serial() == old
    # first, so that a try that is on its way can't succeed
    issued.pebble.stop()
    issued.pebble.leads("www.hello.test", nowhere=False)
    issued.now()
    assert "Connection refused" in failed(issued)
    assert site.serial() == old
    # with an authority that has forgotten the account
    issued.pebble.start()
    on(ACME, *PROGRAM, "--now", "hello", timeout=180)
    assert issued.site.serial() != old
    assert issued.state["error"] == ""


def test_a_compromised_key_is_replaced_and_its_certificate_revoked(issued: Issued) -> None:
    old, key = issued.site.serial(), on(ACME, "sha256sum", "/etc/prov/tls/hello.key")
    argv = ("hello", "--reason", "key-compromise")
    run = prov("tls revoke", ACME, *argv, cwd=issued.project.folder, status=0, timeout=120)
    # openssl-x509(1) writes whole bytes
    assert f"serial {old.to_bytes(-(-old.bit_length() // 8)).hex()}" in run.stdout
    assert issued.site.serial() != old
    assert on(ACME, "sha256sum", "/etc/prov/tls/hello.key") != key
    assert issued.pebble.revoked(old) == 1, "the reason of RFC 5280"
    assert on(ACME, "sh", "-c", "ls /var/lib/prov-acme/revoking") == ""
    assert prov("deploy", ACME, cwd=issued.project.folder).tally(ACME)["changed"] == 0


def test_from_one_authority_to_another_and_back_and_to_the_other_front(issued: Issued) -> None:
    private = Site(issued.host.address, "hello.test", issued.project.ca)
    key = on(ACME, "sha256sum", "/etc/prov/tls/hello.key")
    issued.deploy(tls="private-ca")
    assert private.get().status == 200
    assert on(ACME, "sh", "-c", "ls /etc/prov") == "hello.env\ntls"
    # people have certificates of the private CA, whatever the site's own is from
    auth = {"by": "certificate", "people": ["ann"], "paths": ["/private/"]}
    issued.deploy(tls="acme", front="apache", auth=auth)
    folder = issued.project.folder
    for name in ("ann", "bob"):
        prov("tls client", ACME, name, "--to", str(folder), cwd=folder, status=0)
    people = (None, folder / "ann", folder / "bob")
    assert [replace(issued.site, person=who).get("/private/x").status for who in people] == [403, 404, 403]
    assert issued.site.get().title == "Hello from Flask"
    assert on(ACME, "sha256sum", "/etc/prov/tls/hello.key") == key
    assert issued.site.get("/.well-known/acme-challenge/x", tls=False).status == 404
    assert speaks(issued, ssl.TLSVersion.TLSv1_3)
    assert not speaks(issued, ssl.TLSVersion.TLSv1_2)
    old = issued.site.serial()
    issued.now()
    renewed(issued, old)
    assert issued.deploy().tally(ACME)["changed"] == 0
