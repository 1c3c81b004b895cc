"""Certificates of minutes: renewed unattended while the site is asked, and through what can go wrong."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from helpers import tls
from helpers.cli import Run
from helpers.hosts import Hosts, Kind, on, reboot
from helpers.issued import CERTIFICATE, PROGRAM, Issued, failed, issued_on, renewed
from helpers.web import Site
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from provision import lab

pytestmark = pytest.mark.lab

NAME = "p-acme"
#: lifetime of certificates in seconds
SECONDS = 60


@pytest.fixture(scope="module")
def issued(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Issued:
    host = lab_hosts.one(NAME, Kind("debian-13"))
    return issued_on(host, tmp_path_factory.mktemp("acme"), seconds=SECONDS, check="2s")


#: a name server of the zone that takes records for challenges, by a key, and nothing else
BIND = """
set -e
DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends bind9 >/dev/null 2>&1
printf '%s\\n' '$TTL 5' '@ IN SOA ns.hello.test. root.hello.test. 1 60 60 600 5' '@ IN NS ns' '@ IN A 127.0.0.1' \\
    'ns IN A 127.0.0.1' >/var/lib/bind/hello.test.zone
chown -R bind:bind /var/lib/bind
cat >/etc/bind/named.conf <<END
options { directory "/var/cache/bind"; listen-on { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; };
key "acme-key" { algorithm hmac-sha256; secret "KEY"; };
zone "hello.test" {
    type primary; file "/var/lib/bind/hello.test.zone";
    update-policy { grant acme-key name _acme-challenge.hello.test. TXT; };
};
END
systemctl restart named
"""
KEY_ID = "AKIAIOSFODNN7EXAMPLE"
KEY = "c2VjcmV0LW9mLXRoZS1sYWItMDEyMzQ1Njc4OQ=="


@contextmanager
def asked(site: Site, askers: int = 4) -> Iterator[list[str]]:
    """Ask a site all the time, each time on a connection of its own; the list gets what was not answered."""
    over, lost = threading.Event(), []

    def ask() -> None:
        while not over.wait(0.02):
            try:
                answer = site.get("/healthz")
                lost.extend([] if answer.status == 200 else [str(answer.status)])
            except OSError as error:
                lost.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(askers)]
    for thread in threads:
        thread.start()
    try:
        yield lost
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("front", ["nginx", "apache"])
def test_five_renewals_lose_no_request(issued: Issued, front: str) -> None:
    issued.deploy(front=front)
    site = issued.site
    with asked(site) as lost:
        serials = [site.serial()]
        for _ in range(5):
            serials.append(renewed(issued, serials[-1]))
    assert len(set(serials)) == 6
    assert lost == []


#: what Mozilla's modern profile has against pebble, which signs with RSA: the one thing that is the authority's
SIGNED_WITH_RSA = (
    "FAILED - Not compliant. certificate_signatures:"
    " Deployed certificate signatures are {'sha256WithRSAEncryption'}"
)


@pytest.mark.parametrize("front", ["nginx", "apache"])
@pytest.mark.parametrize(("kind", "profile"), [("ecdsa", "modern"), ("rsa", "intermediate")])
def test_kinds_of_keys_and_profiles_pass_their_judge(
    issued: Issued, tmp_path: Path, front: str, kind: str, profile: str
) -> None:
    inventory = issued.project.folder / "inventory/hosts.yml"
    content = yaml.safe_load(inventory.read_text())
    content["tests"]["vars"]["tls"]["key_type"] = kind
    content["tests"]["vars"][front]["tls_profile"] = profile
    inventory.write_text(yaml.safe_dump(content))
    issued.deploy(front=front)
    sites = [("hello.test", issued.host.address)]
    found = tls.judge(sites, issued.site.ca, tmp_path, profile)["hello.test"]
    problems = found.problems.partition(", should have at least one of")[0]
    assert problems == ("" if profile == "intermediate" else SIGNED_WITH_RSA)
    assert found.protocols == (("TLS 1.3",) if profile == "modern" else ("TLS 1.2", "TLS 1.3"))
    assert any("RSA" in cipher for cipher in found.ciphers) == (kind == "rsa")
    assert issued.deploy().tally(NAME)["changed"] == 0


@pytest.mark.parametrize(
    ("off", "said"), [("-1d", "certificate is not yet valid"), ("+1d", "the new certificate is valid from")]
)
def test_a_clock_that_is_off_by_a_day(issued: Issued, off: str, said: str) -> None:
    """The host's own clock is this machine's: the program runs by another one."""
    on(NAME, "sh", "-c", "apt-get -qq install --no-install-recommends faketime >/dev/null 2>&1", timeout=120)
    # a renewal that is under way would serve another certificate
    on(NAME, "systemctl", "stop", "prov-acme.timer", "prov-acme.service")
    old = issued.site.serial()
    on(NAME, "faketime", "-f", off, *PROGRAM, "--new-key", "hello", check=False)
    error = issued.state["error"]
    assert said in error and "check this host's clock" in error
    assert issued.site.serial() == old
    on(NAME, "systemctl", "start", "prov-acme.timer")
    assert renewed(issued, old) != old


#: an authority that refuses new orders, as Let's Encrypt does (rate limits), and is pebble for all else
LIMITED = """
import http.server, ssl, urllib.error, urllib.request
WHY = b'{"type": "urn:ietf:params:acme:error:rateLimited", "status": 429, "detail": "too many certificates (5) already'
WHY += b' issued for this exact set of identifiers in the last 168h0m0s, retry after 2036-01-02 03:04:05 UTC: see x"}'
TRUST = ssl.create_default_context(cafile="/opt/pebble/cert.pem")
class Limited(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, headers, answer = 429, {"Content-Type": "application/problem+json"}, WHY
        if "order-plz" not in self.path:
            url = "https://localhost:14000" + self.path
            asked = urllib.request.Request(url, body or None, dict(self.headers), method=self.command)
            try:
                said = urllib.request.urlopen(asked, context=TRUST)
            except urllib.error.HTTPError as error:
                said = error
            status, headers, answer = said.status, dict(said.headers), said.read()
        self.send_response(status)
        for name in set(headers) & {"Content-Type", "Location", "Link", "Replay-Nonce", "Retry-After"}:
            self.send_header(name, headers[name])
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    do_HEAD = do_POST = do_GET
server = http.server.ThreadingHTTPServer(("127.0.0.1", 14001), Limited)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/opt/pebble/cert.pem", "/opt/pebble/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def test_an_authority_that_limits(issued: Issued) -> None:
    """The next try is when it says."""
    on(NAME, "systemd-run", "-q", "--unit=limited", "python3", "-c", LIMITED)
    settings = "/etc/prov/acme.json"
    on(NAME, "cp", "-p", settings, f"{settings}.kept")
    on(NAME, "sed", "-i", "s/:14000/:14001/", settings)
    try:
        why = failed(issued)
        assert "too many certificates (5) already issued" in why
        assert issued.state["next"] > 2e9
        assert issued.site.get("/healthz").status == 200
        old = issued.site.serial()
    finally:
        on(NAME, "mv", f"{settings}.kept", settings)
        on(NAME, "systemctl", "stop", "limited")
    assert renewed(issued, old) != old


def test_a_full_disk(issued: Issued) -> None:
    site = issued.site
    work = "/var/lib/prov-acme/work"
    on(NAME, "mount", "-t", "tmpfs", "-o", "size=16k,mode=0700", "tmpfs", work)
    on(NAME, "sh", "-c", f"cat /dev/zero >{work}/full 2>/dev/null; true")
    old = site.serial()
    issued.now()
    assert "No space left on device" in failed(issued)
    assert site.serial() == old
    on(NAME, "umount", work)
    assert renewed(issued, old) != old, "the next try mends it"


def test_a_key_that_is_replaced_by_hand(issued: Issued) -> None:
    site = issued.site
    old = site.serial()
    key = "/etc/prov/tls/hello.key"
    on(NAME, "openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    renewed(issued, old)
    public = on(NAME, "openssl", "pkey", "-in", key, "-pubout")
    assert on(NAME, "openssl", "x509", "-in", CERTIFICATE, "-noout", "-pubkey") == public


def test_a_front_that_is_down_serves_it_when_it_is_back(issued: Issued) -> None:
    issued.deploy(front="nginx")
    site = issued.site
    old = site.serial()
    on(NAME, "systemctl", "stop", "nginx")
    time.sleep(SECONDS)
    on(NAME, "systemctl", "start", "nginx")
    assert renewed(issued, old) != old


def test_a_reboot_in_the_middle(issued: Issued) -> None:
    old = issued.site.serial()
    issued.now()
    reboot(NAME)
    on(NAME, "sh", "-c", "systemctl reset-failed pebble dns 2>/dev/null; true")
    issued.pebble.boot()
    assert renewed(issued, old) != old
    assert on(NAME, "sh", "-c", "ls /var/lib/prov-acme/work | grep -c order-; true") == "0"


@dataclass(frozen=True)
class Amazon:
    """moto in the place of Amazon, with the zone hello.test. url: its address for the host.  keys: of root.
    powerless: of a user without permissions."""

    url: str
    keys: dict[str, str]
    powerless: dict[str, str]
    records: Callable[[], list[dict[str, Any]]]


@contextmanager
def amazon(host: lab.LabHost) -> Iterator[Amazon]:
    """Run it; pebble's name server has a TXT record before the answer to the request that adds it."""
    gateway = on(host.name, "sh", "-c", "ip -4 route show default | cut -d' ' -f3")
    moto = DomainDispatcherApplication(create_backend_app)

    def application(environ: Any, start: Any) -> list[bytes]:
        answer = list(moto(environ, start))
        if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].rstrip("/").endswith("/rrset"):
            show()
        return answer

    def records() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = route53.list_resource_record_sets(HostedZoneId=zone)[
            "ResourceRecordSets"
        ]
        return found

    def show() -> None:
        for record in records():
            for value in record["ResourceRecords"] if record["Type"] == "TXT" else ():
                text = json.dumps({"host": record["Name"], "value": value["Value"].strip('"')})
                on(host.name, "curl", "-s", "-d", text, "http://localhost:8055/set-txt")

    server = make_server(gateway, 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://{gateway}:{server.server_port}"
    keys = {"access_key": KEY_ID, "secret_key": KEY}
    names = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": KEY, "region_name": "us-east-1"}
    route53, iam = (boto3.client(each, endpoint_url=url, **names) for each in ("route53", "iam"))
    zone = route53.create_hosted_zone(Name="hello.test", CallerReference="x")["HostedZone"]["Id"]
    iam.create_user(UserName="powerless")
    made = iam.create_access_key(UserName="powerless")["AccessKey"]
    powerless = {"access_key": made["AccessKeyId"], "secret_key": made["SecretAccessKey"]}
    try:
        yield Amazon(url, keys, powerless, records)
    finally:
        server.shutdown()
        thread.join()


def judging(at: Amazon, after: bytes) -> None:
    """Have moto check permissions from the request of that number on."""
    # as a form, it would read nothing
    plain = {"Content-Type": "text/plain"}
    urllib.request.urlopen(urllib.request.Request(f"{at.url}/moto-api/reset-auth", after, plain)).close()


def test_a_wildcard_by_route_53(issued: Issued) -> None:
    inventory = issued.project.folder / "inventory/hosts.yml"
    before = inventory.read_text()

    def deploy(status: int, url: str, keys: Mapping[str, str]) -> Run:
        content = yaml.safe_load(before)
        dns = {"provider": "route53", "endpoint": url, **keys}
        content["tests"]["vars"]["tls"]["acme"] |= {"challenge": "dns-01", "dns": dns}
        inventory.write_text(yaml.safe_dump(content))
        return issued.deploy(status, domains=["hello.test", "*.hello.test"], redirects=[])

    with amazon(issued.host) as found:
        assert "Route 53: no credentials: name `access_key`" in deploy(1, found.url, {}).stdout
        judging(found, b"0")
        refused = deploy(1, found.url, found.powerless)
        # botocore finds no code in moto's refusal; that of AWS is AccessDenied
        assert "Route 53: An error occurred" in refused.stdout and "ListHostedZones" in refused.stdout
        judging(found, b"inf")
        run = deploy(0, found.url, found.keys)
        assert KEY not in run.stdout + run.stderr
        assert replace(issued.site, domain="any.hello.test").get("/healthz").status == 200
        assert [record["Type"] for record in found.records()] == ["NS", "SOA"]
    inventory.write_text(before)
    issued.deploy()


def test_a_wildcard_by_a_record_of_dns(issued: Issued) -> None:
    """Last, as it moves the authority to another name server."""
    on(NAME, "sh", "-c", BIND.replace("KEY", KEY), timeout=120)
    issued.pebble.stop()
    issued.pebble.start(resolver="127.0.0.1:53")
    inventory = issued.project.folder / "inventory/hosts.yml"
    content = yaml.safe_load(inventory.read_text())
    content["tests"]["vars"]["tls"]["acme"] |= {
        "challenge": "dns-01",
        "dns": {"server": "127.0.0.1", "name": "acme-key", "secret": KEY, "wait": 1},
    }
    inventory.write_text(yaml.safe_dump(content))
    run = issued.deploy(domains=["hello.test", "*.hello.test"], redirects=[])
    assert KEY not in run.stdout + run.stderr
    assert replace(issued.site, domain="any.hello.test").get("/healthz").status == 200
    assert issued.deploy().tally(NAME)["changed"] == 0
