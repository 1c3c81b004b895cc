"""The work of a private certificate authority: its key, its own certificate, and those that it signs."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from provision.apps.authority_files import AuthorityFiles, ClientIdentity, write_whole
from provision.apps.bindings import DOMAIN
from provision.errors import ProvError

YEARS = 10


def make(authority: AuthorityFiles) -> None:
    """Make the authority's key and certificate. The caller holds the lock, and the folder exists.

    A key without a certificate, left by a run that died here or restored from a backup, is kept. Its new
    certificate has the same name and key, so that issued certificates stay valid.
    """
    for begun in authority.folder.glob(".ca.*"):
        begun.unlink(missing_ok=True)  # left by a run that died
    path = authority.key_path
    key = key_of(authority) if path.exists() else new_key(authority, path)
    # the certificate last: once it exists, the authority does
    write_certificates(authority, [certificate(authority, key)])


def encrypt(authority: AuthorityFiles) -> None:
    """Encrypt keys that are to be, and are not yet. The caller holds the lock. Raises ProvError."""
    for path in authority.key_paths:
        if authority.passphrase is not None and path.exists() and b"ENCRYPTED" not in path.read_bytes():
            write_key(authority, path, key_of(authority, path))


def new_key(authority: AuthorityFiles, path: Path) -> ec.EllipticCurvePrivateKey:
    """Make a key of the authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    write_key(authority, path, key)
    return key


def write_key(authority: AuthorityFiles, path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write a key of the authority, encrypted if it has a passphrase."""
    closed = (
        serialization.BestAvailableEncryption(authority.passphrase.reveal().encode())
        if authority.passphrase
        else serialization.NoEncryption()
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, closed)
    write_whole(path, pem, 0o600)


def write_certificates(authority: AuthorityFiles, certificates: Sequence[x509.Certificate]) -> None:
    """Write what clients trust; the first certificate is that of the key."""
    pem = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)
    write_whole(authority.certificate_path, pem, 0o644)


def certificate(authority: AuthorityFiles, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Return a new certificate of an authority with this key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "prov private CA")])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(signing_only(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if authority.domains:
        # what is between hosts has names of prov's own (RFC 5280, 4.2.1.10)
        permitted = [x509.DNSName(each) for each in (*authority.domains, DOMAIN)]
        builder = builder.add_extension(x509.NameConstraints(permitted, None), critical=True)
    return builder.sign(key, hashes.SHA256())


def check(authority: AuthorityFiles) -> None:
    """Raise ProvError if the key that signs, if this user may read it, does not belong to its certificate.

    Every client that trusts ca.crt would refuse certificates signed with it.
    """
    path = authority.issuing_key_path if authority.issuing_path.exists() else authority.key_path
    if os.access(path, os.R_OK):
        signer(authority)


def signer(authority: AuthorityFiles) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return the certificate and key that sign: of the intermediate if there is one. The caller holds the lock.

    Raises ProvError if they do not belong together, or clients would not trust what they sign.
    """
    settle(authority)
    if not authority.issuing_path.exists():
        found, key = certificate_of(authority), key_of(authority)
        refuse_other_key(authority, found, key)
        return found, key
    found, key = issuing_certificate(authority), key_of(authority, authority.issuing_key_path)
    again = "Bring ca.key back and run: prov tls ca intermediate TARGET"
    if found.public_key() != key.public_key():
        raise ProvError("is not the key of issuing.crt", where=str(authority.issuing_key_path), hint=again)
    if not any(is_issued_by(found, each) for each in certificates_of(authority)):
        raise ProvError("was not issued by ca.crt", where=str(authority.issuing_path), hint=again)
    if found.not_valid_after_utc <= datetime.datetime.now(datetime.UTC):
        ended = f"ended on {found.not_valid_after_utc:%Y-%m-%d}"
        raise ProvError(ended, where=str(authority.issuing_path), hint=again)
    return found, key


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether a certificate is signed with the key of another one, and names it."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def refuse_other_key(
    authority: AuthorityFiles, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> None:
    """Raise ProvError unless ca.key is the key of ca.crt."""
    if certificate.public_key() != key.public_key():
        raise ProvError(
            "ca.key is not the key of ca.crt; no client would trust what it signs",
            where=str(authority.folder),
            hint="Restore both from one backup. Without one: remove ca.key and ca.crt, deploy every host again, and"
            " have clients trust the new ca.crt.",
        )


def settle(authority: AuthorityFiles) -> None:
    """Put next keys in place of old ones if their certificates say so already. The caller holds the lock."""
    path = authority.next_key_path
    if path.exists() and key_of(authority, path).public_key() == certificate_of(authority).public_key():
        path.replace(authority.key_path)
    path = authority.next_issuing_key_path
    there = path.exists() and authority.issuing_path.exists()
    if there and key_of(authority, path).public_key() == issuing_certificate(authority).public_key():
        path.replace(authority.issuing_key_path)


def key_id(authority: AuthorityFiles) -> str:
    """Return the identifier of the key that signs, in hex. Raises ProvError."""
    signs = issuing_certificate if authority.issuing_path.exists() else certificate_of
    return signs(authority).extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()


def sign(
    authority: AuthorityFiles,
    request_pem: bytes,
    names: Sequence[str],
    days: int,
    client: ClientIdentity | None = None,
) -> bytes:
    """Return a certificate in PEM for a request made on a host, followed by that of the intermediate if one signs. The
    caller holds the lock.

    names: the DNS names that it is valid for; names in the request are ignored.  days: its lifetime.
    client: of a certificate for a client of servers.
    Raises ProvError if the request is malformed or its signature is wrong, or if the authority's key does not
    belong to its certificate.
    """
    try:
        request = x509.load_pem_x509_csr(request_pem)
    except ValueError:
        raise ProvError("the host sent no certificate request") from None
    if not request.is_signature_valid:
        raise ProvError("the host's certificate request is not signed with its key")
    ca, key = signer(authority)
    now = datetime.datetime.now(datetime.UTC)
    end = min(now + datetime.timedelta(days=days), ca.not_valid_after_utc)
    usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, client.name if client else names[0][:64])]
    if client and client.unit:
        subject.insert(0, x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, client.unit))
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(ca.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain = [made, ca] if authority.issuing_path.exists() else [made]
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain)


