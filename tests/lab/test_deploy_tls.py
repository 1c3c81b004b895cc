"""Certificates: verified, replaced in time, served at once; keys that never leave the host."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import yaml
from helpers.cli import Run, prov
from helpers.hosts import on
from helpers.journeys import TWO, Journey
from helpers.tls import own_request
from helpers.web import Site

from provision.apps.authority import Authority

pytestmark = pytest.mark.lab

KEY, CERTIFICATE = "/etc/prov/tls/hello.key", "/etc/prov/tls/hello.crt"


def deploy(journey: Journey) -> Run:
    return prov("deploy", TWO, cwd=journey.project.folder, status=0)


def certificate_step(run: Run) -> dict[str, object]:
    (step,) = [s for s in run.steps(TWO) if s["step"] == f"certificate {CERTIFICATE}"]
    return step


def put(journey: Journey, days: float, authority: Authority) -> None:
    """Put a certificate in place that is good but for its age, as nginx has it served for long."""
    request = on(TWO, "openssl", "req", "-new", "-key", KEY, "-subj", "/CN=hello.test")
    sign = partial(authority.sign, request.encode(), ["hello.test"])
    pem = sign(days).decode()  # type: ignore[arg-type]
    on(TWO, "sh", "-c", f"printf %s '{pem}' >{CERTIFICATE}")
    on(TWO, "systemctl", "reload", "nginx")


def test_a_certificate_is_replaced_before_it_ends_and_the_new_one_is_served(two: Journey) -> None:
    site = two.site(TWO, "hello")
    # an hour before and half an hour after now: a third of its life is left
    put(two, 0.5 / 24 - 0.01 / 24, Authority(two.project.ca.parent))
    old, key = site.serial(), on(TWO, "sha256sum", KEY)
    run = deploy(two)
    step = certificate_step(run)
    assert step["state"] == "changed"
    assert [change["what"] for change in step["diff"]] == ["lifetime"]  # type: ignore[attr-defined]
    changed = [s["step"] for s in run.steps(TWO) if s["state"] == "changed"]
    assert changed == [f"certificate {CERTIFICATE}", "service nginx"]
    (asked,) = [s for s in run.steps(TWO) if s["step"] == "certificate served for hello.test"]
    assert asked["why"] == f"is the one in {CERTIFICATE}"
    new = site.serial()
    assert new != old
    served = on(TWO, "openssl", "x509", "-in", CERTIFICATE, "-noout", "-serial")
    assert int(served.removeprefix("serial="), 16) == new
    assert on(TWO, "sha256sum", KEY) == key, "the key stays"
    assert deploy(two).tally(TWO)["changed"] == 0


def test_a_new_certificate_that_nginx_was_not_told_of_is_served_after_the_next_run(two: Journey) -> None:
    """The classic failure: new certificate on disk, old one served. Whoever put it there, and died before."""
    site = two.site(TWO, "hello")
    old = site.serial()
    request = on(TWO, "openssl", "req", "-new", "-key", KEY, "-subj", "/CN=hello.test")
    pem = Authority(two.project.ca.parent).sign(request.encode(), ["hello.test"], 90).decode()
    on(TWO, "sh", "-c", f"printf %s '{pem}' >{CERTIFICATE}")
    assert site.serial() == old
    run = deploy(two)
    assert certificate_step(run)["state"] == "ok"
    assert [s["step"] for s in run.steps(TWO) if s["state"] == "changed"] == ["service nginx"]
    assert site.serial() != old


def test_a_key_is_replaced_on_demand_and_the_next_deploy_changes_nothing(two: Journey) -> None:
    site = two.site(TWO, "hello")
    old, key = site.serial(), on(TWO, "sha256sum", KEY)
    run = prov("tls rotate", TWO, "hello", cwd=two.project.folder, status=0)
    assert "PRIVATE KEY" not in run.stdout + run.stderr
    assert site.serial() != old
    assert on(TWO, "sha256sum", KEY) != key
    assert (
        on(TWO, "sh", "-c", f"stat -c '%a %U' {KEY}; ls /etc/prov/tls | grep -c next; true") == "600 root\n0"
    )
    assert deploy(two).tally(TWO)["changed"] == 0
    prov("undo", TWO, cwd=two.project.folder, status=0)
    assert (site.serial(), on(TWO, "sha256sum", KEY)) == (old, key)
    assert deploy(two).tally(TWO)["changed"] == 0
    # nothing is replaced for a front that could not serve it
    on(TWO, "systemctl", "stop", "nginx")
    refused = prov("tls rotate", TWO, "hello", cwd=two.project.folder, status=1)
    assert "nginx does not run" in refused.stdout
    on(TWO, "systemctl", "start", "nginx")
    assert on(TWO, "sha256sum", KEY) == key


def test_a_certificate_of_another_authority_is_replaced(two: Journey, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    other.make()
    put(two, 90, other)
    run = deploy(two)
    assert [change["what"] for change in certificate_step(run)["diff"]] == ["issuer"]  # type: ignore[attr-defined]
    assert two.site(TWO, "hello").get().status == 200


def test_a_further_domain_is_a_new_certificate(two: Journey) -> None:
    inventory = two.project.folder / "inventory/hosts.yml"
    text = inventory.read_text()
    inventory.write_text(text.replace("- hello.test\n", "- hello.test\n          - www.hello.test\n"))
    run = deploy(two)
    assert [change["what"] for change in certificate_step(run)["diff"]] == ["names"]  # type: ignore[attr-defined]
    assert Site(two.hosts[TWO].address, "www.hello.test", two.project.ca).get().status == 200
    inventory.write_text(text)
    deploy(two)


def test_the_key_of_the_authority_changes_and_people_show_its_certificates(two: Journey) -> None:
    """Clients that trust what the authority handed out before a stage still do after it."""
    folder, inventory = two.project.folder, two.project.folder / "inventory/hosts.yml"
    before = inventory.read_text()
    content = yaml.safe_load(before)
    auth = {"by": "certificate", "people": ["ann"], "paths": ["/private/"]}
    content["tests"]["hosts"][TWO]["apps"]["hello"]["auth"] = auth
    inventory.write_text(yaml.safe_dump(content))
    site = replace(two.site(TWO, "hello"), ca=folder / "trusted.crt")
    for stage in ([], ["--switch"], ["--finish"]):
        site.ca.write_bytes(two.project.ca.read_bytes())
        prov("tls ca rotate", TWO, *stage, cwd=folder, status=0)
        deploy(two)
        assert site.get("/healthz").status == 200
    assert deploy(two).tally(TWO)["changed"] == 0
    for name in ("ann", "bob"):
        prov("tls client", TWO, name, "--to", str(folder), cwd=folder, status=0)
    people = (None, folder / "ann", folder / "bob")
    assert [replace(site, person=who).get("/private/x").status for who in people] == [403, 404, 403]
    inventory.write_text(before)
    deploy(two)


def test_keys_never_leave_the_host(two: Journey) -> None:
    assert on(TWO, "stat", "-c", "%a %U %G", KEY) == "600 root root"
    assert on(TWO, "stat", "-c", "%a", CERTIFICATE) == "644"
    key = on(TWO, "cat", KEY)
    assert "PRIVATE KEY" in key
    # the first line is the same in all keys of this kind
    secret = key.splitlines()[2]
    for run in (two.planned, two.first, two.second, deploy(two)):
        assert "PRIVATE KEY" not in run.stdout + run.stderr
        assert secret not in run.stdout + run.stderr
    for path in two.project.folder.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
    assert (two.project.folder / ".prov/ca/ca.key").stat().st_mode & 0o777 == 0o600
    assert secret not in on(TWO, "cat", "/var/lib/prov/ledger.json")


def test_a_certificate_of_the_users_own_and_back(two: Journey, tmp_path: Path) -> None:
    """By two lines of the inventory; the front serves it at once, and the key is root's alone."""
    other = Authority(tmp_path / "other")
    other.make()
    folder = two.project.folder
    asked = own_request(folder)
    inventory = folder / "inventory/hosts.yml"
    before = inventory.read_text()
    content = yaml.safe_load(before)
    content["tests"]["hosts"][TWO]["apps"]["hello"]["tls"] = {
        "certificate": "../own.crt",
        "key": "../own.key",
    }
    inventory.write_text(yaml.safe_dump(content))

    (folder / "own.crt").write_bytes(other.sign(asked, ["other.test"], 30))
    refused = prov("deploy", TWO, cwd=folder, status=2)
    assert "own.crt is not for hello.test, but for other.test" in refused.error()["message"]
    assert two.site(TWO, "hello").get().status == 200, "nothing was touched"

    (folder / "own.crt").write_bytes(other.sign(asked, ["hello.test"], 30))
    planned = prov("plan", TWO, cwd=folder, status=3)
    run = deploy(two)
    changed = [s["step"] for s in run.steps(TWO) if s["state"] == "changed"]
    assert changed == [s["step"] for s in planned.steps(TWO) if s["state"] == "changed"]
    assert changed == [f"file {KEY}", f"file {CERTIFICATE}", "service nginx"]
    assert "PRIVATE KEY" not in planned.stdout + run.stdout
    assert on(TWO, "stat", "-c", "%a %U", KEY) == "600 root"
    assert Site(two.hosts[TWO].address, "hello.test", other.certificate_path).get().status == 200
    assert deploy(two).tally(TWO)["changed"] == 0

    inventory.write_text(before)
    deploy(two)
    assert two.site(TWO, "hello").get().status == 200
    assert deploy(two).tally(TWO)["changed"] == 0
