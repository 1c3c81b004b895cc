"""Certificates that a host gets itself: a temporary one at first, then what its program has got."""

from __future__ import annotations

import datetime
import hashlib
import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from steps_bench import Bench, refuses

from provision.apps.authority import Authority
from provision.errors import ProvError
from provision.steps.acme import AcmeCertificate, AcmeReplacement, TemporaryCertificate
from provision.steps.base import Change, Step
from provision.steps.certificates import Certificate, SelfSigned
from provision.steps.rotated_certificates import RotatedCertificate
from provision.system.source import Source

NAMES = ["shop.test", "www.shop.test"]
SERVER = "https://ca.test/dir"


class Files:
    """Key, certificate, and the state that the program writes."""

    def __init__(self, bench: Bench) -> None:
        self.key, self.certificate = str(bench.root / "shop.key"), str(bench.root / "shop.crt")
        self.state = bench.root / "shop.json"
        self.program = bench.root / "program"
        self.program.write_text("#!/bin/sh\nexit 0\n")
        self.program.chmod(0o755)

    @property
    def temporary(self) -> TemporaryCertificate:
        return TemporaryCertificate(self.key, self.certificate, NAMES)

    def wanted(self, names: list[str] = NAMES, server: str = SERVER, profile: str = "") -> AcmeCertificate:
        argv = [str(self.program)]
        return AcmeCertificate(
            self.key, self.certificate, names, server, "ca", str(self.state), argv, profile
        )

    def got(self, **state: object) -> None:
        """Write down that the program has got what is in the file."""
        digest = hashlib.sha256(Path(self.certificate).read_bytes()).hexdigest()
        text = {"sha256": digest, "server": SERVER, "profile": "", "renew_at": 1800000000.0, **state}
        self.state.write_text(json.dumps(text))

    def says(self, error: str) -> None:
        """Have the program fail."""
        self.program.write_text(f"#!/bin/sh\necho '{json.dumps({'error': error})}' >{self.state}\nexit 1\n")


@pytest.fixture
def files(bench: Bench) -> Files:
    return Files(bench)


def what(found: Sequence[Change]) -> list[tuple[str, str, str]]:
    return [(c.what, c.before, c.after) for c in found]


def test_a_temporary_certificate_is_made_once_and_never_replaces_another(bench: Bench, files: Files) -> None:
    (planned,) = bench.run(files.temporary, plan=True)
    assert planned.state == "changed" and not Path(files.certificate).exists()
    (made,) = bench.run(files.temporary)
    assert what(made.diff) == what(planned.diff)
    key, certificate = Path(files.key).read_bytes(), Path(files.certificate).read_bytes()
    assert Path(files.key).stat().st_mode & 0o777 == 0o600
    assert bench.run(files.temporary)[0].state == "ok"
    other = TemporaryCertificate(files.key, files.certificate, ["other.test"])
    assert bench.run(other)[0].state == "ok"
    assert (Path(files.key).read_bytes(), Path(files.certificate).read_bytes()) == (key, certificate)


def test_the_first_plan_says_that_a_real_one_comes(bench: Bench, files: Files) -> None:
    _, planned = bench.run(files.temporary, files.wanted(), plan=True)
    bench.run(files.temporary)
    _, later = bench.run(files.temporary, files.wanted(), plan=True)
    for each in (planned, later):
        assert what(each.diff) == [("certificate", "a temporary one", "from ca")]


def test_what_the_program_has_got_is_left_to_it(bench: Bench, files: Files) -> None:
    bench.run(files.temporary)
    files.got()
    (found,) = bench.run(files.wanted())
    assert (found.state, found.why) == ("ok", "29 days left, renews itself on 2027-01-15")


@pytest.mark.parametrize(
    ("change", "diff"),
    [
        ("names", ("names", "shop.test, www.shop.test", "new.test, shop.test")),
        ("server", ("authority", SERVER, "https://other.test/dir")),
        ("profile", ("profile", "", "short")),
        ("key", ("key", "another one", "the host's")),
        ("certificate", ("certificate", "another one", "from ca")),
        ("state", ("certificate", "a temporary one", "from ca")),
    ],
)
def test_what_is_not_as_wanted_is_got(
    bench: Bench, files: Files, change: str, diff: tuple[str, str, str]
) -> None:
    bench.run(files.temporary)
    files.got()
    wanted = files.wanted()
    if change == "names":
        wanted = files.wanted(names=["shop.test", "new.test"])
    elif change == "server":
        wanted = files.wanted(server="https://other.test/dir")
    elif change == "profile":
        wanted = files.wanted(profile="short")
    elif change == "key":
        argv = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        subprocess.run([*argv, "-out", files.key], check=True, capture_output=True)
    elif change == "certificate":
        Path(files.certificate).write_text("x")
    else:
        files.state.write_text("[]")
    (planned,) = bench.run(wanted, plan=True)
    assert what(planned.diff) == [diff]
    (found,) = bench.run(wanted)
    assert (found.state, what(found.diff)) == ("changed", [diff])


