"""Folders of files, their rights, and files of keys, where something else has been before."""

from __future__ import annotations

import shutil

import pasts
import pytest
from forked import Hosts
from hypothesis import example
from hypothesis import strategies as st
from past import drawn, hold
from pasts import PEOPLE, Attributes, There, put
from pictures import others

from provision.steps.acl import Acl
from provision.steps.authorized_keys import AuthorizedKeys, NoAuthorizedKeys, identity
from provision.steps.files import Directory
from provision.steps.known_hosts import KnownHost
from provision.steps.permissions import Permissions
from provision.steps.tree import Tree
from provision.system.source import Source

data = st.sampled_from([b"", b"1", b"2"])
people = st.none() | st.sampled_from(sorted(PEOPLE))
KEY, OTHER = "ssh-ed25519 AAAA", "ssh-rsa BBBB"
LINES = ["", f"# {KEY} old", f"{KEY} mine", f"restrict {KEY}", f"cert-authority {KEY}", OTHER]
LINES += [f'command="a {KEY} b" {OTHER}']
HOSTS = ["", f"# a.test {KEY}", f"a.test {KEY}", f"a.test,b.test {OTHER}", f"A.TEST {OTHER}"]
HOSTS += [f"@revoked a.test {KEY}", "*.test x"]


@example(
    top=There("file", b"", Attributes(mode=0o600, other=True)),
    sub=There("none"),
    owner="www-data",
    group=None,
    folder_mode=None,
    delete=False,
)
@drawn(
    top=pasts.theres(data),
    sub=pasts.theres(data),
    owner=people,
    group=people,
    folder_mode=st.sampled_from([None, 0o750]),
    delete=st.booleans(),
)
def test_tree(
    hosts: Hosts,
    top: There,
    sub: There,
    owner: str | None,
    group: str | None,
    folder_mode: int | None,
    delete: bool,
) -> None:
    host = hosts.new()
    at = host.root / "t"
    at.mkdir()
    put(top, at / "a")
    put(sub, at / "sub")
    entries = [
        ("a", 0o644, Source.of(b"1"), ""),
        ("sub/b", 0o755, Source.of(b"2"), ""),
        ("sub/l", 0o777, None, "b"),
    ]
    step = Tree(str(at), entries, owner=owner, group=group, folder_mode=folder_mode, delete=delete)
    held = hold(host, step)
    if held.failed:
        assert not delete and top.kind == "folder", held.failed
        return
    assert (held.after["t/a"][4], held.after["t/sub/b"][4], held.after["t/sub/l"][4]) == (b"1", b"2", "b")
    for path in ("t", "t/a", "t/sub", "t/sub/b", "t/sub/l"):
        assert owner is None or held.after[path][2] == PEOPLE[owner][0], path
        assert group is None or held.after[path][3] == PEOPLE[group][1], path
    if folder_mode is not None:
        assert held.after["t"][1] == held.after["t/sub"][1] == folder_mode
    wanted = {".", "t", "t/a", "t/sub", "t/sub/b", "t/sub/l"}
    left = set(held.before) if not delete else set()
    assert set(held.after) <= wanted | left
    assert delete or "t/sub/inside" in held.after or sub.kind != "folder"


#: what there is, and more often than elsewhere several names of a file
kinds = st.sampled_from(["file", "hard", "hard", "folder", "link", "broken", "pipe"])
several = pasts.theres(data) | st.builds(There, kinds, data, pasts.attributes())


@drawn(
    top=several,
    sub=several,
    of=st.sampled_from(["root", "root", "games", "www-data"]),
    owner=people,
    group=people,
    files=st.sampled_from([None, 0o640, 0o4755]),
    handed=st.booleans(),
)
def test_permissions(
    hosts: Hosts,
    top: There,
    sub: There,
    of: str,
    owner: str | None,
    group: str | None,
    files: int | None,
    handed: bool,
) -> None:
    host = hosts.new()
    at = host.root / "t/in"
    at.mkdir(parents=True)
    put(top, at / "a")
    put(sub, at / "sub")
    shutil.chown(at, *PEOPLE[of])
    before = [Directory(str(at.parent), 0o755, "daemon", "daemon")] if handed else []
    held = hold(host, *before, Permissions(str(at), owner, group, folders=0o750, files=files))
    if held.failed:
        # the owner of a folder may give their own files other names there
        assert "has another name elsewhere" in held.failed
        assert "hard" in (top.kind, sub.kind) and (handed or of != "root")
        return
    assert {p: w[4] for p, w in held.before.items()} == {p: w[4] for p, w in held.after.items()}
    assert held.after["t/in"][1] == 0o750


