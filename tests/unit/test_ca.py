"""The private certificate authority."""

from __future__ import annotations

import datetime
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from provision.apps import authority_rotation
from provision.apps.authority import Authority
from provision.apps.authority_files import PEOPLE, ClientIdentity
from provision.apps.certificate_files import write_certificates
from provision.apps.client_certificates import client_pair
from provision.errors import ProvError
from provision.secrets import Secret


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


# -- its key: changed, encrypted, for some domains only


def trusted_by(authority: Authority, pem: bytes, name: str) -> None:
    """Verify as a client with all that the authority hands out. Raises VerificationError."""
    roots = x509.load_pem_x509_certificates(authority.certificate_path.read_bytes())
    policy = PolicyBuilder().store(Store(roots)).time(datetime.datetime.now(datetime.UTC))
    policy.build_server_verifier(x509.DNSName(name)).verify(x509.load_pem_x509_certificate(pem), [])


def test_while_the_key_changes_clients_trust_both(
    authority: Authority, key: ec.EllipticCurvePrivateKey
) -> None:
    def signed() -> bytes:
        return authority.sign(request(key, "a.test"), ["a.test"], 90)

    before, first = signed(), authority.key_id()
    authority_rotation.begin(authority)
    assert authority.key_id() == first, "the old key still signs"
    trusted_by(authority, signed(), "a.test")
    authority_rotation.switch(authority)
    assert authority.key_id() != first
    trusted_by(authority, before, "a.test")
    trusted_by(authority, after := signed(), "a.test")
    assert not authority.next_key_path.exists()
    authority_rotation.finish(authority)
    trusted_by(authority, after, "a.test")
    with pytest.raises(VerificationError):
        trusted_by(authority, before, "a.test")


def test_a_stage_that_is_not_the_next_one_is_refused(authority: Authority) -> None:
    with pytest.raises(ProvError, match="no change of the private CA is under way"):
        authority_rotation.switch(authority)
    authority_rotation.begin(authority)
    for stage in (authority_rotation.begin, authority_rotation.finish):
        with pytest.raises(ProvError, match="has begun"):
            stage(authority)
    authority_rotation.switch(authority)
    with pytest.raises(ProvError, match="signs already"):
        authority_rotation.begin(authority)


def test_a_change_that_died_between_two_files_is_completed(
    authority: Authority, key: ec.EllipticCurvePrivateKey
) -> None:
    authority_rotation.begin(authority)
    old, new = x509.load_pem_x509_certificates(authority.certificate_path.read_bytes())
    write_certificates(authority, [new, old])
    trusted_by(authority, authority.sign(request(key, "a.test"), ["a.test"], 90), "a.test")
    assert authority_rotation.stage(authority) == "switched"


def test_its_key_is_encrypted_on_request(authority: Authority, key: ec.EllipticCurvePrivateKey) -> None:
    before = authority.key_id()
    closed = Authority(authority.folder, Secret("correct horse"))
    closed.make()
    assert b"ENCRYPTED" in authority.key_path.read_bytes()
    assert authority.key_path.stat().st_mode & 0o777 == 0o600
    assert closed.key_id() == before
    trusted_by(closed, closed.sign(request(key, "a.test"), ["a.test"], 90), "a.test")
    authority_rotation.begin(closed)
    assert b"ENCRYPTED" in authority.next_key_path.read_bytes()
    with pytest.raises(ProvError, match="is encrypted") as raised:
        authority.sign(request(key, "a.test"), ["a.test"], 90)
    assert "ca_passphrase" in raised.value.hint
    with pytest.raises(ProvError, match="can't be read"):
        Authority(authority.folder, Secret("wrong")).sign(request(key, "a.test"), ["a.test"], 90)


def test_clients_believe_it_for_its_domains_only(tmp_path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    found = Authority(tmp_path / "ca", domains=["shop.test"])
    found.make()
    for name in ("shop.test", "www.shop.test", "db1.prov.internal"):
        trusted_by(found, found.sign(request(key, name), [name], 90), name)
    with pytest.raises(VerificationError):
        trusted_by(found, found.sign(request(key, "bank.test"), ["bank.test"], 90), "bank.test")


def test_it_signs_while_its_key_changes(authority: Authority, key: ec.EllipticCurvePrivateKey) -> None:
    """Threads and processes exclude each other by the lock of the folder."""
    made: list[bytes] = []

    def work() -> None:
        made.extend(authority.sign(request(key, "a.test"), ["a.test"], 90) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    authority_rotation.begin(authority)
    authority_rotation.switch(authority)
    for thread in threads:
        thread.join()
    assert len(made) == 80
    for pem in made:
        trusted_by(authority, pem, "a.test")


def test_a_certificate_of_a_person_is_a_clients(authority: Authority) -> None:
    private, pem = client_pair(authority, ClientIdentity("ann", PEOPLE), 30)
    found = x509.load_pem_x509_certificate(pem)
    assert found.subject.rfc4514_string() == "CN=ann,OU=people"
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    own = serialization.load_pem_private_key(private, None)
    assert own.public_key() == found.public_key()
