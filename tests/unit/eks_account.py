"""A cluster of EKS: moto as AWS, and the double of an API server behind TLS, which lets identities in as EKS does.

It asks STS who has signed a token. Source: kubernetes-sigs/aws-iam-authenticator, pkg/token/token.go, Verify.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import re
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.loaders import JSONFileLoader
from cluster_double import Cluster, listening
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from ec2_account import load_file
from moto.eks.models import eks_backends
from moto.server import ThreadedMotoServer

REGION, ACCOUNT, CLUSTER = "eu-central-1", "123456789012", "main"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "canary-key-77ab"}


class EksAccount:
    """An account with a cluster. tokens: those that the cluster was given.  entries: ARNs that it lets in."""

    def __init__(self, address: str, cluster: Cluster) -> None:
        self.address, self.cluster = address, cluster
        self.tokens: list[str] = []
        self.entries = [f"arn:aws:sts::{ACCOUNT}:user/moto"]
        cluster.lets_in = self.lets_in

    @property
    def described(self) -> Any:
        """The cluster as moto has it, to be changed."""
        return eks_backends[ACCOUNT][REGION].clusters[CLUSTER]

    def client(self, service: str) -> Any:
        """A client of moto's."""
        keys = {name.lower(): value for name, value in KEYS.items()}
        return boto3.client(service, region_name=REGION, endpoint_url=self.address, **keys)

    def lets_in(self, given: str) -> bool:
        """Whether a header Authorization has a token for this cluster, of an identity with an entry."""
        kind, _, token = given.partition(" ")
        self.tokens.append(token)
        assert kind == "Bearer" and token.startswith("k8s-aws-v1.") and "=" not in token
        packed = token.removeprefix("k8s-aws-v1.")
        url = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode()
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{self.address}/?") and query["Action"] == "GetCallerIdentity"
        assert query["X-Amz-Expires"] == "60" and "x-k8s-aws-id" in query["X-Amz-SignedHeaders"].split(";")
        assert query["X-Amz-Signature"] == signature_of(url, query["X-Amz-Date"])
        # by this header moto knows the service and the key
        scope = f"AWS4-HMAC-SHA256 Credential={query['X-Amz-Credential']}, SignedHeaders=host, Signature=x"
        headers = {"x-k8s-aws-id": CLUSTER, "Authorization": scope}
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = re.search(r"<Arn>(.*?)</Arn>", answer.read().decode())
        return found is not None and found[1] in self.entries


def signature_of(url: str, date: str) -> str:
    """The signature that a request with the header x-k8s-aws-id must have."""
    unsigned = re.sub(r"&X-Amz-Signature=[0-9a-f]+", "", url)
    request = AWSRequest("GET", unsigned, headers={"x-k8s-aws-id": CLUSTER})
    request.context["timestamp"] = date
    auth = SigV4QueryAuth(Credentials(*KEYS.values()), "sts", REGION, expires=60)
    canonical = auth.canonical_request(request)
    return str(auth.signature(auth.string_to_sign(request, canonical), request))


def authority(folder: Path) -> tuple[ssl.SSLContext, str]:
    """What a server at 127.0.0.1 proves itself with, and the certificate of its authority, as EKS gives it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    file = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + pem)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file)
    return tls, base64.b64encode(pem).decode()


@contextmanager
def eks(folder: Path, cluster: Cluster) -> Iterator[EksAccount]:
    """An account whose cluster is this double. folder: for keys."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    tls, ca = authority(folder)
    try:
        with listening(cluster, tls) as port, pytest.MonkeyPatch.context() as patch:
            for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"):
                patch.delenv(name, raising=False)
            for name, value in {**KEYS, "AWS_ENDPOINT_URL": address}.items():
                patch.setenv(name, value)
            patch.setattr(JSONFileLoader, "load_file", load_file)
            found = EksAccount(address, cluster)
            urllib.request.urlopen(
                urllib.request.Request(f"{address}/moto-api/reset", method="POST"), timeout=30
            ).close()
            network = {"subnetIds": ["subnet-1", "subnet-2"]}
            role = f"arn:aws:iam::{ACCOUNT}:role/eks"
            found.client("eks").create_cluster(name=CLUSTER, roleArn=role, resourcesVpcConfig=network)
            found.described.endpoint = f"https://127.0.0.1:{port}"
            found.described.certificate_authority = {"data": ca}
            yield found
    finally:
        server.stop()
