"""Users and groups that someone has made and changed with the tools of the system."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from forked import Host, Hosts
from hypothesis import strategies as st
from past import drawn, hold
from pictures import Picture

from provision.secrets import Secret
from provision.steps.ageing import Ageing
from provision.steps.base import Step
from provision.steps.files import File
from provision.steps.groups import Group, NoGroup
from provision.steps.undo import Undo
from provision.steps.users import NoUser, User
from provision.system.accounts import FILES as OWN
from provision.system.processes import of_user

FILES = ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid")
OVER = ("/etc", "/home", "/var/log", "/var/mail")
#: in a home: files of others, of the group "numbered", and programs that run as their owner
IN_HOME = """
mkdir '{home}/own'; echo x >'{home}/own/theirs'; ln -s x '{home}/link'; echo >'{home}/shared'; echo >'{home}/runs'
chown -h '{name}' '{home}/link' '{home}/own' '{home}/runs'; chgrp -h {group} '{home}/own' '{home}/shared' '{home}/link'
chgrp numbered '{home}/own/theirs'; chgrp {group} '{home}/runs'; chmod 4755 '{home}/runs'; chmod 2755 '{home}/shared'
"""
HASH = "$6$saltsalt$" + "x" * 86
NAMES = ("ada", "john.doe", "Ada", "x_1", "4you", "svc$", "a-b.c")


class Past(NamedTuple):
    """A user as useradd, usermod, passwd and chage have left them."""

    name: str
    shell: str = "/bin/sh"
    comment: str = ""
    home: bool = True
    password: str = ""
    locked: bool = False
    expires: str = ""
    max_days: int = 99999
    groups: tuple[str, ...] = ()
    system: bool = False
    member_of_other: bool = False

    def make(self, host: Host) -> None:
        lines = ["groupadd others", "groupadd -g 4242 numbered", "useradd -M bob"]
        flags = ["-m" if self.home else "-M", *(["-r"] if self.system else [])]
        lines.append(f"useradd {' '.join(flags)} -s {self.shell} -c '{self.comment}' -- '{self.name}'")
        if self.password:
            lines.append(f"echo '{self.name}:{self.password}' | chpasswd -e")
        if self.locked:
            lines.append(f"usermod -L -- '{self.name}'")
        lines.append(f"chage -M {self.max_days} -E '{self.expires or -1}' -- '{self.name}'")
        for group in self.groups:
            lines.append(f"gpasswd -a '{self.name}' {group} >/dev/null")
        if self.member_of_other:
            lines.append(f"gpasswd -a bob '{self.name}' >/dev/null")
        if self.home:
            at = f"/home/{self.name}"
            lines.append(f"group=$(id -g -- '{self.name}')")
            lines.append(IN_HOME.format(name=self.name, home=at, group="$group"))
        host.sh("\n".join(lines))


pasts = st.builds(
    Past,
    st.sampled_from(NAMES),
    st.sampled_from(["/bin/sh", "/usr/sbin/nologin"]),
    st.sampled_from(["", "Ada Lovelace,,,", "Zo\xeb # not a comment"]),
    st.booleans(),
    st.sampled_from(["", HASH, "*"]),
    st.booleans(),
    st.sampled_from(["", "2031-01-31"]),
    st.sampled_from([99999, 90]),
    st.sampled_from([(), ("games",), ("games", "others")]),
    st.booleans(),
    st.booleans(),
)
#: what a step is asked for: one attribute, its words in passwd(5) and shadow(5), and its value there
WANTED: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"shell": "/bin/bash"}, "shell"),
    ({"comment": "other"}, "comment"),
    ({"home": "/srv/other", "move_home": False}, "home"),
    ({"groups": ["audio"]}, "groups"),
    ({"groups": ["others"], "exact_groups": True}, "groups"),
    ({"group": "numbered"}, "gid"),
    ({"password": Secret(HASH[:-1] + "y")}, "password"),
    ({"locked": True}, "password"),
    ({"locked": False}, "password"),
    ({"expires": "2030-12-31"}, "expires"),
    ({"expires": ""}, "expires"),
    ({"uid": 4321, "renumber": True}, "uid"),
    ({"home": "/home/elsewhere", "move_home": True}, "home"),
]


#: homes that are this machine's own: these tests may run from a checkout in one
THERE = frozenset(each.name for each in Path("/home").iterdir())


def accounts(host: Host) -> Picture:
    """The files of accounts, and homes."""

    def look() -> Picture:
        from pictures import photograph

        found = {path: (Path(path).read_text("utf-8", "surrogateescape"),) for path in FILES}
        homes = {at: what for at, what in photograph(Path("/home")).items() if at.split("/")[0] not in THERE}
        return {**found, **{"home/" + at: what for at, what in homes.items()}}

    return host.sees(look)


def fields(picture: Picture, name: str) -> dict[str, Any]:
    """What passwd(5), shadow(5) and group(5) say of a user."""

    def line(path: str) -> list[str]:
        lines = [each.split(":") for each in picture[path][0].splitlines()]
        return next((each for each in lines if each[0] == name), [""] * 9)

    user, shadow = line("/etc/passwd"), line("/etc/shadow")
    groups = [each.split(":") for each in picture["/etc/group"][0].splitlines()]
    found: dict[str, Any] = dict(zip(("uid", "gid", "comment", "home", "shell"), user[2:7]))
    found |= dict(zip(("password", "last", "min", "max", "warn", "inactive", "expires"), shadow[1:8]))
    found["groups"] = sorted(each[0] for each in groups if name in each[3].split(","))
    return found


def others(picture: Picture, *names: str) -> dict[str, list[str]]:
    """All lines of accounts that are not about these names."""
    return {
        path: [
            line
            for line in picture[path][0].splitlines()
            if not set(names) & set(line.replace(",", ":").split(":"))
        ]
        for path in FILES
    }


@drawn(past=pasts, wanted=st.sampled_from(WANTED))
def test_user(hosts: Hosts, past: Past, wanted: tuple[dict[str, Any], str]) -> None:
    asked, about = wanted
    host = hosts.new(*OVER)
    past.make(host)
    held = hold(host, User(past.name, **asked), picture=lambda: accounts(host))
    assert not held.failed
    before, after = fields(held.before, past.name), fields(held.after, past.name)
    assert {k: v for k, v in before.items() if k not in (about, "last")} == {
        k: v for k, v in after.items() if k not in (about, "last")
    }
    if about in ("shell", "comment", "home", "uid"):
        assert after[about] == str(asked[about])
    if about == "password" and "password" in asked:
        assert after["password"].lstrip("!") == asked["password"].reveal()
        assert after["password"].startswith("!") == (past.locked and past.password not in ("", "*"))
    mentioned = [past.name, "audio", "others", *past.groups] if about == "groups" else [past.name]
    assert others(held.before, *mentioned) == others(held.after, *mentioned)


@drawn(past=pasts, with_home=st.booleans())
def test_no_user(hosts: Hosts, past: Past, with_home: bool) -> None:
    host = hosts.new(*OVER)
    past.make(host)
    held = hold(host, NoUser(past.name, with_home=with_home), picture=lambda: accounts(host))
    assert not held.failed
    assert fields(held.after, past.name) == fields(held.after, "nobody here") | {"groups": []}
    mentioned = (past.name, *past.groups)
    assert others(held.before, *mentioned) == others(held.after, *mentioned)
    home = f"home/{past.name}"
    assert (home in held.after) == (past.home and not with_home)


@drawn(
    past=pasts,
    group=st.sampled_from(["ada", "others", "numbered", "new"]),
    gid=st.none() | st.sampled_from([4242, 33, 5555]),
    exclusive=st.booleans(),
    members=st.sampled_from([(), ("bob",)]),
)
def test_group(
    hosts: Hosts, past: Past, group: str, gid: int | None, exclusive: bool, members: tuple[str, ...]
) -> None:
    host = hosts.new(*OVER)
    past.make(host)
    step = Group(group, gid=gid, exclusive=exclusive, members=members, renumber=True)
    held = hold(host, step, picture=lambda: accounts(host))
    owners = {"33": "www-data", "4242": "numbered"}
    owner = owners.get(str(gid), group)
    assert bool(held.failed) == (owner != group), held.failed
    if held.failed:
        assert f"which belongs to {owner}" in held.failed
        return
    lines = {line.split(":")[0]: line for line in held.after["/etc/group"][0].splitlines()}
    was = {line.split(":")[0]: line for line in held.before["/etc/group"][0].splitlines()}.get(group, ":::")
    former = set(filter(None, was.split(":")[3].split(",")))
    assert set(filter(None, lines[group].split(":")[3].split(","))) == set(members) | (
        set() if exclusive else former
    )
    assert gid is None or lines[group].split(":")[2] == str(gid)
    removed = hold(host, NoGroup(group), picture=lambda: accounts(host))
    assert bool(removed.failed) == (group == past.name), removed.failed


@drawn(
    past=pasts,
    days=st.dictionaries(
        st.sampled_from(["max_days", "min_days", "warn_days", "inactive_days"]),
        st.sampled_from([-1, 0, 30]),
        min_size=1,
    ),
)
def test_ageing(hosts: Hosts, past: Past, days: dict[str, int]) -> None:
    host = hosts.new(*OVER)
    past.make(host)
    if days.get("max_days", -1) == 0 and days.get("min_days") == 30:
        days.pop("min_days")
    held = hold(host, Ageing(past.name, **cast("Any", days)), picture=lambda: accounts(host))
    assert not held.failed
    before, after = fields(held.before, past.name), fields(held.after, past.name)
    asked = {name.removesuffix("_days"): days for name, days in days.items()}
    assert {k: v for k, v in before.items() if k not in asked} == {
        k: v for k, v in after.items() if k not in asked
    }


def test_homes_come_back_with_what_is_in_them(hosts: Hosts) -> None:
    """Files that the run has written in a home, before it moved and after that; and an undo of the undo."""
    host = hosts.new(*OVER)
    Past("ada").make(host)
    moves = User("ada", home="/home/elsewhere", move_home=True, uid=4321, renumber=True, group="numbered")
    before = File("/home/ada/.profile", "first\n", 0o640, "ada", "ada")
    after = [File("/home/elsewhere/.bashrc", "second\n"), File("/home/elsewhere/new", "", 0o600, "ada")]

    def look() -> Picture:
        return accounts(host)

    held = hold(host, moves, *after, picture=look)
    assert not held.failed
    # the first run was the deploy
    (again,) = host.run(Undo(2))
    assert again.error is None and look() == held.after
    assert host.run(Undo())[0].error is None and look() == held.before
    done = host.run(before, moves, *after)
    assert [o.error for o in done] == [None] * 4
    assert host.run(Undo())[0].error is None and look() == held.before
    # what the user has done since is theirs, and a process of theirs is seen before anything is changed
    host.run(moves)
    host.sh("touch /home/elsewhere/since; chown 4321:numbered /home/elsewhere/since")
    host.sh("setpriv --reuid=4321 sleep 60 >/dev/null 2>&1 </dev/null &")
    moved = look()
    try:
        (refused,) = host.run(Undo())
        assert refused.error is not None and "ada (who runs sleep" in refused.error.message
        assert look() == moved
    finally:
        for each in of_user(4321):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGKILL)
    await_none(4321)
    assert host.run(Undo())[0].error is None
    now = look()
    assert now.pop("home/ada/since")[2:4] == held.before["home/ada/runs"][2:4]
    assert now == held.before


def await_none(uid: int) -> None:
    """Wait until no process of a user runs."""
    for _ in range(200):
        if not list(of_user(uid)):
            return
        time.sleep(0.02)


def test_ids_that_somebody_has(hosts: Hosts) -> None:
    host = hosts.new(*OVER)
    for step, owner in (
        (Group("gidc", gid=33), "www-data"),
        (User("uidc", uid=33), "www-data"),
        (User("games", uid=33, renumber=True), "www-data"),
    ):
        held = hold(host, step, picture=lambda: accounts(host))
        assert f"which belongs to {owner}" in held.failed
    # in a plan an earlier step gives the id away, or takes it
    host.sh("useradd -u 4321 old")
    held = hold(host, NoUser("old"), User("new", uid=4321), picture=lambda: accounts(host))
    assert not held.failed
    planned = host.run(User("one", uid=4400), User("two", uid=4400), plan=True)
    assert planned[1].error is not None and "belongs to one" in planned[1].error.message


def test_names_that_this_hosts_useradd_takes_or_not(hosts: Hosts) -> None:
    """Debian 12 takes nearly all; what only later ones refuse is for the host's own useradd to say."""
    host = hosts.new(*OVER)
    for name in ("john.doe", "j\xfcrgen", "a" * 40, "123"):
        for step in (User(name, make_home=False), Group("g" + name)):
            step.validate()
            hold(host, step, picture=lambda: accounts(host))
    for name in ("", "a b", "a:b", "-x", "+x", "~x", "a,b", "a\nb", "..", "a/b", "@x"):
        with pytest.raises(ValueError, match="is not a name for a user or group"):
            User(name).validate()


