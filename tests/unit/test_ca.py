"""The private certificate authority."""

from __future__ import annotations

import datetime
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from provision.apps.authority import Authority
from provision.errors import ProvError


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    found = Authority(tmp_path / "ca")
    found.make()
    return found


def request(key: ec.EllipticCurvePrivateKey, *names: str) -> bytes:
    """What a host sends."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    alternatives = x509.SubjectAlternativeName([x509.DNSName(n) for n in names])
    builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def verify(authority: Authority, pem: bytes, name: str) -> None:
    """As a client would. Raises VerificationError."""
    root = x509.load_pem_x509_certificate(authority.certificate_path.read_bytes())
    policy = PolicyBuilder().store(Store([root])).time(datetime.datetime.now(datetime.UTC))
    policy.build_server_verifier(x509.DNSName(name)).verify(x509.load_pem_x509_certificate(pem), [])


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_a_signed_certificate_verifies_for_its_names_only(
    authority: Authority, key: ec.EllipticCurvePrivateKey
) -> None:
    pem = authority.sign(request(key, "a.test"), ["a.test", "*.b.test"], 90)
    verify(authority, pem, "a.test")
    verify(authority, pem, "x.b.test")
    for other in ("c.test", "b.test", "x.y.b.test"):
        with pytest.raises(VerificationError):
            verify(authority, pem, other)


def test_it_does_not_verify_with_another_authority(
    authority: Authority, key: ec.EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other")
    other.make()
    with pytest.raises(VerificationError):
        verify(other, authority.sign(request(key, "a.test"), ["a.test"], 90), "a.test")
    assert other.key_id() != authority.key_id()


def test_the_certificate_is_for_the_hosts_key_and_names_its_issuer(
    authority: Authority, key: ec.EllipticCurvePrivateKey
) -> None:
    certificate = x509.load_pem_x509_certificate(authority.sign(request(key, "a.test"), ["a.test"], 90))
    assert certificate.public_key() == key.public_key()
    issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer.key_identifier is not None
    assert issuer.key_identifier.hex() == authority.key_id()
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_the_names_are_ours_not_those_of_the_request(
    authority: Authority, key: ec.EllipticCurvePrivateKey
) -> None:
    pem = authority.sign(request(key, "evil.test", "bank.test"), ["a.test"], 90)
    names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["a.test"]


def test_it_never_outlives_its_authority(authority: Authority, key: ec.EllipticCurvePrivateKey) -> None:
    certificate = x509.load_pem_x509_certificate(authority.sign(request(key, "a.test"), ["a.test"], 100_000))
    root = x509.load_pem_x509_certificate(authority.certificate_path.read_bytes())
    assert certificate.not_valid_after_utc == root.not_valid_after_utc


@pytest.mark.parametrize(
    "garbage",
    [b"", b"garbage", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"],
)
def test_garbage_is_not_signed(authority: Authority, garbage: bytes) -> None:
    with pytest.raises(ProvError, match="the host sent no certificate request"):
        authority.sign(garbage, ["a.test"], 90)


def test_a_request_that_was_changed_on_its_way_is_not_signed(
    authority: Authority, key: ec.EllipticCurvePrivateKey
) -> None:
    signed = x509.load_pem_x509_csr(request(key, "aaaa.test"))
    changed = signed.public_bytes(serialization.Encoding.DER).replace(b"aaaa.test", b"bbbb.test")
    pem = x509.load_der_x509_csr(changed).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(ProvError, match="not signed with its key"):
        authority.sign(pem, ["a.test"], 90)


def test_only_the_owner_can_read_the_key(authority: Authority) -> None:
    assert authority.key_path.stat().st_mode & 0o777 == 0o600
    assert authority.folder.stat().st_mode & 0o777 == 0o700


def test_it_is_made_once(authority: Authority) -> None:
    before = authority.key_path.read_bytes(), authority.certificate_path.read_bytes()
    again = Authority(authority.folder)
    again.make()
    assert (authority.key_path.read_bytes(), authority.certificate_path.read_bytes()) == before


def test_it_is_made_once_by_many_threads(tmp_path: Path) -> None:
    made = []

    def make() -> None:
        found = Authority(tmp_path / "ca")
        found.make()
        made.append(found.key_path.read_bytes())

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1


def test_there_is_none_yet(tmp_path: Path) -> None:
    found = Authority(tmp_path / "none")
    assert (found.exists(), found.key_id()) == (False, "")


@pytest.mark.parametrize("name", ["ca.key", "ca.crt"])
def test_a_damaged_file_is_told_with_its_path(
    authority: Authority, key: ec.EllipticCurvePrivateKey, name: str
) -> None:
    (authority.folder / name).write_text("damaged")
    with pytest.raises(ProvError) as raised:
        authority.sign(request(key, "a.test"), ["a.test"], 90)
    assert raised.value.where == str(authority.folder / name)
    assert "backup" in raised.value.hint


def test_a_key_of_another_kind(authority: Authority, key: ec.EllipticCurvePrivateKey) -> None:
    other = rsa.generate_private_key(65537, 2048)
    encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    authority.key_path.write_bytes(other.private_bytes(*encoding))
    with pytest.raises(ProvError, match="not an EC key"):
        authority.sign(request(key, "a.test"), ["a.test"], 90)
