"""prov rehearse before any host is booted: what is replaced, what stays, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from inventories import project

from provision.cli.main import cli
from provision.errors import UsageError
from provision.inventory import InventoryHost, Origin
from provision.inventory.located import Located
from provision.roles.shown_variables import kinds_of
from provision.secrets import Secret
from provision.testing.rehearsal import MARK, check_whole, marked, replacements
from provision.testing.replaced_variables import rehearsed
from provision.testing.trials import Trial, trial_of

EXAMPLES = Path(__file__).parents[2] / "examples"
CANARY = "c4nary-Wort"
INVENTORY = f"""
    production:
      vars:
        ansible_user: deploy
        roles: [base, python, app]
        tls:
          acme: {{agree: true, email: ops@example.com}}
        api_token: !secret {{env: NO_SUCH_TOKEN}}
        apps:
          hello:
            source: {EXAMPLES / "flask_hello"}
            target: hello:app
            domains: [hello.example.com]
            tls: acme
            secrets: {{KEY: {CANARY}, TOKEN: "{{{{ api_token }}}}"}}
            environment: {{UPSTREAM: "https://ann:{CANARY}@api.example.com/v1", PLAIN: a}}
            indexes: [{{url: "https://pypi.example.com/simple", username: ann, password: {CANARY}}}]
            uses: {{database: {{postgres: db1}}}}
      hosts:
        web1:
          internal_address: 10.0.0.4
        web2:
          ec2: {{project: shop, region: eu-central-1, image: ami-0123456789abcdef0, type: t3.small}}
        db1:
          apps: {{}}
          roles: [base, postgres]
"""


@pytest.fixture(autouse=True)
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project(tmp_path, {"inventory/production.yml": INVENTORY}))
    # no host of a lab on this machine
    monkeypatch.setenv("PROV_LAB_DIR", str(tmp_path / "lab"))


def rehearsal(target: str, seed: str = "s") -> Trial:
    return trial_of(target, "debian-12", Path("ca"), seed=seed)


def hosts(target: str, seed: str = "s") -> dict[str, InventoryHost]:
    return {each.host.name: each.host for each in rehearsal(target, seed).assignments}


def test_names_groups_roles_and_plain_values_stay() -> None:
    found = hosts("production")
    assert list(found) == ["web1", "web2", "db1"]
    assert {host.connection.kind for host in found.values()} == {"lab"}
    assert found["web1"].groups == ("production",)
    assert found["db1"].roles == ("base", "postgres")
    app = found["web1"].vars["apps"]["hello"]
    assert (app["domains"], app["environment"]["PLAIN"]) == (["hello.example.com"], "a")


def test_secrets_are_generated_and_no_source_of_them_is_asked() -> None:
    app = hosts("production")["web1"].vars["apps"]["hello"]
    for secret in (app["secrets"]["KEY"], app["secrets"]["TOKEN"]):
        assert isinstance(secret, Secret)
        assert len(secret.reveal()) == 64
    assert app["environment"]["UPSTREAM"].startswith("https://ann:")
    assert CANARY not in app["environment"]["UPSTREAM"]
    # what fetches the application has the logins that fetch it
    assert app["indexes"][0]["password"] == CANARY


def test_one_line_is_one_secret_for_all_hosts_and_another_one_in_the_next_rehearsal() -> None:
    def key(host: str, seed: str = "s") -> Secret:
        found = hosts("production", seed)[host].vars["apps"]["hello"]["secrets"]["KEY"]
        assert isinstance(found, Secret)
        return found

    assert key("web1") == key("web2") != key("web1", "another")


def test_certificates_are_of_the_rehearsals_authority() -> None:
    (web1, *_) = rehearsal("production").assignments
    assert [app.tls for app in web1.served.apps] == ["private-ca"]
    assert web1.host.vars["tls"] == {"ca": "ca"}


def test_what_is_replaced_is_named_without_values() -> None:
    found = replacements("web1,web2", [])
    assert {(each.host, each.what) for each in found if each.host == "web1"} == {
        ("web1", "internal_address"),
        ("web1", "api_token"),
        ("web1", "tls.acme"),
        ("web1", "apps.hello.tls"),
        ("web1", "apps.hello.secrets.KEY"),
        ("web1", "apps.hello.environment.UPSTREAM"),
    }
    assert ("web2", "ec2") in {(each.host, each.what) for each in found}
    assert CANARY not in repr(found)


def test_values_of_plugins_are_replaced_as_well() -> None:
    origin = Origin("inventory/aws_ec2.yml", 1)
    apps = {"shop": {"tls": "acme", "secrets": {"KEY": CANARY}}}
    web1 = hosts("production")["web1"]
    found, told = rehearsed(web1, {"apps": Located(apps, origin)}, kinds_of(web1), "s")
    assert found["apps"].value["shop"]["tls"] == "private-ca"
    assert isinstance(found["apps"].value["shop"]["secrets"]["KEY"], Secret)
    assert len(told) == 2


def test_hosts_that_are_used_are_rehearsed_together() -> None:
    with pytest.raises(UsageError, match="web1 needs db1, which is not in the TARGET"):
        check_whole(rehearsal("web1").assignments)
    check_whole(rehearsal("web1,db1").assignments)


def test_the_next_release_differs_by_a_variable() -> None:
    found = marked(rehearsal("production").assignments)
    assert [app.environment[MARK] for each in found for app in each.served.apps] == ["next", "next"]


def test_an_unknown_target_is_refused() -> None:
    done = CliRunner().invoke(cli, ["rehearse", "productoin"], standalone_mode=False)
    assert "productoin" in str(done.exception)


def test_a_name_that_no_lab_host_can_have_says_what_to_do(tmp_path: Path) -> None:
    text = INVENTORY.replace("web1:", "web1.example.com:")
    project(tmp_path, {"inventory/production.yml": text})
    with pytest.raises(UsageError) as caught:
        rehearsal("production")
    assert "ansible_host" in caught.value.hint


def test_a_role_of_the_same_name_is_no_rehearsal(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nginx"):
        rehearsal("nginx")
    assert json.dumps(rehearsal("production").hosts) == '["web1", "web2", "db1"]'