@pytest.mark.parametrize(("left", "faults"), [(-1, ["lifetime"]), (1, [])])
def test_an_expired_one_is_got_and_an_old_one_is_not(
    bench: Bench, files: Files, left: int, faults: list[str]
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.test")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=89))
    builder = builder.not_valid_after(now + datetime.timedelta(days=left))
    names = x509.SubjectAlternativeName([x509.DNSName(each) for each in NAMES])
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    Path(files.certificate).write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    Path(files.key).write_bytes(key.private_bytes(*form))
    files.got()
    (found,) = bench.run(files.wanted(), plan=True)
    assert [change.what for change in found.diff] == faults


def test_the_cause_of_a_failure_is_told(bench: Bench, files: Files) -> None:
    bench.run(files.temporary)
    before = Path(files.certificate).read_bytes()
    files.says("ca could not verify shop.test (dns): no such name")
    bench.fails(
        files.wanted(),
        "could not get a certificate for shop.test, www.shop.test: ca could not verify shop.test (dns): no such name",
        plan=False,
    )
    assert Path(files.certificate).read_bytes() == before


def test_a_key_of_another_kind_is_replaced_with_its_certificate(
    bench: Bench, files: Files, tmp_path: Path
) -> None:
    """If the new certificate can't be issued, both stay."""

    def kind() -> str:
        argv = ["openssl", "pkey", "-in", files.key, "-noout", "-text_pub"]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()[0]

    own = SelfSigned(files.key, files.certificate, NAMES)
    bench.cycle(replace(own, kind="rsa"), before=(own,))
    assert kind() == "Public-Key: (2048 bit)"
    authority = Authority(tmp_path / "ca")
    authority.make()
    sign = partial(authority.sign, names=NAMES, days=90)
    signed = Certificate(
        files.key, files.certificate, NAMES, Source.made_by("x", sign), authority.key_id(), kind="ecdsa"
    )
    bench.cycle(signed)
    assert kind() == "Public-Key: (256 bit)"
    before = Path(files.key).read_bytes()

    def refuse(request: bytes) -> bytes:
        raise ProvError("the passphrase is wrong")

    failing = replace(signed, issuer=Source.made_by("y", refuse), kind="rsa")
    bench.fails(failing, "the passphrase is wrong", plan=False)
    assert Path(files.key).read_bytes() == before
    bench.settled(signed)
    # one of an ACME authority is left to the host's program
    bench.run(files.temporary)
    files.got()
    (found,) = bench.run(replace(files.wanted(), kind="rsa"), plan=True)
    assert what(found.diff) == [("kind of the key", "P-256", "RSA-2048")]


def test_what_an_authority_has_issued_is_replaced_and_nothing_else(bench: Bench, files: Files) -> None:
    def wanted(revoke: str = "") -> AcmeReplacement:
        argv = [str(files.program)]
        return AcmeReplacement(files.certificate, NAMES, "ca", str(files.state), argv, revoke)

    bench.run(files.temporary)
    bench.fails(wanted(), "the host has no certificate for shop.test from ca yet")
    files.got()
    (found,) = bench.run(wanted("key-compromise"))
    assert found.state == "changed"
    assert [change.what for change in found.diff][:2] == ["key", "certificate"]
    assert found.diff[2].after == "revoked: key-compromise"
    files.program.write_text("#!/bin/sh\necho usage >&2\nexit 2\n")
    bench.fails(wanted(), "could not replace the certificate for shop.test, www.shop.test: usage", plan=False)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (SelfSigned("/k", "/c", NAMES, kind="dsa"), "ecdsa or rsa"),
        (RotatedCertificate("/k", "/c", NAMES, "", None), "empty"),
        (RotatedCertificate("/k", "/c", NAMES, "nginx", None, 0), "days must be"),
        (AcmeReplacement("c", NAMES, "ca", "/s", ["true"]), "absolute"),
        (AcmeReplacement("/c", [], "ca", "/s", ["true"]), "needs a name"),
        (AcmeCertificate("/c", "/k", NAMES, SERVER, "ca", "state", ["true"]), "absolute"),
        (AcmeCertificate("/c", "/k", NAMES, SERVER, "ca", "/s", [""]), "empty"),
        (AcmeCertificate("/c", "/k", NAMES, "a\nb", "ca", "/s", ["true"]), "one line"),
        (TemporaryCertificate("/c", "/k", []), "needs a name"),
    ],
)
def test_nonsense_is_refused(step: Step, message: str) -> None:
    refuses(step, message)
