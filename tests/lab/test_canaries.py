"""Canaries in an inventory, deployed to a real host: where they belong, and nowhere else, whatever is asked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from guarded import guarded, shopdep
from helpers.cli import PROV, prov
from helpers.hosts import Hosts, on
from helpers.projects import HELLO, STACK, Project

from provision.agent.secret_masks import encodings
from provision.secrets import MASK

pytestmark = pytest.mark.lab

NAME = "t-canaries"
CANARY = "c4n4ry"
#: the environment of the application, typed or named; the password of people; a role's; an index's; an argument's
ENVIRONMENT, NAMED, PEOPLE, ROLE, INDEX, ARGUMENT = (f"{CANARY}{n}'Qz&x" for n in "123456")
#: of an Ansible vault, and of a reference that is fetched in each run
VAULTED, REFERRED = (f"{CANARY}{n}'Qz&x" for n in "ab")
REFERENCE = "PROV_TEST_REFERENCE"
VAULT = """
class Vault(Params):
    unseal: Secret
    '''Opens it.'''
    fail: bool = False
    '''Whether the role makes a mistake.'''
"""
BODY = """
files.template(c, "vault.j2", to="/etc/vault.conf", p=p)
command.command(c, ["sh", "-c", "echo $A; cat; echo $A >&2"], environment={"A": p.unseal}, stdin=p.unseal,
                reason="a test")
if p.fail:
    command.command(c, ["sh", "-c", "echo $A; echo $A >&2; exit 3"], environment={"A": p.unseal}, reason="a test",
                    ignore_errors="a test")
    raise RuntimeError("the word is " + p.unseal.reveal())
"""
#: files in which a canary belongs, with their modes; what is kept for an undo is in root's own folder
PLACES = {
    "/etc/prov/hello.env": "600 root",
    "/etc/vault.conf": "600 root",
}
#: of systemd, for one unit's processes alone
CREDENTIALS = "/run/credentials/app-hello@"
KEPT = "/var/lib/prov/runs/"
#: for any of the lines of $1
SEARCH = r"""
grep -rlaF --exclude-dir=proc --exclude-dir=sys -e "$1" / 2>/dev/null |
  while read -r f; do stat -c '%a %U %n' "$f"; done
"""


@pytest.fixture(scope="module")
def project(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A host with an application from whose every corner a canary looks."""
    host = lab_hosts.one(NAME)
    project = Project(tmp_path_factory.mktemp("canaries"))
    project.examples()
    project.role(
        "vault", BODY, head=f"from provision.secrets import Secret\n{VAULT}", vault="word={{ p.unseal }}\n"
    )
    role = project.folder / "roles/vault/__init__.py"
    role.write_text(role.read_text().replace("install(c: Host)", "install(c: Host, p: Vault)"))
    shopdep(project.folder / "index")
    vault = project.folder / "inventory/group_vars/tests/vault.yml"
    vault.parent.mkdir(parents=True)
    vault.write_text(json.dumps({"vaulted": VAULTED}))
    (vault.parent / "plain.yml").write_text(f"referred: !secret {{env: {REFERENCE}}}\n")
    (project.folder / "word").write_text("correct horse\n")
    (project.folder / "pyproject.toml").write_text('[tool.prov]\nvault_password_file = "word"\n')
    ask(project, "vault", "encrypt", str(vault), status=0)
    gateway = host.address.rsplit(".", 1)[0] + ".1"
    with (
        pytest.MonkeyPatch.context() as patch,
        guarded(project.folder / "index", {"build": INDEX}, gateway) as (address, _),
    ):
        patch.setenv(REFERENCE, REFERRED)
        with (project.folder / "flask_hello/requirements.txt").open("a") as f:
            f.write(f"shopdep\n--trusted-host {gateway}\n")
        declare(project, address)
        told = ask(project, "deploy", NAME, "-v", status=0)
        assert CANARY not in told
        yield project


def declare(project: Project, address: str, **vault: Any) -> None:
    app = {
        **HELLO,
        "auth": {"by": "basic", "paths": ["/private"], "users": {"ann": PEOPLE}},
        "environment": {
            "PAYMENT_KEY": NAMED,
            "PLAIN": "here",
            "FETCHED": "{{ referred }}",
            "KEPT": "{{ vaulted }}",
        },
        "secrets": {"FERNET": ENVIRONMENT, "JOINED": "{{ (vaulted ~ referred) | b64encode }}"},
        "secrets_as": "credentials",
        "indexes": [{"url": f"http://{address}/simple", "username": "build", "password": INDEX}],
    }
    variables = {"apps": {"hello": app}, "vault": {"unseal": ROLE, **vault}}
    project.inventory({NAME: variables}, ansible_connection="lab", roles=[*STACK, "vault"])
    (project.folder / "address").write_text(address)


def forms(word: str) -> str:
    """A word in its encodings, a line each."""
    return "\n".join(sorted(set(encodings(word))))


