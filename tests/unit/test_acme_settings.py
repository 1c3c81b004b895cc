"""`tls: acme` in the inventory: what it takes, from where, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from provision.apps.reading import apps_of
from provision.apps.renewals import is_public, renewal
from provision.apps.tls_settings import DIRECTORIES, Acme
from provision.errors import ConfigErrors
from provision.inventory import InventoryHost, load
from provision.sources.manifests import Manifests
from roles.tls import Tls

SHOP = {"source": "https://git.example.com/x.git", "target": "x:y", "domains": ["shop.test"]}


def inventory(folder: Path, tls: Any, role: Any = None, group: str = "web", **more: Any) -> InventoryHost:
    """Return a host with an application; role: the variable `tls`."""
    variables = {"apps": {"shop": {**SHOP, "tls": tls, **more}}} | ({"tls": role} if role else {})
    text = yaml.safe_dump({group: {"vars": variables, "hosts": {"web1": None}}})
    (folder / "inv.yml").write_text(text)
    return load([str(folder / "inv.yml")], cwd=folder).hosts["web1"]


def settings(host: InventoryHost) -> Acme:
    (app,) = apps_of(host, Manifests())
    assert isinstance(app.tls, Acme)
    return app.tls


def faults(host: InventoryHost) -> Sequence[str]:
    with pytest.raises(ConfigErrors) as caught:
        apps_of(host, Manifests())
    return [error.message for error in caught.value.errors]


AGREED = {"acme": {"agree": True}}


def test_the_word_alone_takes_all_from_the_variable_of_the_role(tmp_path: Path) -> None:
    common = {"agree": True, "email": "ops@shop.test", "profile": "tlsserver"}
    found = settings(inventory(tmp_path, "acme", {"days": 30, "acme": common}))
    assert (found.server, found.directory) == ("letsencrypt", DIRECTORIES["letsencrypt"])
    assert (found.email, found.profile, found.challenge) == ("ops@shop.test", "tlsserver", "http-01")


@pytest.mark.parametrize(
    ("tls", "role", "group", "server"),
    [
        ("acme", AGREED, "staging", "staging"),
        ("acme", AGREED, "production", "letsencrypt"),
        ("acme", {"acme": {"agree": True, "server": "letsencrypt"}}, "staging", "letsencrypt"),
        ({"acme": "letsencrypt"}, AGREED, "staging", "letsencrypt"),
        ({"acme": "https://ca.test/dir", "agree": True}, None, "web", "https://ca.test/dir"),
        ({"acme": None, "agree": True}, None, "staging", "staging"),
    ],
)
def test_which_authority(tmp_path: Path, tls: Any, role: Any, group: str, server: str) -> None:
    assert settings(inventory(tmp_path, tls, role, group)).server == server


def test_an_application_says_more_than_the_variable(tmp_path: Path) -> None:
    common = {"acme": {"agree": True, "email": "a@shop.test", "profile": "x"}}
    found = settings(inventory(tmp_path, {"acme": None, "profile": "y"}, common))
    assert (found.email, found.profile) == ("a@shop.test", "y")


def test_files_are_relative_to_where_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    for tls, role in (
        ("acme", {"acme": {"agree": True, "authority": "ca.pem"}}),
        ({"acme": None, "agree": True, "authority": "ca.pem"}, None),
    ):
        assert settings(inventory(tmp_path, tls, role)).authority == tmp_path / "ca.pem"


@pytest.mark.parametrize(
    ("tls", "more", "message"),
    [
        (
            "acme",
            {},
            "`agree: true` is missing: it says that you agree to the terms of service of letsencrypt",
        ),
        ({"acme": "staging", "agree": False}, {}, "agree to the terms of service of staging"),
        ({"acme": "http://ca.test/dir", "agree": True}, {}, "a URL that begins with https://"),
        ({"acme": "zerossl", "agree": True}, {}, "is not letsencrypt, staging, or a URL"),
        ({"acme": None, "agree": True, "email": "x"}, {}, "is not an e-mail address"),
        ({"acme": None, "agree": True, "challenge": "dns-01"}, {}, "needs `dns` in the variable `tls`"),
        ({"acme": None, "agree": True, "challenge": "tls-alpn-01"}, {}, "http-01"),
        ({"acme": None, "agree": True, "profil": "x"}, {}, "profil"),
        ({"acme": None, "agree": True, "eab": {"key_id": "x"}}, {}, "eab"),
        (
            {"acme": None, "agree": True},
            {"domains": ["*.shop.test"]},
            "needs `challenge: dns-01`: http-01 has no wildcards",
        ),
        ({"acme": None, "agree": True, "authority": "none.pem"}, {}, "no such file"),
    ],
)
def test_what_is_refused(tmp_path: Path, tls: Any, more: dict[str, Any], message: str) -> None:
    (found,) = faults(inventory(tmp_path, tls, **more))
    assert message in found


def test_what_a_host_needs_to_renew(tmp_path: Path) -> None:
    eab = {"key_id": "k1", "key": "c2VjcmV0"}
    host = inventory(tmp_path, "acme", {"acme": {"agree": True, "eab": eab}}, redirects=["www.shop.test"])
    (app,) = apps_of(host, Manifests())
    common = Tls.model_validate(host.vars["tls"]).acme
    assert renewal(app, "nginx", common) == {
        "key": "/etc/prov/tls/shop.key",
        "certificate": "/etc/prov/tls/shop.crt",
        "names": ["shop.test", "www.shop.test"],
        "server": DIRECTORIES["letsencrypt"],
        "email": "",
        "profile": "",
        "authority": "",
        "eab": eab,
        "dns": {},
        "front": "nginx",
        "kind": "ecdsa",
    }
    other = inventory(
        tmp_path, {"acme": "https://ca.test/dir"}, {"acme": {"agree": True, "server": "staging", "eab": eab}}
    )
    (app,) = apps_of(other, Manifests())
    assert renewal(app, "nginx", Tls.model_validate(other.vars["tls"]).acme)["eab"] == {}


def test_a_wildcard_by_dns(tmp_path: Path) -> None:
    dns = {"server": "192.0.2.53", "name": "shop-key", "secret": "c2VjcmV0"}
    role = {"acme": {"agree": True, "challenge": "dns-01", "dns": dns}}
    host = inventory(tmp_path, "acme", role, domains=["shop.test", "*.shop.test"])
    (app,) = apps_of(host, Manifests())
    found = renewal(app, "nginx", Tls.model_validate(host.vars["tls"]).acme)
    assert found["dns"] == {**dns, "port": 53, "algorithm": "HMAC-SHA256", "wait": 60}
    with pytest.raises(ValueError, match="is not an IP address"):
        Tls.model_validate({"acme": {"dns": {**dns, "server": "ns1.test"}}})


def test_a_wildcard_by_route_53(tmp_path: Path) -> None:
    keys = {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "c2VjcmV0"}
    for given, wanted in (
        ("route53", {"provider": "route53"}),
        ({"provider": "route53", **keys}, {"provider": "route53", **keys}),
    ):
        role = {"acme": {"agree": True, "challenge": "dns-01", "dns": given}}
        host = inventory(tmp_path, "acme", role, domains=["*.shop.test"])
        (app,) = apps_of(host, Manifests())
        assert renewal(app, "nginx", Tls.model_validate(host.vars["tls"]).acme)["dns"] == wanted
    for wrong, message in (
        ("route54", "'route53'"),
        ({"provider": "route53", "access_key": keys["access_key"]}, "go together"),
        ({"provider": "route53", "access_key": "x y"}, "is not the id of an access key"),
    ):
        with pytest.raises(ValueError, match=message):
            Tls.model_validate({"acme": {"dns": wrong}})


def test_hosts_behind_a_balancer_need_no_certificate_of_an_authority(tmp_path: Path) -> None:
    hosts = {
        "lb1": {"balance": {"shop": "web1"}, "ansible_host": "192.0.2.1"},
        "lb2": {"balance": {"blog": "web1"}, "ansible_host": "192.0.2.2"},
        "web1": {
            "ansible_host": "192.0.2.3",
            "apps": {"shop": {**SHOP, "tls": "acme"}, "blog": {**SHOP, "domains": ["blog.test"]}},
        },
    }
    text = yaml.safe_dump({"all": {"vars": {"tls": AGREED}, "hosts": hosts}})
    (tmp_path / "inv.yml").write_text(text)
    known = load([str(tmp_path / "inv.yml")], cwd=tmp_path).hosts
    shop = next(app for app in apps_of(known["web1"], Manifests()) if app.name == "shop")
    assert not is_public(shop, known["web1"], [known["lb1"]])
    assert is_public(shop, known["web1"], [known["lb2"]])
    assert is_public(shop, known["lb1"], [])
