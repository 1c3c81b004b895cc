"""Files, folders and links where something else has been before."""

from __future__ import annotations

import pasts
from forked import Hosts
from hypothesis import strategies as st
from past import drawn, hold
from pasts import PEOPLE, Attributes, There, put
from pictures import others

from provision.steps.base import Change
from provision.steps.files import Absent, Directory, File, Link

texts = pasts.texts(st.sampled_from(["", "a", "key = 1"]))
modes = st.none() | st.sampled_from([0o644, 0o600, 0o750])
people = st.none() | st.sampled_from(sorted(PEOPLE))


@drawn(there=pasts.theres(texts), data=texts, mode=modes, owner=people, group=people)
def test_file(
    hosts: Hosts, there: There, data: bytes, mode: int | None, owner: str | None, group: str | None
) -> None:
    host = hosts.new()
    put(there, host.root / "f")
    held = hold(host, File(str(host.root / "f"), data, mode=mode, owner=owner, group=group))
    assert others(held.before, "f", "f.end") == others(held.after, "f", "f.end")
    if held.failed:
        assert there.kind == "folder", held.failed
        return
    _, now_mode, uid, gid, content, extended, _ = held.after["f"]
    assert content == data
    was = held.before.get("f")
    if there.kind == "file" and was is not None:
        # a program of one user's does not become one that runs as another
        kept = was[1] if (uid, gid) == was[2:4] else was[1] & 0o1777
        assert mode is not None or now_mode == kept or data != was[4]
        assert owner is not None or uid == was[2]
        assert group is not None or gid == was[3]
        # lists and attributes of a user other than the file's owner are not passed on to its new contents
        if was[2] in (0, uid) or data == was[4]:
            assert set(extended) == set(was[5])
    if mode is not None and not extended:
        assert now_mode == mode
    assert owner is None or uid == PEOPLE[owner][0]
    assert group is None or gid == PEOPLE[group][1]


def test_bits_that_another_owner_would_get_go_and_that_is_told(hosts: Hosts) -> None:
    host = hosts.new()
    at = host.root / "program"
    put(There("file", b"x", Attributes("www-data", 0o4755, False, False)), at)
    held = hold(host, File(str(at), b"x", owner="daemon"))
    assert held.outcomes[0].diff[:1] == [Change("mode", "4755", "0755")]
    assert held.after["program"][1] == 0o755
    assert not hold(host, File(str(at), b"x", owner="daemon", mode=0o4755)).failed
    assert at.stat().st_mode & 0o7777 == 0o4755


@drawn(there=pasts.theres(texts), mode=modes, owner=people)
def test_directory(hosts: Hosts, there: There, mode: int | None, owner: str | None) -> None:
    host = hosts.new()
    put(there, host.root / "d")
    held = hold(host, Directory(str(host.root / "d"), mode=mode, owner=owner))
    assert bool(held.failed) == (there.kind not in ("none", "folder")), held.failed
    assert others(held.before, "d") == others(held.after, "d")


@drawn(there=pasts.theres(texts))
def test_link(hosts: Hosts, there: There) -> None:
    host = hosts.new()
    put(there, host.root / "l")
    held = hold(host, Link(str(host.root / "l"), "elsewhere"))
    assert bool(held.failed) == (there.kind == "folder"), held.failed
    if not held.failed:
        assert held.after["l"][4] == "elsewhere"
    assert set(others(held.before, "l")) == set(others(held.after, "l"))


@drawn(there=pasts.theres(texts))
def test_absent(hosts: Hosts, there: There) -> None:
    host = hosts.new()
    put(there, host.root / "x")
    held = hold(host, Absent(str(host.root / "x")))
    assert not held.failed
    assert "x" not in held.after
    assert set(others(held.before, "x")) == set(held.after)