def certificate_of(authority: AuthorityFiles) -> x509.Certificate:
    """Return the authority's own certificate. Raises ProvError."""
    return certificates_of(authority)[0]


def certificates_of(authority: AuthorityFiles) -> list[x509.Certificate]:
    """Return what clients trust: the authority's own certificate, then that of another key. Raises ProvError."""
    return read_certificates(authority.certificate_path)


def issuing_certificate(authority: AuthorityFiles) -> x509.Certificate:
    """Return the certificate of the intermediate. Raises ProvError."""
    return read_certificates(authority.issuing_path)[0]


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Return the certificates in a file, at least one. Raises ProvError."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ProvError(
            f"the authority's certificate can't be read: {error}",
            where=str(path),
            hint="Restore it from a backup.",
        ) from None


def key_of(authority: AuthorityFiles, path: Path | None = None) -> ec.EllipticCurvePrivateKey:
    """Return the authority's key, or that in another file of its folder. Raises ProvError."""
    path = path or authority.key_path
    try:
        text = path.read_bytes()
        closed = b"ENCRYPTED" in text
        if closed and authority.passphrase is None:
            raise ProvError(
                "the authority's key is encrypted", where=str(path), hint="Set `tls: {ca_passphrase: ...}`."
            )
        word = authority.passphrase.reveal().encode() if closed and authority.passphrase else None
        key = serialization.load_pem_private_key(text, word)
    except (OSError, ValueError) as error:
        raise ProvError(
            f"the authority's key can't be read: {error}",
            where=str(path),
            hint="If it is kept elsewhere, bring it back. Check `ca_passphrase` if it is encrypted. Else restore it"
            " from a backup, or remove the folder to start a new authority.",
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ProvError("the authority's key is not an EC key", where=str(path))
    return key


def signing_only() -> x509.KeyUsage:
    """Return the key usage of a CA: it signs certificates and revocation lists, nothing else."""
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