def ask(project: Project, *argv: str, status: int | None = None) -> str:
    """What prov says, on both streams, as a person sees it."""
    done = subprocess.run(
        [PROV, *argv], cwd=project.folder, capture_output=True, text=True, timeout=300, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert status is None or done.returncode == status, (argv, done.stdout, done.stderr)
    return done.stdout + done.stderr


@pytest.mark.trust("6", "canaries-on-a-host")
def test_the_disk_has_canaries_where_they_belong(project: Project) -> None:
    """In files of the application and of the role, and in what is kept of them for an undo.

    No process has one as an argument, and only those of the application have some in their environment.
    """
    found = {}
    for line in on(NAME, "sh", "-c", SEARCH, "sh", forms(CANARY), timeout=200).splitlines():
        mode, user, path = line.split(" ", 2)
        kept = path.startswith(KEPT) and "/kept/" in path and (mode, user) == ("600", "root")
        # with an access list for the unit's user, the group's bits are its mask (acl(5))
        if not kept and not (path.startswith(CREDENTIALS) and mode in ("400", "440")):
            found[path] = f"{mode} {user}"
    assert found == PLACES
    assert on(NAME, "stat", "-c", "%a %U", "/var/lib/prov") == "700 root"
    assert CANARY not in on(NAME, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    others = 'for p in /proc/[0-9]*; do [ "$(stat -c %U $p)" = app-hello ] || cat $p/environ; done 2>/dev/null; true'
    assert CANARY not in on(NAME, "sh", "-c", others)
    written = on(NAME, "cat", "/etc/prov/hello.env")
    assert all(word[:7] in written for word in (NAMED, VAULTED, REFERRED))
    at = "/etc/prov/hello.credentials/FERNET.cred"
    assert on(NAME, "systemd-creds", "decrypt", "--name=FERNET", at, "-") == ENVIRONMENT
    assert on(NAME, "sh", "-c", "ls /srv/hello/venvs/*/lib/*/site-packages").count("shopdep.py") == 1


@pytest.mark.trust("6", "canaries-on-a-host")
@pytest.mark.parametrize(
    "argv",
    [
        ("hosts", "--json"),
        ("vars", NAME, "--origin"),
        ("secrets",),
        ("deploy", NAME, "--list-steps"),
        ("deploy", NAME, "--list-steps", "--json"),
        ("deploy", NAME, "-v", "--diff"),
        ("plan", NAME, "-v"),
        ("plan", NAME, "--json"),
        ("drift", NAME),
        ("history", NAME),
        ("history", NAME, "1"),
        ("history", NAME, "1", "--json"),
        ("run", NAME, "--", "cat", "/var/lib/prov/ledger.json"),
        ("undo", NAME, "--check"),
    ],
    ids=" ".join,
)
def test_no_command_shows_a_canary(project: Project, argv: tuple[str, ...]) -> None:
    told = ask(project, *argv)
    assert CANARY not in told and "Traceback" not in told


@pytest.mark.trust("6", "plan-file-has-passwords")
def test_saved_plans_and_their_refusals(project: Project) -> None:
    """Also when everything differs, and when a role fails with a secret in its exception."""
    address = (project.folder / "address").read_text()
    on(NAME, "sh", "-c", "echo drift >> /etc/vault.conf; echo drift >> /etc/prov/hello.env")
    told = ask(project, "plan", NAME, "-o", "x.plan")
    text = (project.folder / "x.plan").read_text()
    told += ask(project, "show", "x.plan") + ask(project, "show", "x.plan", "--json")
    assert json.loads(text)["plan"]["hosts"][NAME]["variables"]["vault.unseal"] == f'"{MASK}"'
    declare(project, address, unseal=f"{CANARY}7-another-one")
    refused = ask(project, "deploy", "--plan", "x.plan", status=2)
    assert "a secret has changed" in refused
    declare(project, address, unseal=f"{CANARY}7-another-one", fail=True)
    failed = ask(project, "deploy", NAME, "-v", "--diff", status=1)
    assert f"the word is {MASK}" in failed
    failed += ask(project, "deploy", NAME, "--json", status=1)
    failed += ask(project, "history", NAME) + ask(project, "history", NAME, "--json")
    declare(project, address, unseal=[f"{CANARY}8"])
    wrong = ask(project, "deploy", NAME, status=2)
    assert "vault.unseal: must be text" in wrong
    assert CANARY not in told + text + refused + failed + wrong
    declare(project, address)
    assert CANARY not in ask(project, "deploy", NAME, "-v", status=0)


@pytest.mark.trust("6", "run-arguments-stay")
def test_arguments_of_run_stay_in_no_record(project: Project) -> None:
    ask(project, "run", NAME, "--", "echo", ARGUMENT, status=0)
    ask(project, "run", NAME, "--", "false", ARGUMENT, status=1)
    assert on(NAME, "sh", "-c", SEARCH, "sh", forms(ARGUMENT[:7]), timeout=200) == ""
    assert ARGUMENT not in ask(project, "history", NAME, "--json")


def test_a_second_deploy_finds_nothing_to_change(project: Project) -> None:
    """The hash of a password stays, and so does what came from the index."""
    before = on(NAME, "cat", "/etc/prov/passwords/hello")
    assert (
        before.startswith("ann:$2y$12$")
        and on(NAME, "stat", "-c", "%a", "/etc/prov/passwords/hello") == "640"
    )
    ask(project, "deploy", NAME, status=0)
    planned = prov("plan", NAME, cwd=project.folder)
    assert [each["step"] for each in planned.steps(NAME) if each["state"] == "changed"] == []
    assert on(NAME, "cat", "/etc/prov/passwords/hello") == before
    assert on(NAME, "stat", "-c", "%a %U", "/etc/prov/passwords/.hello.marks") == "600 root"


def test_the_cache_of_the_controller_is_private(project: Project, tmp_path: Path) -> None:
    """What a run keeps beside the project: its authority alone."""
    kept = [p for p in (project.folder / ".prov").rglob("*") if p.is_file()]
    assert kept and not any(CANARY.encode() in p.read_bytes() for p in kept)
