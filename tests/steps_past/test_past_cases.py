"""Hosts as people had them when a step once went wrong: what was there, what was asked, what has to come of it.

tests/unit/test_step_cases.py lists the tests of all such cases.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from forked import Hosts
from past import hold
from pictures import Picture

from provision.steps.authorized_keys import AuthorizedKeys
from provision.steps.base import Step
from provision.steps.cron import Job
from provision.steps.files import Absent, Directory, File, Link
from provision.steps.groups import Group
from provision.steps.hosts import HostsEntry
from provision.steps.ini_files import IniValue
from provision.steps.mounts import Mount
from provision.steps.text import Block, Line
from provision.steps.tree import Tree
from provision.steps.users import User
from provision.system.source import Source

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEbCeKBkvPBkKGmVxYv1bQXDxNYZr0v2pV4Wm7bRk1QZ"
MIXED = b"[main]\nkey = 1\n[other]\nfoo = 2\r\nbar = 3\n"
BLOCK = b"# BEGIN prov x\nold\n# END prov x\npasted\r\nlast\n"


@pytest.mark.parametrize(
    ("was", "ini", "now"),
    [
        (MIXED, ("main", "new", "9"), MIXED.replace(b"1\n", b"1\nnew = 9\n")),
        (b"\xef\xbb\xbf[main]\nkey = 1\n", ("main", "key", "2"), b"\xef\xbb\xbf[main]\nkey = 2\n"),
        (b"[a]\nk = 1\n  # a comment\nz = 2\n", ("a", "k", "2"), b"[a]\nk = 2\n  # a comment\nz = 2\n"),
    ],
)
def test_ini_values_in_files_of_mixed_ends_with_marks_and_indented_comments(
    hosts: Hosts, was: bytes, ini: tuple[str, str, str], now: bytes
) -> None:
    host = hosts.new()
    at = host.root / "conf"
    at.write_bytes(was)
    step = IniValue(str(at), *ini)
    assert not hold(host, step).failed
    host.run(step)
    assert at.read_bytes() == now


def test_a_block_is_found_although_another_line_ends_otherwise(hosts: Hosts) -> None:
    host = hosts.new()
    at = host.root / "conf"
    at.write_bytes(BLOCK)
    step = Block(str(at), "new", name="x")
    assert not hold(host, step).failed
    host.run(step)
    assert at.read_bytes() == BLOCK.replace(b"old", b"new")


def test_a_line_that_ends_in_a_carriage_return_is_refused() -> None:
    with pytest.raises(ValueError, match="one line"):
        Line("/conf", "y\r").validate()


@pytest.mark.parametrize(
    ("there", "wanted"),
    [(f"# {KEY} old laptop\n", f"{KEY} ci"), (f"{KEY} ci\n", f'restrict,from="10.0.0.0/8" {KEY} ci')],
)
def test_a_key_that_is_only_in_a_comment_or_lacks_its_options(hosts: Hosts, there: str, wanted: str) -> None:
    host = hosts.new()
    at = host.root / "keys"
    at.write_text(there)
    step = AuthorizedKeys("games", [wanted], False, str(at))
    assert not hold(host, step).failed
    host.run(step)
    comments = [line for line in there.splitlines() if line.startswith("#")]
    assert at.read_text().splitlines() == [*comments, wanted]


def test_a_key_behind_a_mark_of_utf8_is_none_for_sshd(hosts: Hosts) -> None:
    host = hosts.new()
    at = host.root / "keys"
    at.write_text(f"\ufeff{KEY} ci\n")
    step = AuthorizedKeys("games", [f"{KEY} ci"], False, str(at))
    assert hold(host, step).changed
    host.run(step)
    subprocess.run(["ssh-keygen", "-l", "-f", str(at)], check=True, capture_output=True)


def test_backslashes_and_percent_signs_reach_the_job(hosts: Hosts) -> None:
    host = hosts.new("/etc")
    host.sh("mkdir -p /etc/cron.d")
    words = ["/usr/bin/printf", "%s:", r"a\\b", r"\%x"]
    step = Job("t1", "* * * * *", words)
    assert not hold(host, step, picture=dict).failed
    host.run(step)
    # cron takes "\\" as "\" and "\%" as "%" (cron 3.0pl1, do_command.c)
    command = host.read("/etc/cron.d/t1").decode().splitlines()[-1].split(None, 6)[6]
    command = command.replace("\\\\", "\0").replace("\\%", "%").replace("\0", "\\")
    said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert said == r"a\\b:\%x:"


def test_the_canonical_name_is_the_first_one(hosts: Hosts) -> None:
    host = hosts.new("/etc")
    (host.upper("/etc") / "hosts").write_text("127.0.0.1 localhost\n10.0.0.7 db db.internal\n")
    step = HostsEntry("10.0.0.7", ["db.internal", "db"])
    look = lambda: {"hosts": (host.read("/etc/hosts"), "")}  # noqa: E731
    assert hold(host, step, picture=look).changed
    host.run(step)
    assert "db.internal" in host.tells("getent", "hosts", "10.0.0.7").split()[1]
    HostsEntry("10.0.0.7", []).validate()


def test_a_tree_owns_folders_that_were_there(hosts: Hosts) -> None:
    host = hosts.new()
    at = host.root / "tr"
    (at / "sub").mkdir(parents=True)
    for each in (at, at / "sub"):
        shutil.chown(each, "daemon", "daemon")
    step = Tree(str(at), [("sub/f", 0o644, Source.of("new"), "")], owner="www-data", group="www-data")
    assert not hold(host, step).failed
    host.run(step)
    assert {each.owner() for each in (at, at / "sub", at / "sub/f")} == {"www-data"}


def test_undo_of_a_user_a_mount_and_a_file_takes_back_all(hosts: Hosts) -> None:
    host = hosts.new("/etc", "/home", "/var/log", "/var/mail", kept=True)
    at, file = str(host.folder / "mounted"), str(host.folder / "file")

    def look() -> Picture:
        texts: Picture = {path: (Path(path).read_bytes(), "") for path in ("/etc/passwd", "/etc/fstab")}
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        paths = {path: (Path(path).exists(), "") for path in (at, file, "/home/u9")}
        return {**texts, **paths, "mounts": (at in mounts, "")}

    held = hold(
        host, User("u9"), Mount(at, "tmpfs", "tmpfs"), File(file, "x"), picture=lambda: host.sees(look)
    )
    assert not held.failed
    assert held.after["mounts"][0]


MOUNTED = "mkdir -p /etc/x/m; echo other >/etc/x/other; mount -t tmpfs tmpfs /etc/x/m; echo data >/etc/x/m/f"
NEW = Tree("/etc/x", [("m", 0o644, Source.of("new"), "")])


@pytest.mark.parametrize("step", [Absent("/etc/x"), NEW], ids=["absent", "tree"])
def test_what_is_mounted_in_a_folder_that_is_to_go_keeps_its_files(hosts: Hosts, step: Step) -> None:
    host = hosts.new("/etc", kept=True)
    host.sh(MOUNTED)
    found = "/etc/x/m/f", "/etc/x/other"
    look = lambda: host.sees(lambda: {path: (Path(path).exists(),) for path in found})  # noqa: E731
    held = hold(host, step, picture=look)
    assert held.failed == "device or resource busy: /etc/x/m"
    assert held.after == dict.fromkeys(found, (True,))


@pytest.mark.parametrize(
    "step",
    [
        File("/etc/ro/f", "new"),
        File("/etc/ro/new", "new"),
        File("/etc/ro/f", "old\n", mode=0o600),
        Directory("/etc/ro/new"),
        Directory("/etc/ro/d", owner="games"),
        Link("/etc/ro/new", "/srv/target"),
        Absent("/etc/ro/f"),
        Absent("/etc/ro/d"),
        Line("/etc/ro/f", "new"),
        Tree("/etc/ro/d", [("new", 0o644, Source.of("new"), "")]),
    ],
    ids=lambda step: step.label().replace("/etc/", ""),
)
@pytest.mark.parametrize(
    ("past", "message"),
    [
        ("mount -o remount,ro /etc/ro", "read-only file system: /etc/ro/"),
        ("chattr -R +i /etc/ro", "operation not permitted: /etc/ro/"),
    ],
)
def test_a_plan_fails_where_the_kernel_will_refuse(hosts: Hosts, step: Step, past: str, message: str) -> None:
    host = hosts.new("/etc", kept=True)
    host.sh(
        "mkdir /etc/ro; mount -t tmpfs tmpfs /etc/ro; mkdir /etc/ro/d; echo old >/etc/ro/f; touch /etc/ro/d/g"
    )
    host.sh(past)
    held = hold(host, step, picture=dict)
    assert held.failed.startswith(message)


@pytest.mark.parametrize("exclusive", [True, False])
def test_members_of_a_group_that_are_no_users(hosts: Hosts, exclusive: bool) -> None:
    host = hosts.new("/etc")
    host.sh("printf 'g1:x:5555:ghost\\n' >>/etc/group; printf 'g1:!::ghost\\n' >>/etc/gshadow")
    step = Group("g1", members=["games"], exclusive=exclusive)
    assert not hold(host, step, picture=dict).failed
    host.run(step)
    assert host.tells("grep", "^g1:", "/etc/group").strip().split(":")[3] == (
        "games" if exclusive else "ghost,games"
    )