@pytest.mark.parametrize("of", ["root", "games"])
@pytest.mark.parametrize("owner", ["root", "games", "daemon"])
def test_permissions_of_a_file_with_two_names(hosts: Hosts, of: str, owner: str) -> None:
    """In a user's folder only that user's own files may have other names."""
    for whose in ("root", "games", "www-data"):
        host = hosts.new()
        at = host.root / "t"
        at.mkdir()
        (at / "plain").write_bytes(b"1")
        put(There("hard", b"1", Attributes(whose, 0o604, acl=True, other=True)), at / "a")
        shutil.chown(at, *PEOPLE[of])
        held = hold(host, Permissions(str(at), owner, owner, folders=0o750, files=0o640))
        assert ("has another name elsewhere" in held.failed) == (of == "games" and whose != "games")
        if not held.failed:
            assert {what[2] for path, what in held.after.items() if path != "."} == {PEOPLE[owner][0]}


@drawn(there=pasts.theres(data))
def test_acl(hosts: Hosts, there: There) -> None:
    host = hosts.new()
    put(there, host.root / "f")
    held = hold(host, Acl(str(host.root / "f"), ["u:daemon:r"]))
    assert others(held.before, "f", "f.end") == others(held.after, "f", "f.end")
    if not held.failed:
        assert (held.after["f"][2:5], held.before["f"][2:5]) == (held.before["f"][2:5],) * 2


@drawn(
    there=pasts.theres(pasts.texts(st.sampled_from(LINES))),
    key=st.sampled_from([f"{KEY} new", f'from="10.0.0.0/8" {KEY} new']),
    exclusive=st.booleans(),
    removed=st.booleans(),
)
def test_authorized_keys(hosts: Hosts, there: There, key: str, exclusive: bool, removed: bool) -> None:
    host = hosts.new()
    put(there, host.root / "f")
    path = str(host.root / "f")
    held = hold(
        host,
        NoAuthorizedKeys("games", [key], path)
        if removed
        else AuthorizedKeys("games", [key], exclusive, path),
    )
    if held.failed or "f" not in held.after:
        assert removed or there.kind not in ("none", "file")
        return
    lines = [line.decode(errors="replace").lstrip("\ufeff") for line in held.after["f"][4].split(b"\n")]
    keys = [line for line in lines if identity(line) == "AAAA"]
    assert bool(keys) != removed
    if key.startswith("from=") and not removed:
        assert [line.rstrip("\r") for line in keys] == [key]
    if exclusive and not removed:
        assert {identity(line) for line in lines} <= {"", "AAAA"}
    before = held.before["f"][4].split(b"\n") if "f" in held.before else []
    assert sum(b"# ssh" in line for line in before) == sum("# ssh" in line for line in lines)


@drawn(past=st.lists(st.sampled_from(HOSTS), max_size=5), keys=st.sampled_from([[], [KEY], [KEY, OTHER]]))
def test_known_host(hosts: Hosts, past: list[str], keys: list[str]) -> None:
    host = hosts.new("/etc")
    (host.upper("/etc") / "ssh").mkdir()
    (host.upper("/etc") / "ssh/ssh_known_hosts").write_text("".join(line + "\n" for line in past))
    found: list[str] = []

    def effect() -> None:
        found.extend(host.tells("cat", "/etc/ssh/ssh_known_hosts").splitlines())

    held = hold(host, KnownHost("a.test", keys), effect=effect)
    assert not held.failed
    mine = [line.split(" ", 1)[1] for line in found if "a.test" in line.split(" ")[0].lower().split(",")]
    assert sorted(mine) == sorted(keys) or sorted(set(mine)) == sorted(keys)
    assert [line for line in found if line[:1] in "#@*"] == [line for line in past if line[:1] in "#@*"]
