"""Keys of clients, made on this machine, and their certificates of an authority."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from provision.apps.authority import Authority
from provision.apps.authority_files import ClientIdentity
from provision.apps.bindings import DOMAIN


def client_pair(authority: Authority, client: ClientIdentity, days: int) -> tuple[bytes, bytes]:
    """Return a new key, and a certificate for a client, both in PEM. Raises ProvError."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, client.name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    asked = request.public_bytes(serialization.Encoding.PEM)
    return pem, authority.sign(asked, [f"{client.name}.{DOMAIN}"], days, client)
