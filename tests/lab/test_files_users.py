"""People, their keys and sudo, rights on files, and checkouts over ssh with a deploy key, on a real host."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.cli import prov
from helpers.hosts import Hosts, on
from helpers.projects import Project

from provision.controller.outcome import Outcome
from provision.lab import openssh

sys.path.append(str(Path(__file__).parents[1] / "steps_more"))
from steps_bench import Bench

from provision.steps.acl import Acl
from provision.steps.ageing import Ageing
from provision.steps.apt import Packages
from provision.steps.authorized_keys import AuthorizedKeys
from provision.steps.base import Step
from provision.steps.files import Directory, File
from provision.steps.git import Checkout
from provision.steps.groups import Group, NoGroup
from provision.steps.known_hosts import KnownHost
from provision.steps.nftables import Firewall
from provision.steps.permissions import Permissions
from provision.steps.ssh import ClientDropIn
from provision.steps.ssh_keys import KeyPair
from provision.steps.sudoers import NoSudoers, Sudoers
from provision.steps.users import NoUser, User

pytestmark = pytest.mark.lab
NAME = "t-fu1"


@pytest.fixture
def bench(lab_hosts: Hosts, tmp_path: Path) -> Iterator[Bench]:
    """Runs steps on the host t-fu1, whose state these tests share."""
    found = Bench(tmp_path)
    found.argv = openssh.argv(lab_hosts.one(NAME), batch=True)
    yield found


def walk(bench: Bench, *steps: Step) -> list[Outcome]:
    """Steps one after the other: planned, applied, applied again. The plan says what the deploy does."""
    planned = bench.run(*steps, plan=True)
    real = bench.run(*steps)
    assert [o.error for o in real] == [None] * len(steps)
    assert [o.diff for o in planned] == [o.diff for o in real]
    return real


def test_a_person_from_first_to_last_day(bench: Bench) -> None:
    hashed = on(NAME, "openssl", "passwd", "-6", "geheim")
    first = (
        Group("staff2", gid=4242),
        User("ada", groups=["staff2", "www-data"], password=hashed, expires="2099-12-31", comment="Ada"),
        Ageing("ada", max_days=90, min_days=1, warn_days=14, inactive_days=30),
    )
    walk(bench, *first)
    assert [o.state for o in bench.run(*first)] == ["ok"] * 3
    assert on(NAME, "getent", "shadow", "ada").split(":")[1] == hashed
    assert on(NAME, "id", "-Gn", "ada").split() == ["ada", "www-data", "staff2"]
    said = on(NAME, "chage", "-l", "ada")
    assert "Dec 31, 2099" in said and "between password change\t\t: 90" in said
    # what someone else does is put right, and what the user may choose is left
    on(NAME, "usermod", "--lock", "--expiredate", "1", "-G", "games", "ada")
    on(NAME, "sh", "-c", "echo kept > /home/ada/notes; chown ada: /home/ada/notes")
    second = (
        User("ada", groups=["staff2"], exact_groups=True, locked=False, expires="2099-12-31"),
        User("ada", password="$6$other$hash", keep_password=True),
        User("ada", home="/srv/ada", move_home=True),
        Group("staff2", members=["games"], exclusive=True),
    )
    real = walk(bench, *second)
    assert [c[:3] for c in real[0].diff] == [
        ("groups", "games", "staff2"),
        ("locked", "yes", "no"),
        ("expires", "1970-01-02", "2099-12-31"),
    ]
    assert real[1].state == "ok"
    assert on(NAME, "stat", "-c", "%U", "/srv/ada/notes") == "ada"
    assert on(NAME, "ls", "/home") == ""
    bench.fails(NoGroup("ada"), "is the primary group of ada")
    real = walk(bench, NoUser("ada", with_home=True), NoGroup("ada"), NoGroup("staff2"))
    assert [o.state for o in real] == ["changed", "ok", "changed"]
    assert on(NAME, "sh", "-c", "ls /srv; getent group ada || true") == ""


def test_a_plan_of_a_bare_host_knows_users_groups_and_homes(bench: Bench) -> None:
    steps = (
        Group("ops", members=["games"]),
        User("bob", group="ops", home="/srv/bob", password="!", expires="2099-01-01"),
        Ageing("bob", max_days=60),
        Directory("/srv/bob", mode=0o750),
        KeyPair("bob"),
        File("/srv/bob/f", "x", owner="bob", group="ops", mode=0o664),
        Acl("/srv/bob/f", ["u:games:r"]),
        Permissions("/srv/bob", folders=0o700, exclude=[".ssh"]),
        NoUser("bob", with_home=True),
        NoGroup("ops"),
    )
    walk(bench, *steps)


def test_sudoers_are_judged_as_a_whole(bench: Bench) -> None:
    on(NAME, "useradd", "shop")
    bench.run(Packages(["sudo"]))
    bench.cycle(Sudoers("shop", "Cmnd_Alias SHOP = /bin/true\nshop ALL=(root) NOPASSWD: SHOP"))
    assert on(NAME, "runuser", "-u", "shop", "--", "sudo", "-n", "true") == ""
    for bad in ("Cmnd_Alias SHOP = /bin/false", "shop ALL=(root NOPASSWD: /bin/true"):
        real = bench.fails(Sudoers("other", bad), "judging sudoers as it would be failed")
        assert real.error is not None and "/etc/sudoers.d/" in real.error.stderr
    assert on(NAME, "ls", "-A", "/etc/sudoers.d").split() == ["README", "shop"]
    bench.cycle(NoSudoers("shop"))
    on(NAME, "userdel", "shop")


def test_a_checkout_over_ssh_with_a_deploy_key_made_on_the_host(bench: Bench) -> None:
    for first in (Packages(["git"]), User("git", home="/srv/git"), User("shop", home="/srv/shop")):
        bench.run(first)
    made = "git init -q -b main /srv/git/x.git && cd /srv/git/x.git && git config user.email t@t.test &&"
    commit = "git config user.name t && git commit -q --allow-empty -m one"
    on(NAME, "runuser", "-u", "git", "--", "sh", "-c", f"{made} {commit}")
    (real,) = walk(bench, KeyPair("shop", comment="deploy"))
    assert real.stdout.startswith("ssh-ed25519 AAAA") and real.stdout.endswith(" deploy\n")
    again, _ = bench.run(KeyPair("shop"), AuthorizedKeys("git", ["restrict " + real.stdout.strip()]))
    assert again.stdout == real.stdout
    key = "/srv/shop/.ssh/id_ed25519"
    step = Checkout("git@127.0.0.1:x.git", "/srv/shop/src", "main", user="shop", key_file=key)
    failed = bench.fails(step, "Host key verification failed")
    assert failed.error is not None and "known_hosts" in failed.error.hint
    theirs = on(NAME, "cat", "/etc/ssh/ssh_host_ed25519_key.pub")
    known = KnownHost("127.0.0.1", [theirs], user="shop", hashed=True)
    # a plan cannot ask a server that only the deploy will trust
    planned = bench.run(known, step, step, plan=True)
    assert [o.state for o in planned] == ["changed", "changed", "ok"], [o.error for o in planned]
    assert [o.state for o in bench.run(known, step, known, step)] == ["changed", "changed", "ok", "ok"]
    assert on(NAME, "runuser", "-u", "shop", "--", "ssh-keygen", "-F", "127.0.0.1")
    assert on(NAME, "stat", "-c", "%U", "/srv/shop/src/.git/HEAD") == "shop"
    on(
        NAME,
        "runuser",
        "-u",
        "git",
        "--",
        "git",
        "-C",
        "/srv/git/x.git",
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        "two",
    )
    assert [c.what for o in walk(bench, step) for c in o.diff] == ["commit"]
    # the server's key has changed: refused, until someone who knows says so
    bench.run(KnownHost("127.0.0.1", ["ssh-ed25519 " + real.stdout.split()[1]], user="shop"))
    bench.fails(step, "Host key verification failed")
    walk(bench, KnownHost("127.0.0.1", [theirs]), KnownHost("127.0.0.1", user="shop"))
    assert bench.run(step)[0].state == "ok"
    # a key that the server does not know
    other = f"{key}-other"
    bench.run(KeyPair("shop", path=other, kind="rsa", bits=2048))
    stranger = Checkout("git@127.0.0.1:x.git", "/srv/shop/src", "main", user="shop", key_file=other)
    failed = bench.fails(stranger, "Permission denied")
    assert failed.error is not None and "deploy key" in failed.error.hint


def test_settings_of_ssh_are_judged(bench: Bench) -> None:
    judge = ["ssh", "-G", "-F", "%s", "prov.invalid"]
    bench.cycle(ClientDropIn("10-prov.conf", "Host gate\n  Port 2222\n", mode=0o644, validate_with=judge))
    assert "port 2222" in on(NAME, "ssh", "-G", "gate").splitlines()
    bad = ClientDropIn("10-prov.conf", "Port many\n", validate_with=judge)
    bench.fails(bad, "judging the new /etc/ssh/ssh_config.d/10-prov.conf")
    assert "port 2222" in on(NAME, "ssh", "-G", "gate").splitlines()


def test_acls_as_getfacl_reads_them(bench: Bench) -> None:
    bench.run(Packages(["acl"]))
    rights = Acl("/srv/up", ["u:games:rwX", "g:mail:rX", "d:u:games:rwX"], recursive=True)
    walk(bench, Directory("/srv/up"), File("/srv/up/f", "secret\n", mode=0o640), rights)
    assert on(NAME, "getfacl", "-cp", "/srv/up/f").split() == [
        "user::rw-",
        "user:games:rw-",
        "group::r--",
        "group:mail:r--",
        "mask::rw-",
        "other::---",
    ]
    assert on(NAME, "runuser", "-u", "games", "--", "cat", "/srv/up/f") == "secret"
    assert "default:user:games:rwx" in on(NAME, "getfacl", "-cp", "/srv/up")
    on(NAME, "setfacl", "-m", "u:games:r", "/srv/up/f")
    walk(bench, Acl("/srv/up/f", ["u:games:rw"]), Acl("/srv/up", exclusive=True, recursive=True))
    assert "games" not in on(NAME, "getfacl", "-Rcp", "/srv/up")


def test_a_firewall_keeps_the_port_by_which_we_came(bench: Bench, lab_hosts: Hosts) -> None:
    """No sshd is configured for this port: only the connection itself can tell."""
    on(NAME, "/usr/sbin/sshd", "-p", "2222", "-o", "PidFile=/run/sshd-2222.pid")
    at = bench.argv.index("-p") if "-p" in bench.argv else None
    if at is None:
        bench.argv[1:1] = ["-p", "2222"]
    else:
        bench.argv[at + 1] = "2222"
    bench.run(Packages(["nftables"]))
    walk(bench, Firewall(["80"]))
    rules = on(NAME, "nft", "list", "table", "inet", "prov")
    assert "tcp dport 22 accept" in rules and "tcp dport 2222 accept" in rules
    address = lab_hosts.one(NAME).address
    socket.create_connection((address, 2222), timeout=10).close()
    bench.settled(Firewall(["80"]))
    walk(bench, Firewall(present=False))
    on(NAME, "sh", "-c", "kill $(cat /run/sshd-2222.pid)")


def test_a_folder_is_kept_as_it_is_here(project: Project, lab_hosts: Hosts) -> None:
    lab_hosts.one(NAME)
    project.inventory({NAME: {"ansible_connection": "lab", "roles": ["pages"]}})
    head = "from provision.steps import tree"
    project.role("pages", 'tree.sync(c, "www", to="/srv/www", exclude=["*.log", "cache"])', head=head)
    folder = project.folder / "roles/pages/files/www"
    for path in ("index.html", "img/a.png", "debug.log"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)

    def changed() -> list[tuple[str, str]]:
        planned = prov("plan", NAME, cwd=project.folder).steps(NAME)
        steps = prov("deploy", NAME, cwd=project.folder, status=0).steps(NAME)
        assert [s["diff"] for s in steps] == [s["diff"] for s in planned]
        return [(c["what"], c["before"] or c["after"]) for s in steps for c in s["diff"]]

    assert changed() == [("new file", "img/a.png"), ("new file", "index.html")]
    on(NAME, "sh", "-c", "mkdir -p /srv/www/cache; touch /srv/www/cache/x /srv/www/own.log /srv/www/old.html")
    (folder / "index.html").write_text("new")
    assert changed() == [("changed file", "index.html"), ("removed", "old.html")]
    assert changed() == []
    assert on(NAME, "ls", "/srv/www").split() == ["cache", "img", "index.html", "own.log"]
