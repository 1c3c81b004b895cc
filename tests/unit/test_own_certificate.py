"""Certificates that the user has: judged when the inventory is read."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from inventories import errors, host

from provision.apps.authority import Authority
from provision.apps.own_certificate import covered, days_left, faults
from provision.apps.reading import apps_of
from provision.apps.tls_settings import OwnCertificate
from provision.errors import ConfigError
from provision.sources.manifests import Manifests

Key = ec.EllipticCurvePrivateKey
PEM = serialization.Encoding.PEM
NOW = datetime.datetime.now(datetime.UTC)


def key_pem(key: Key, passphrase: bytes = b"") -> bytes:
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, how)


def signed(names: Sequence[str], key: Key, *, begins: float = -1, days: float = 90) -> bytes:
    """A certificate of its own, in PEM. begins: days from now."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    start = NOW + datetime.timedelta(days=begins)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(PEM)


@pytest.fixture
def key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def faults_of(
    folder: Path, certificate: bytes | None, key: bytes | None, domains: str = "a.test"
) -> list[str]:
    """What is said of an inventory with these files."""
    (folder / "src").mkdir(exist_ok=True)
    (folder / "src/requirements.txt").touch()
    for name, content in (("own.crt", certificate), ("own.key", key)):
        if content is not None:
            (folder / name).write_bytes(content)
    web1 = host(
        folder,
        f"""
        apps:
          shop:
            source: src
            target: a:b
            domains: [{domains}]
            tls:
              certificate: own.crt
              key: own.key
        """,
    )
    try:
        (app,) = apps_of(web1, Manifests())
    except ConfigError:
        return [line.replace(f"{folder}/", "") for line in errors(lambda: apps_of(web1, Manifests()))]
    assert app.tls == OwnCertificate(certificate=folder / "own.crt", key=folder / "own.key")
    return []


def test_a_good_one(tmp_path: Path, key: Key) -> None:
    assert faults_of(tmp_path, signed(["a.test", "*.b.test"], key), key_pem(key), "a.test, x.b.test") == []


def test_with_the_authority_that_signed_it_behind_it(tmp_path: Path, key: Key) -> None:
    authority = Authority(tmp_path / "ca")
    authority.make()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.test")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    leaf = authority.sign(request.public_bytes(PEM), ["a.test"], 30)
    above = authority.certificate_path.read_bytes()
    assert faults_of(tmp_path, leaf + above, key_pem(key)) == []
    # the wrong way round: the authority's comes first
    (names, order, other_key) = faults_of(tmp_path, above + leaf, key_pem(key))
    assert "is not for a.test, but for no name at all" in names
    assert "continues with CN=a.test, which has not signed the certificate above it" in order
    assert "own.key is not the key of that certificate" in other_key


def test_the_days_that_are_left(tmp_path: Path, key: Key) -> None:
    (tmp_path / "own.crt").write_bytes(signed(["a.test"], key, begins=-1, days=10))
    own = OwnCertificate(certificate=tmp_path / "own.crt", key=tmp_path / "own.key")
    assert days_left(own) in (8, 9, 10)
    (tmp_path / "own.crt").write_text("none")
    assert days_left(own) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"names": ["b.test", "c.test"]}, "own.crt is not for a.test, but for b.test, c.test"),
        ({"names": ["*.a.test"]}, "own.crt is not for a.test, but for *.a.test"),
        ({"begins": -3, "days": 1}, f"own.crt expired on {NOW - datetime.timedelta(days=2):%Y-%m-%d}"),
        (
            {"begins": 1},
            f"own.crt is not valid before {NOW + datetime.timedelta(days=1):%Y-%m-%d %H:%M} UTC",
        ),
    ],
)
def test_one_that_browsers_would_refuse(
    tmp_path: Path, key: Key, given: dict[str, float], message: str
) -> None:
    (fault,) = faults_of(tmp_path, signed(key=key, **{"names": ["a.test"], **given}), key_pem(key))  # type: ignore[arg-type]
    assert fault.endswith(message)
    assert fault.startswith("inv.yml:10 web1.apps.shop.tls.certificate: ")


def test_files_that_are_none(tmp_path: Path, key: Key) -> None:
    good = signed(["a.test"], key)
    other = ec.generate_private_key(ec.SECP256R1())
    for certificate, own_key, message in (
        (None, key_pem(key), "own.crt: no such file or directory"),
        (b"rubbish", key_pem(key), "own.crt contains no PEM certificate"),
        (good, None, "own.key: no such file or directory"),
        (good, b"rubbish", "own.key contains no PEM private key"),
        (good, key_pem(other), "own.key is not the key of that certificate"),
        (good, key_pem(key, b"secret"), "own.key is encrypted; the web server starts unattended"),
    ):
        for file in tmp_path.glob("own.*"):
            file.unlink()
        (fault,) = faults_of(tmp_path, certificate, own_key)
        assert message in fault


def test_the_authority_has_signed_it(tmp_path: Path, key: Key) -> None:
    """A certificate that signs itself stands for its authority."""
    (tmp_path / "own.crt").write_bytes(signed(["a.test"], key))
    (tmp_path / "own.key").write_bytes(key_pem(key))
    authority = tmp_path / "ca.crt"

    def said() -> list[tuple[str, str]]:
        own = OwnCertificate(certificate=tmp_path / "own.crt", key=tmp_path / "own.key", authority=authority)
        return [(part, text.replace(f"{tmp_path}/", "")) for part, text in faults(own, ["a.test"])]

    assert said() == [("authority", "ca.crt: no such file or directory")]
    authority.write_bytes(b"rubbish")
    assert said() == [("authority", "ca.crt contains no PEM certificate")]
    other = signed(["b.test"], ec.generate_private_key(ec.SECP256R1()))
    authority.write_bytes(other)
    assert said() == [
        ("authority", "ca.crt has not signed CN=a.test, with which the certificate's file ends")
    ]
    authority.write_bytes(other + signed(["a.test"], key))
    assert said() == []


def test_a_wildcard_stands_for_one_label() -> None:
    assert covered("x.a.test", ["*.a.test"])
    assert covered("*.a.test", ["*.a.test"])
    assert not covered("x.y.a.test", ["*.a.test"])
    assert not covered("a.test", ["*.a.test"])
    assert not covered("*.a.test", ["x.a.test"])
