"""The program on hosts that renews certificates: real openssl, a certbot and a systemctl that do as they are told."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import acme
import acme_files
import acme_orders
import acme_revocations
import pytest

from roles.tls.renewals import PROGRAMS

SERVER = "https://ca.test/dir"
#: signs or revokes what it is asked for, if the file `refuse` has no line left for it
CERTBOT = """#!/usr/bin/env python3
import pathlib, subprocess, sys
top = pathlib.Path(sys.argv[0]).parents[1]
words = sys.argv[1:]
with open(top / "asked", "a") as file:
    file.write(" ".join(words) + "\\n")
value = lambda name: words[words.index(name) + 1]
refuse = top / "refuse"
lines = refuse.read_text().split("---\\n") if refuse.exists() else []
if len(lines) > 1:
    refuse.write_text("---\\n".join(lines[1:]))
    if lines[0]:
        sys.exit(lines[0])
if words[0] == "revoke":
    by = pathlib.Path(value("--key-path")) if "--key-path" in words else None
    parts = [pathlib.Path(value("--cert-path")).read_text(), value("--reason"), by.read_text() if by else "account"]
    (top / "revoked").write_text("\\n".join(parts))
    sys.exit(0)
pathlib.Path(value("--config-dir")).mkdir(exist_ok=True)
argv = ["openssl", "x509", "-req", "-in", value("--csr"), "-CA", top / "ca.crt", "-CAkey", top / "ca.key"]
argv += ["-days", (top / "days").read_text(), "-copy_extensions", "copy", "-out", value("--fullchain-path")]
subprocess.run(argv, check=True, capture_output=True)
"""


class Host:
    """A host's folders below `folder`, with one certificate to be renewed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("home/state", "home/work", "home/accounts", "home/logs", "bin", "tls"):
            (folder / name).mkdir(parents=True)
        self.program("certbot", CERTBOT)
        self.program("systemctl", '#!/bin/sh\necho "$@" >>"${0%/bin/*}/reloads"\n')
        (folder / "days").write_text("90")
        self.key, self.certificate = folder / "tls/shop.key", folder / "tls/shop.crt"
        self.self_signed(folder / "ca.key", folder / "ca.crt", "ca")
        self.self_signed(self.key, self.certificate, "shop.test")
        self.wanted: dict[str, Any] = {
            "key": str(self.key),
            "certificate": str(self.certificate),
            "names": ["shop.test", "www.shop.test"],
            "server": SERVER,
            "email": "",
            "profile": "",
            "authority": "",
            "eab": {},
            "front": "nginx",
            "kind": "ecdsa",
        }

    def self_signed(self, key: Path, certificate: Path, name: str, days: int = 30) -> None:
        argv = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ]
        argv += ["-keyout", str(key), "-out", str(certificate), "-subj", f"/CN={name}", "-days", str(days)]
        subprocess.run(argv, check=True, capture_output=True)

    def program(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def refuses(self, *answers: str) -> None:
        """Have certbot fail with these texts, one after the other; with "", it does not."""
        (self.folder / "refuse").write_text("---\n".join([*answers, ""]))

    def run(self, *arguments: str) -> int:
        settings = self.folder / "acme.json"
        settings.write_text(json.dumps({"certificates": {"shop": self.wanted}}))
        return acme.main(list(arguments))

    @property
    def state(self) -> dict[str, Any]:
        return acme_files.read_json(acme.state_path("shop"))

    @property
    def asked(self) -> list[str]:
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def pair(self) -> tuple[str, str]:
        """The present key and certificate."""
        return self.key.read_text(), self.certificate.read_text()

    @property
    def revoked(self) -> list[str]:
        """The certificate that certbot has had revoked, why, and the key that asked."""
        path = self.folder / "revoked"
        parts = path.read_text().partition("-----END CERTIFICATE-----\n\n") if path.exists() else ("", "", "")
        return [parts[0] + parts[1][:-1], *parts[2].split("\n", 1)] if path.exists() else []

    @property
    def names(self) -> list[str]:
        return list(acme_files.certificate(str(self.certificate))["names"])


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host(tmp_path)
    for module in (acme, acme_files, acme_orders, acme_revocations):
        monkeypatch.setattr(module, "HOME", str(tmp_path / "home"))
    monkeypatch.setattr(acme, "CONFIG", str(tmp_path / "acme.json"))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")

    def shows(name: str) -> bytes:
        assert name == "shop.test"
        return ssl.PEM_cert_to_DER_cert(acme_files.leaf(found.certificate.read_text()))

    monkeypatch.setattr(acme_orders, "handshake", shows)
    monkeypatch.setattr(acme, "get_json", no_directory)
    return found


def no_directory(url: str, wanted: dict[str, Any]) -> tuple[Any, Any]:
    return {}, {}


def test_a_temporary_certificate_gives_way_to_a_real_one_for_the_same_key(host: Host) -> None:
    key = host.key.read_bytes()
    assert host.run() == 0
    assert host.names == ["shop.test", "www.shop.test"]
    assert host.key.read_bytes() == key
    assert (host.folder / "reloads").read_text() == "--job-mode=fail reload nginx\n"
    state = host.state
    assert (state["served"], state["error"], state["server"]) == (True, "", SERVER)
    # neither asked for nor written again
    written = Path(acme.state_path("shop")).stat().st_mtime_ns
    assert host.run() == 0
    assert len(host.asked) == 1
    assert Path(acme.state_path("shop")).stat().st_mtime_ns == written
    assert not list((host.folder / "home/work").iterdir())


def test_a_third_of_the_lifetime_is_never_reached(host: Host) -> None:
    host.run()
    found = acme_files.certificate(str(host.certificate))
    part = (host.state["renew_at"] - found["begin"]) / (found["end"] - found["begin"])
    assert 0.6 <= part <= 0.65


def test_it_renews_when_it_is_time(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.run()
    old = host.certificate.read_bytes()
    now = host.state["renew_at"] + 1
    monkeypatch.setattr(time, "time", lambda: now)
    assert host.run() == 0
    assert host.certificate.read_bytes() != old
    assert len(host.asked) == 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda host: host.wanted.update(names=["shop.test", "new.test"]),
            "it is for shop.test, www.shop.test",
        ),
        (lambda host: host.wanted.update(server="https://other.test/dir"), "the authority or its profile"),
        (lambda host: host.wanted.update(profile="short"), "the authority or its profile"),
        (lambda host: host.certificate.unlink(), "there is no certificate"),
        (lambda host: host.certificate.write_text("x"), "there is no certificate"),
        (lambda host: host.self_signed(host.key, host.folder / "other.crt", "x"), "the key is another one"),
        (
            lambda host: host.self_signed(host.key, host.certificate, "x"),
            "the certificate is not from this authority",
        ),
    ],
)
def test_what_is_not_as_wanted_is_ordered_again(
    host: Host, change: Callable[[Host], None], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    host.run()
    change(host)
    assert host.run() == 0
    assert why in capsys.readouterr().out
    assert len(host.asked) == 2
    found = acme_files.certificate(str(host.certificate))
    assert sorted(found["names"]) == sorted(host.wanted["names"])
    assert found["public"] == acme_files.public_key(str(host.key))


CHALLENGE = """Saving debug log to /x
Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported these problems:
  Domain: shop.test
  Type:   {kind}
  Detail: {detail}

Some challenges have failed.
Ask for help or search for solutions at https://community.letsencrypt.org.
"""


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (
            CHALLENGE.format(kind="dns", detail="no such name"),
            f"{SERVER} could not verify shop.test (dns): no such name",
        ),
        (
            CHALLENGE.format(kind="connection", detail="refused"),
            f"{SERVER} could not verify shop.test (connection): refused",
        ),
        (
            "An unexpected error occurred:\nError creating new order :: too many certificates\n",
            f"{SERVER}: Error creating new order :: too many certificates",
        ),
        (
            "An unexpected error occurred:\nOSError: [Errno 28] No space left on device\n",
            "No space left on device",
        ),
        ("\n", f"{SERVER}: certbot failed without a message"),
        (
            "ConnectionError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate is not yet valid",
            f"{SERVER}: its certificate is not yet valid: check this host's clock",
        ),
        (
            "Unable to locate credentials\nTo use certbot-dns-route53, configure credentials as x\nAsk for help",
            "Route 53: no credentials: name `access_key` and `secret_key` in `dns`, or give the instance a role",
        ),
        (
            "An error occurred (AccessDenied) when calling the ListHostedZones operation: x\nTo use certbot-dns-",
            "Route 53: An error occurred (AccessDenied) when calling the ListHostedZones operation: x",
        ),
    ],
)
def test_a_failure_keeps_the_old_certificate_and_names_the_cause(
    host: Host, said: str, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    host.run()
    old = host.certificate.read_bytes()
    host.wanted["names"] = ["shop.test"]
    host.refuses(said)
    assert host.run() == 1
    assert host.certificate.read_bytes() == old
    assert host.state["error"] == error
    assert error in capsys.readouterr().err
    # not at once again, unless a user asks
    assert host.run() == 0
    assert len(host.asked) == 2
    assert host.run("--now", "shop") == 0
    assert host.names == ["shop.test"]
    assert (host.state["error"], host.state["failures"]) == ("", 0)


def test_tries_come_ever_later_and_in_time(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.run()
    host.wanted["names"] = ["shop.test"]
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    waits = []
    for _ in range(9):
        host.refuses("no")
        assert host.run() == 1
        waits.append(host.state["next"] - now)
        now = host.state["next"] + 1
    assert 1200 <= waits[0] < 1200 * 1.1
    assert waits[1] > 1.5 * waits[0]
    assert 86400 <= waits[-1] < 86400 * 1.1


def test_a_clock_that_was_ahead_delays_no_try(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.certificate.unlink()
    now = time.time()
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time", lambda: now + 86400)
        host.refuses("no")
        assert host.run() == 1
    assert host.state["next"] > now + 86400
    assert host.run() == 0
    assert host.names == ["shop.test", "www.shop.test"]


def test_an_authority_that_says_when_is_heeded(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1795737600.0
    monkeypatch.setattr(time, "time", lambda: now)
    host.certificate.unlink()
    host.refuses("too many certificates (5) already issued, retry after 2026-11-28 12:00:00 UTC: see x")
    assert host.run() == 1
    assert host.state["next"] >= acme_files.instant("2026-11-28T12:00:00Z")


@pytest.mark.parametrize(
    "said", ["urn:ietf:params:acme:error:accountDoesNotExist", "Account https://ca.test/acct/1 not found."]
)
def test_an_account_that_the_authority_has_forgotten_is_made_again(host: Host, said: str) -> None:
    host.run()
    (account,) = (host.folder / "home/accounts").iterdir()
    (account / "key").write_text("old")
    host.wanted["names"] = ["shop.test"]
    host.refuses(said)
    assert host.run() == 0
    assert not (account / "key").exists()
    host.wanted["names"] = ["www.shop.test"]
    host.refuses(said, said)
    assert host.run() == 1, "once only"


@pytest.mark.parametrize(
    "said",
    [
        "Unable to register an account with ACME server. Error returned by the ACME server: JWS has an invalid "
        "anti-replay nonce: 5E5Nh",
        "urn:ietf:params:acme:error:badNonce :: JWS has an invalid anti-replay nonce",
        # certbot.display.util.describe_acme_error: without the kind
        "The client sent an unacceptable anti-replay nonce :: JWS has an invalid anti-replay nonce: fysWx",
    ],
)
def test_a_refused_nonce_is_no_failure(host: Host, said: str) -> None:
    host.refuses(*[said] * 3)
    assert host.run() == 0
    assert len(host.asked) == 4


def test_a_front_that_is_down_serves_it_later(host: Host) -> None:
    host.program("systemctl", "#!/bin/sh\necho nginx.service is not active, cannot reload.\nexit 1\n")
    assert host.run() == 1
    assert (
        host.state["error"]
        == "the new certificate is in place, but nginx.service is not active, cannot reload."
    )
    assert host.names == ["shop.test", "www.shop.test"]
    host.program("systemctl", "#!/bin/sh\n")
    assert host.run("--now", "shop") == 0
    assert len(host.asked) == 1, "no second order"
    assert host.state["served"] is True


def test_a_full_disk_touches_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.run()
    old = host.certificate.read_bytes()
    host.wanted["names"] = ["shop.test"]

    def full(path: str, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(acme, "replace", full)
    assert host.run() == 1
    assert host.certificate.read_bytes() == old
    assert sorted(path.name for path in host.certificate.parent.iterdir()) == ["shop.crt", "shop.key"]


def test_a_certificate_of_the_future_is_the_clock(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    past = time.time() - 86400
    monkeypatch.setattr(time, "time", lambda: past)
    old = host.certificate.read_bytes()
    assert host.run() == 1
    assert "check this host's clock" in host.state["error"]
    assert host.certificate.read_bytes() == old


def test_what_certbot_is_told(host: Host) -> None:
    host.wanted.update(email="ops@shop.test", profile="short", eab={"key_id": "k", "key": "c2VjcmV0"})
    host.run()
    (asked,) = host.asked
    assert "--email ops@shop.test" in asked
    assert "--required-profile short" in asked
    assert "c2VjcmV0" not in asked, "arguments are for all users to read"


def test_what_certbot_is_told_for_route_53(host: Host) -> None:
    """Keys are in a file that root alone reads, and gone with the order; none are in arguments."""
    keys = {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "c2VjcmV0"}
    host.wanted["dns"] = {"provider": "route53", "endpoint": "http://192.0.2.9", **keys}
    told = "stat -c %a $AWS_SHARED_CREDENTIALS_FILE; cat $AWS_SHARED_CREDENTIALS_FILE; echo $AWS_ENDPOINT_URL_ROUTE_53"
    host.program("certbot", f'#!/bin/sh\necho "$@" >>"${{0%/bin/*}}/asked"\n{told}; exit 1\n')
    assert host.run("--now", "shop") == 1
    said = "600 [default] aws_access_key_id = AKIAIOSFODNN7EXAMPLE aws_secret_access_key = c2VjcmV0 http://192.0.2.9"
    assert said in host.state["error"]
    asked = (host.folder / "asked").read_text()
    assert "--preferred-challenges dns --dns-route53" in asked
    assert "c2VjcmV0" not in asked
    assert list((host.folder / "home/work").iterdir()) == []


def test_what_certbot_is_told_for_dns(host: Host) -> None:
    host.wanted["dns"] = {
        "server": "192.0.2.53",
        "port": 53,
        "name": "shop-key",
        "secret": "c2VjcmV0",
        "algorithm": "HMAC-SHA256",
        "wait": 5,
    }
    # it prints what it finds in the file, and fails
    host.program(
        "certbot", "#!/bin/sh\nfor w; do case $w in */dns.ini) stat -c %a $w; cat $w;; esac; done; exit 1\n"
    )
    assert host.run() == 1
    lines = (
        "server = 192.0.2.53 dns_rfc2136_port = 53 dns_rfc2136_name = shop-key dns_rfc2136_secret = c2VjcmV0"
    )
    assert f"600 dns_rfc2136_{lines} dns_rfc2136_algorithm = HMAC-SHA256" in host.state["error"]
    host.program("certbot", CERTBOT)
    assert host.run("--now", "shop") == 0
    (asked,) = host.asked
    assert "--preferred-challenges dns --dns-rfc2136 --dns-rfc2136-credentials" in asked
    assert "--dns-rfc2136-propagation-seconds 5" in asked
    assert "c2VjcmV0" not in asked


def test_what_a_reboot_has_left_is_removed(host: Host) -> None:
    left = host.folder / "home/work/order-x"
    left.mkdir()
    host.run()
    assert not left.exists()


def test_a_new_key_on_demand(host: Host) -> None:
    host.run()
    old = host.pair
    assert host.run("--new-key", "shop") == 0
    assert set(host.pair).isdisjoint(old)
    found = acme_files.certificate(str(host.certificate))
    assert found["public"] == acme_files.public_key(str(host.key))
    assert host.key.stat().st_mode & 0o777 == 0o600
    assert (host.folder / "reloads").read_text() == "--job-mode=fail reload nginx\n" * 2
    assert host.run() == 0
    assert len(host.asked) == 2


def test_a_key_of_another_kind_is_replaced_with_its_certificate(host: Host) -> None:
    host.run()
    host.wanted["kind"] = "rsa"
    for _ in range(2):
        assert host.run() == 0
        assert acme_files.kind_of_key(str(host.key)) == "rsa"
        assert acme_files.certificate(str(host.certificate))["public"] == acme_files.public_key(str(host.key))
    assert len(host.asked) == 2
    # larger ones will do
    host.key.write_text(
        acme_files.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072")
    )
    large = host.key.read_bytes()
    assert host.run() == 0
    assert host.key.read_bytes() == large


def test_a_new_key_that_gets_no_certificate_replaces_nothing(host: Host) -> None:
    host.run()
    old = host.pair
    host.refuses("no")
    assert host.run("--new-key", "shop") == 1
    assert host.pair == old
    assert sorted(path.name for path in host.certificate.parent.iterdir()) == ["shop.crt", "shop.key"]


def test_a_pair_that_a_reboot_has_cut_is_whole_again(host: Host) -> None:
    """Whatever is in place: both are new, or both are old."""
    host.run("--new-key", "shop")
    new, state = host.pair, Path(acme.state_path("shop")).read_text()
    waiting = [Path(path) for path in acme_files.pair(host.wanted)]
    host.self_signed(host.key, host.certificate, "shop.test")
    old = host.pair
    waiting[0].write_text(new[0])
    acme_files.finish_pair(host.wanted)
    assert host.pair == old and not waiting[0].exists()
    for cut in (waiting, waiting[1:]):
        for path in cut:
            path.write_text(new[waiting.index(path)])
        host.certificate.write_text(old[1])
        Path(acme.state_path("shop")).write_text(state)
        assert host.run() == 0
        assert host.pair == new
        assert not any(path.exists() for path in waiting)
    assert len(host.asked) == 1


@pytest.mark.parametrize(("reason", "by_key"), [("keycompromise", True), ("superseded", False)])
def test_a_certificate_is_revoked_once_another_one_is_in_place(host: Host, reason: str, by_key: bool) -> None:
    host.run()
    key, certificate = host.pair
    assert host.run("--revoke", "shop", reason) == 0
    assert host.revoked == [acme_files.leaf(certificate) + "\n", reason, key if by_key else "account"]
    assert set(host.pair).isdisjoint([key, certificate])
    assert not list((host.folder / "home/revoking").iterdir())
    assert host.run() == 0
    assert len(host.asked) == 3


def test_a_revocation_that_fails_is_remembered(host: Host) -> None:
    host.run()
    old = host.pair
    host.refuses("Connection refused")
    assert host.run("--revoke", "shop", "superseded") == 1
    assert (host.pair, host.revoked) == (old, []), "nothing is revoked as long as it is served"
    (left,) = (host.folder / "home/revoking").iterdir()
    assert (left.stat().st_mode & 0o777, left.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    host.refuses("", "Connection refused")
    assert host.run("--now", "shop") == 1
    assert (
        "in place, but the old one is not revoked: https://ca.test/dir: Connection refused"
        in host.state["error"]
    )
    assert set(host.pair).isdisjoint(old)
    new = host.pair
    host.refuses("urn:ietf:params:acme:error:alreadyRevoked :: it is revoked")
    assert host.run("--now", "shop") == 0
    assert (host.pair, host.state["error"]) == (new, "")
    assert not left.exists()


def test_unknown_names_and_words_are_refused(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert host.run("--now", "blog") == 2
    assert "has no blog; it has shop" in capsys.readouterr().err
    assert host.run("--later") == 2
    assert host.run("--revoke", "shop", "spite") == 2


class Authority(http.server.BaseHTTPRequestHandler):
    """Says when certificates are to be renewed."""

    window = ("", "")
    paths: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.paths.append(self.path)
        address = self.headers["Host"]
        answer: dict[str, Any] = {"renewalInfo": f"https://{address}/info"}
        if self.path != "/dir":
            answer = {"suggestedWindow": {"start": self.window[0], "end": self.window[1]}}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Retry-After", "21600")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def authority(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Authority]]:
    """A server of the host's authority; its certificate is one that only `authority` of the settings verifies."""
    monkeypatch.undo()
    key, certificate = host.folder / "web.key", host.folder / "web.crt"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += [
        "-keyout",
        str(key),
        "-out",
        str(certificate),
        "-subj",
        "/CN=x",
        "-addext",
        "subjectAltName=DNS:localhost",
    ]
    subprocess.run(argv, check=True, capture_output=True)
    server = http.server.HTTPServer(("127.0.0.1", 0), Authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host.wanted.update(server=f"https://localhost:{server.server_address[1]}/dir", authority=str(certificate))
    Authority.paths = []
    yield Authority
    server.shutdown()
    server.server_close()


def planned(host: Host, state: dict[str, Any]) -> float:
    """When the certificate at the host is renewed."""
    acme.plan_renewal(host.wanted, acme_files.certificate(str(host.certificate)), state)
    return float(state["renew_at"])


def test_the_authority_says_when(host: Host, authority: type[Authority]) -> None:
    found = acme_files.certificate(str(host.certificate))
    day = 86400

    def at(seconds: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S.123456Z", time.gmtime(seconds))

    authority.window = (at(found["begin"] + 5 * day), at(found["begin"] + 6 * day))
    state: dict[str, Any] = {}
    assert found["begin"] + 5 * day <= planned(host, state) <= found["begin"] + 6 * day
    assert authority.paths == ["/dir", f"/info/{found['identifier']}"]
    assert time.time() + 21000 < state["ask_at"] < time.time() + 22000
    # not asked again before that time
    planned(host, state)
    assert len(authority.paths) == 2
    # in the past: at once, as when it is about to be revoked
    authority.window = (at(found["begin"] - 5 * day), at(found["begin"] - 4 * day))
    assert planned(host, {}) < time.time()
    # wider than the lifetime: within it, and with a quarter left
    authority.window = (at(found["begin"] - 500 * day), at(found["end"] + 500 * day))
    assert found["begin"] <= planned(host, {}) <= found["end"] - 7 * day
    # nonsense counts for nothing
    authority.window = (at(found["end"]), at(found["begin"]))
    assert found["begin"] + 18 * day <= planned(host, {}) <= found["begin"] + 20 * day


def test_the_name_of_a_certificate_is_that_of_the_standard() -> None:
    """The example of RFC 9773, 4.1."""
    issuer = "69:88:5B:6B:87:46:40:41:E1:B3:7B:84:7B:A0:AE:2C:DE:01:C8:D4"
    assert acme_files.identifier(issuer, "87654321") == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"


def test_the_program_needs_no_more_than_its_files(host: Host) -> None:
    """It runs beside nothing of prov: files in a folder."""
    folder = host.folder / "copied"
    folder.mkdir()
    for name in PROGRAMS:
        shutil.copy(Path(acme.__file__).with_name(name), folder)
    argv = ["/usr/bin/env", "-i", "/usr/bin/python3", "-B", f"{folder}/acme.py", "x"]
    done = subprocess.run(argv, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        b"usage: acme.py [--now NAME | --new-key NAME | --revoke NAME REASON]\n",
    )
    assert sorted(path.name for path in folder.iterdir()) == sorted(PROGRAMS)