def test_a_user_with_processes_is_seen_by_the_plan(hosts: Hosts) -> None:
    host = hosts.new(*OVER)
    host.sh("useradd -m -u 4322 busy; setpriv --reuid=4322 sleep 60 >/dev/null 2>&1 </dev/null &")
    try:
        for step in (NoUser("busy"), User("busy", uid=4323, renumber=True), User("busy", home="/srv/busy")):
            held = hold(host, dataclasses.replace(step), picture=lambda: accounts(host))
            assert "sleep" in held.failed
    finally:
        # not by pkill(1), which a bare host does not have; under load they may have ended
        for each in of_user(4322):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "step",
    [
        User("games", shell="/bin/sh"),
        User("games", groups=["audio"]),
        User("games", groups=[], exact_groups=True),
        User("u7", groups=["audio"]),
        NoUser("games"),
        Group("audio", members=["games"]),
        NoGroup("audio"),
    ],
    ids=lambda step: step.label(),
)
def test_accounts_of_another_source_are_not_changed_here(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    host = hosts.new("/etc")
    host.sh("gpasswd --add games video")
    # as with a directory: the C library finds them, and the host's own files lack them
    for kind in OWN:
        monkeypatch.setitem(OWN, kind, "/dev/null")
    held = hold(host, step, picture=dict)
    assert "must change, but is not in /dev/null" in held.failed
    assert not hold(host, User("games"), Group("audio"), picture=dict).changed
