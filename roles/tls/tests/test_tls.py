"""The role `tls`: certificates as a client sees them, and the places of their keys."""

from __future__ import annotations

import datetime
import ssl

import pytest

from provision.testing import Host, ProvHost

VERSIONS = {
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


def handshake(prov_host: ProvHost, name: str, version: str = "TLSv1.3") -> ssl.SSLSocket:
    """Return a connection with one version of TLS only, its certificate verified."""
    context = ssl.create_default_context(cafile=str(prov_host.ca))
    context.minimum_version = context.maximum_version = VERSIONS[version]
    return context.wrap_socket(prov_host.connected(443), server_hostname=name)


@pytest.mark.parametrize("name", ["hello.test", "any.hello.test", "other.test"])
def test_each_name_has_a_certificate(prov_host: ProvHost, name: str) -> None:
    assert prov_host.fetch(f"https://{name}/").status == 200


def test_it_is_good_for_no_other_name(prov_host: ProvHost) -> None:
    # nginx refuses names that it does not serve; a certificate for another name would be wrong too
    with pytest.raises(ssl.SSLError):
        prov_host.fetch("https://nobody.test/")


def test_its_lifetime(prov_host: ProvHost) -> None:
    with handshake(prov_host, "hello.test") as connection:
        certificate = connection.getpeercert()
    assert certificate
    ends = datetime.datetime.fromtimestamp(
        ssl.cert_time_to_seconds(str(certificate["notAfter"])), datetime.UTC
    )
    left = ends - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=29) < left < datetime.timedelta(days=31)


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_versions(prov_host: ProvHost, version: str) -> None:
    with handshake(prov_host, "hello.test", version) as connection:
        assert connection.version() == version
        chosen = connection.cipher()
        assert chosen is not None
        assert any(word in chosen[0] for word in ("GCM", "CHACHA20"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_are_refused(prov_host: ProvHost) -> None:
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        handshake(prov_host, "hello.test", "TLSv1.1")


@pytest.mark.parametrize("app", ["hello", "other"])
def test_keys(host: Host, app: str) -> None:
    key = host.file(f"/etc/prov/tls/{app}.key")
    assert (key.user, key.mode) == ("root", 0o600)
    assert host.file(f"/etc/prov/tls/{app}.crt").mode == 0o644
