"""An intermediate of the private authority: it signs while the root's key is elsewhere."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from provision.apps import authority_rotation
from provision.apps.authority import Authority
from provision.apps.authority_files import ClientIdentity, write_whole
from provision.apps.certificate_files import certificate_of, key_of, new_key, write_certificates
from provision.apps.client_certificates import client_pair
from provision.apps.intermediates import make_intermediate
from provision.errors import ProvError
from provision.secrets import Secret


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    found = Authority(tmp_path / "ca")
    found.make()
    return found


def signed(authority: Authority, *names: str) -> bytes:
    """A chain for a host's request."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return authority.sign(request.public_bytes(serialization.Encoding.PEM), names or ["a.test"], 90)


def verify(trusted: bytes, pem: bytes, name: str = "a.test", days: int = 0) -> None:
    """As a client, so many days from now, that trusts these roots. Raises VerificationError."""
    leaf, *others = x509.load_pem_x509_certificates(pem)
    time = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    policy = PolicyBuilder().store(Store(x509.load_pem_x509_certificates(trusted))).time(time)
    policy.build_server_verifier(x509.DNSName(name)).verify(leaf, others)


def test_it_signs_while_the_key_of_the_root_is_elsewhere(authority: Authority) -> None:
    before, root = authority.key_id(), authority.certificate_path.read_bytes()
    until = make_intermediate(authority, 1825)
    assert until == f"{datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1825):%Y-%m-%d}"
    assert authority.issuing_key_path.stat().st_mode & 0o777 == 0o600
    assert authority.certificate_path.read_bytes() == root, "clients trust what they trusted"
    authority.key_path.unlink()
    again = Authority(authority.folder)
    again.make()
    chain = signed(again)
    assert chain.count(b"BEGIN CERTIFICATE") == 2
    verify(root, chain)
    assert again.key_id() != before
    leaf = x509.load_pem_x509_certificates(chain)[0]
    issuer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer.key_identifier and issuer.key_identifier.hex() == again.key_id()
    _, person = client_pair(again, ClientIdentity("ann", "people"), 9)
    assert person.count(b"BEGIN CERTIFICATE") == 2
    with pytest.raises(ProvError, match="can't be read") as raised:
        make_intermediate(again, 10)
    assert "bring it back" in raised.value.hint


def test_the_domains_of_the_root_bind_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca", domains=["a.test"])
    authority.make()
    make_intermediate(authority, 10)
    root = authority.certificate_path.read_bytes()
    verify(root, signed(authority))
    with pytest.raises(VerificationError):
        verify(root, signed(authority, "b.test"), "b.test")


def test_another_one_takes_its_place_and_former_certificates_stay_valid(authority: Authority) -> None:
    make_intermediate(authority, 10)
    root, before, first = authority.certificate_path.read_bytes(), signed(authority), authority.key_id()
    make_intermediate(authority, 100)
    assert authority.key_id() != first
    verify(root, before)
    verify(root, signed(authority), days=80)
    # no certificate outlives it
    make_intermediate(authority, 10)
    with pytest.raises(VerificationError):
        verify(root, signed(authority), days=11)


def test_one_that_has_ended_is_named(authority: Authority) -> None:
    make_intermediate(authority, 10)
    key = key_of(authority)
    now = datetime.datetime.now(datetime.UTC)
    made = x509.load_pem_x509_certificate(authority.issuing_path.read_bytes())
    old = (
        x509.CertificateBuilder()
        .subject_name(made.subject)
        .issuer_name(made.issuer)
        .public_key(made.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=9))
        .not_valid_after(now - datetime.timedelta(days=1))
    )
    for each in made.extensions:
        old = old.add_extension(each.value, each.critical)
    pem = old.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    authority.issuing_path.write_bytes(pem)
    with pytest.raises(ProvError, match=r"issuing\.crt: ended on ") as raised:
        signed(authority)
    assert "prov tls ca intermediate" in raised.value.hint


def test_a_root_that_permits_none_is_refused(authority: Authority) -> None:
    """As those that prov made before it knew of intermediates."""
    root, key = certificate_of(authority), key_of(authority)
    other = (
        x509.CertificateBuilder()
        .subject_name(root.subject)
        .issuer_name(root.issuer)
        .public_key(root.public_key())
        .serial_number(1)
        .not_valid_before(root.not_valid_before_utc)
        .not_valid_after(root.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    write_certificates(authority, [other])
    with pytest.raises(ProvError, match="permits no intermediate") as raised:
        make_intermediate(authority, 10)
    assert "prov tls ca rotate" in raised.value.hint
    assert not authority.issuing_path.exists()


@pytest.mark.parametrize("file", ["issuing.key", "issuing.crt"])
def test_a_file_of_another_authority_is_refused(authority: Authority, tmp_path: Path, file: str) -> None:
    other = Authority(tmp_path / "other")
    other.make()
    for each in (authority, other):
        make_intermediate(each, 10)
    (authority.folder / file).write_bytes((other.folder / file).read_bytes())
    for ask in (lambda: signed(authority), lambda: Authority(authority.folder).key_id()):
        with pytest.raises(ProvError, match=r"is not the key of issuing\.crt"):
            ask()
    (authority.folder / "issuing.key").write_bytes((other.folder / "issuing.key").read_bytes())
    (authority.folder / "issuing.crt").write_bytes((other.folder / "issuing.crt").read_bytes())
    with pytest.raises(ProvError, match=r"was not issued by ca\.crt"):
        signed(authority)


def test_one_that_died_between_two_files_is_completed(authority: Authority) -> None:
    """With a key alone the former pair signs, and with its certificate the new one."""
    make_intermediate(authority, 10)
    root, first = authority.certificate_path.read_bytes(), authority.key_id()
    new_key(authority, authority.next_issuing_key_path)
    assert Authority(authority.folder).key_id() == first
    verify(root, signed(authority))
    make_intermediate(authority, 10)
    key = authority.issuing_key_path.read_bytes()
    write_whole(authority.next_issuing_key_path, key, 0o600)
    authority.issuing_key_path.write_bytes(authority.key_path.read_bytes())
    verify(root, signed(authority))
    assert not authority.next_issuing_key_path.exists()


def test_its_key_is_encrypted_too(authority: Authority) -> None:
    make_intermediate(authority, 10)
    authority.key_path.unlink()
    closed = Authority(authority.folder, Secret("correct horse"))
    closed.make()
    assert b"ENCRYPTED" in authority.issuing_key_path.read_bytes()
    verify(authority.certificate_path.read_bytes(), signed(closed))
    with pytest.raises(ProvError, match="is encrypted"):
        signed(authority)


def test_a_change_of_the_roots_key_makes_one_of_the_new_key(authority: Authority) -> None:
    """Clients that trust what was handed out before a stage still do after it; ca.key is not needed to begin."""
    make_intermediate(authority, 10)
    authority.key_path.unlink()
    before = signed(authority)
    authority_rotation.begin(authority)
    both = authority.certificate_path.read_bytes()
    verify(both, signed(authority))
    authority_rotation.switch(authority)
    after = signed(authority)
    for chain in (before, after):
        verify(both, chain)
        verify(authority.certificate_path.read_bytes(), chain)
    authority_rotation.finish(authority)
    verify(authority.certificate_path.read_bytes(), after)
    with pytest.raises(VerificationError):
        verify(authority.certificate_path.read_bytes(), before)
