"""Commands, copies, downloads, configurations and waits, where something has been before."""

from __future__ import annotations

import hashlib
import http.server
import os
import socketserver
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pasts
import pytest
from forked import Hosts
from hypothesis import example
from hypothesis import strategies as st
from past import drawn, hold
from pasts import There, put
from pictures import others

from provision.steps.command import Command
from provision.steps.conditions import CommandCondition, FileCondition, ProcessCondition
from provision.steps.configuration import Configuration
from provision.steps.fetch import Download
from provision.steps.files import Directory, File
from provision.steps.releases import OldReleases, ReleasesBefore
from provision.steps.script import Script
from provision.steps.service_users import ServiceUser
from provision.steps.sqlite import Backup
from provision.steps.sysusers import Sysusers
from provision.steps.waiting import Port, Url

data = st.sampled_from([b"", b"wanted\n", b"other\r\n", b"\xff\0"])


@drawn(
    there=pasts.theres(data),
    how=st.sampled_from(["creates", "removes", "unless", "only_if", "stamp"]),
    status=st.sampled_from([0, 1]),
)
def test_command(hosts: Hosts, there: There, how: str, status: int) -> None:
    host = hosts.new()
    put(there, host.root / "x")
    at = str(host.root / "x")
    ended = ["sh", "-c", f"exit {status}"]
    ways: dict[str, dict[str, Any]] = {
        "creates": {"creates": at},
        "removes": {"removes": at},
        "unless": {"unless": ["test", "-e", str(host.root / "done")]},
        "only_if": {"only_if": ["test", "!", "-e", str(host.root / "done")]},
        "stamp": {"stamp": (str(host.root / "stamp"), "1")},
    }
    act = {"creates": f"test -e {at} || echo x >{at}", "removes": f"rm -rf {at}"}.get(
        how, f"echo x >{host.root}/done"
    )
    step = Command(
        ["sh", "-ec", f"{act}; exec {' '.join(map(repr, ended))}"] if status else ["sh", "-ec", act],
        **ways[how],
    )
    # what a command would do, a plan can't know; what it has done, undo can't either: it names it
    planned, (real,) = host.run(step, plan=True), host.run(step)
    assert (planned[0].state == "changed") == (real.state != "ok")
    assert bool(real.error) == bool(status and real.state != "ok")
    if not status:
        assert host.run(step)[0].state == "ok"
        assert host.run(step, plan=True)[0].state == "ok"


@drawn(
    there=pasts.theres(data),
    text=st.sampled_from(["#!/bin/sh\necho done >{0}\n", "#!/no/interpreter\n", "#!/bin/sh\nexit 3\n"]),
    words=st.sampled_from([(), ("two words", "'\"$`")]),
)
def test_script(hosts: Hosts, there: There, text: str, words: tuple[str, ...]) -> None:
    host = hosts.new()
    put(there, host.root / "x")
    step = Script(text.format(host.root / "done"), words, creates=str(host.root / "done"))
    (real,) = host.run(step)
    assert bool(real.error) == ("done" not in text), real.error
    if not real.error:
        assert host.run(step)[0].state == host.run(step, plan=True)[0].state == "ok"
    else:
        assert real.error.message and (real.error.hint or real.error.stderr or real.error.status == 3), vars(
            real.error
        )


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """A web server on a port of its own: / gives b"wanted\\n", /missing gives 404, /cut ends too early."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404 if self.path == "/missing" else 200)
            self.send_header("Content-Length", "99" if self.path == "/cut" else "7")
            self.end_headers()
            self.wfile.write(b"wanted\n")

        def log_message(self, format: str, *args: Any) -> None:
            """Not to be seen in tests."""

    found = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    found.daemon_threads = True
    threading.Thread(target=found.serve_forever, args=[0.05], daemon=True).start()
    yield found.server_address[1]
    found.shutdown()
    found.server_close()


@drawn(
    there=pasts.theres(data),
    path=st.sampled_from(["", "", "missing", "cut"]),
    mode=st.sampled_from([None, 0o755]),
    right=st.sampled_from([True, True, False]),
)
def test_download(hosts: Hosts, server: int, there: There, path: str, mode: int | None, right: bool) -> None:
    host = hosts.new()
    put(there, host.root / "f")
    wanted = hashlib.sha256(b"wanted\n" if right else b"x").hexdigest()
    step = Download(f"http://127.0.0.1:{server}/{path}", str(host.root / "f"), wanted, mode, attempts=1)
    before = host.picture()
    planned, (real,) = host.run(step, plan=True), host.run(step)
    after = host.picture()
    if real.error is not None:
        # only the deploy asks the server
        assert planned[0].error is None or planned[0].error.message == real.error.message
        assert after == before
        return
    assert (planned[0].state, planned[0].diff) == (real.state, real.diff)
    assert after["f"][4] == b"wanted\n" or (there.kind == "link" and after["f.end"][4] == b"wanted\n")
    assert mode is None or after["f"][1] == mode or after["f"][5]
    assert others(before, "f", "f.end") == others(after, "f", "f.end")
    assert host.run(step)[0].state == "ok" and host.picture() == after


@example(one=There("folder"), mine=There("none"), only=(), good=False, mode=0o644)
@drawn(
    one=pasts.theres(data),
    mine=pasts.theres(data),
    only=st.sampled_from([(), ("sites/*.conf",)]),
    good=st.booleans(),
    mode=st.sampled_from([0o644, 0o640]),
)
def test_configuration(
    hosts: Hosts, one: There, mine: There, only: tuple[str, ...], good: bool, mode: int
) -> None:
    host = hosts.new()
    folder = host.root / "etc" / "program"
    (folder / "sites").mkdir(parents=True)
    put(one, folder / "sites/a.conf")
    put(mine, folder / "sites/theirs.conf")
    judge = ["sh", "-c", f"cat {folder}/sites/a.conf | grep -q good"]
    text = "good\n" if good else "bad\n"
    held = hold(host, Configuration(str(folder), {"sites/a.conf": text}, judge, only, mode=mode))
    if held.failed:
        assert held.before == held.after
        return
    at = "etc/program/sites/a.conf"
    assert held.after[at][1] == mode and held.after[at][4] == text.encode()
    theirs = "etc/program/sites/theirs.conf"
    assert only or held.before.get(theirs) == held.after.get(theirs)


@drawn(
    copies=st.lists(
        st.sampled_from(["20200101T000000Z", "20210101T000000Z", "20220101T000000Z", "x"]),
        max_size=4,
        unique=True,
    ),
    there=st.sampled_from(["", "database", "text", "empty", "wal"]),
    folder=st.booleans(),
    keep=st.sampled_from([1, 2, 7]),
)
def test_sqlite_backup(hosts: Hosts, copies: list[str], there: str, folder: bool, keep: int) -> None:
    host = hosts.new()
    at, to = host.root / "db.sqlite3", host.root / "copies"
    if there in ("database", "wal"):
        with sqlite3.connect(at) as db:
            if there == "wal":
                db.execute("pragma journal_mode=wal")
            db.execute("create table t (x)")
            db.execute("insert into t values ('caf\xe9')")
        db.close()
    elif there:
        at.write_bytes(b"text\n" * 300 if there == "text" else b"")
    if folder or copies:
        to.mkdir()
        (to / "other.txt").write_text("theirs")
        for each in copies:
            (to / f"db-{each}.sqlite3").write_bytes(b"old")
            os.utime(to / f"db-{each}.sqlite3", (1, 1))
    step = Backup(str(at), str(to), keep=keep)
    before = set(host.picture())
    planned, (real,) = host.run(step, step, plan=True), host.run(step)
    assert bool(real.error) == (there == "text"), real.error
    if real.error is None:
        assert [c[:3] for c in planned[0].diff] == [c[:3] for c in real.diff]
        assert planned[1].state == host.run(step)[0].state == "ok"
    after = set(host.picture())
    assert not folder or "copies/other.txt" in after
    new = [each for each in after - before if each.endswith(".sqlite3")]
    assert len(new) == (there not in ("", "text"))
    for each in new:
        with sqlite3.connect(host.root / each) as db:
            assert there == "empty" or db.execute("select x from t").fetchall() == [("caf\xe9",)]
        db.close()
        dated = [name for name in after if name.startswith("copies/db-2")]
        assert len(dated) <= keep


@drawn(
    past=st.sampled_from(
        ["", "useradd -r -d /srv/x p-svc", "useradd -m p-svc", "groupadd p-svc", "groupadd -r p-svc"]
    ),
    file=st.sampled_from(["", "u p-svc - - /srv/x\n", "# mine\r\n"]),
    lines=st.sampled_from(
        [[], ['u p-svc - "A service" /srv/x'], ["g p-svc -"], ["u p-svc -", "m p-svc games"]]
    ),
)
def test_sysusers(hosts: Hosts, past: str, file: str, lines: list[str]) -> None:
    host = hosts.new("/etc", "/home", "/var/mail", "/var/log")
    if past:
        host.sh(past)
    if file:
        host.write("/etc/sysusers.d/t.conf", file)
    look = lambda: host.sees(accounts)  # noqa: E731
    held = hold(host, Sysusers("t", lines), picture=look)
    if not held.failed and lines:
        for line in lines:
            kind, name = line.split()[:2]
            table = "/etc/passwd" if kind == "u" else "/etc/group"
            assert any(each.startswith(name + ":") for each in held.after[table][0].splitlines())


def accounts() -> dict[str, tuple[Any, ...]]:
    files = ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow")
    found = {path: (Path(path).read_text("utf-8", "surrogateescape"), "") for path in files}
    at = Path("/etc/sysusers.d/t.conf")
    return {**found, "file": (at.read_bytes() if at.exists() else b"", "")}


@drawn(
    past=st.sampled_from(
        [
            "",
            "useradd -r -s /usr/sbin/nologin -d /srv/x p-svc",
            "useradd -m p-svc",
            "groupadd p-svc",
            "useradd -r -d /srv/y p-svc",
        ]
    ),
    home=st.sampled_from(["/srv/x", "/var/lib/p-svc"]),
)
def test_service_user(hosts: Hosts, past: str, home: str) -> None:
    host = hosts.new("/etc", "/home", "/var/mail", "/var/log")
    if past:
        host.sh(past)
    held = hold(host, ServiceUser("p-svc", home), picture=lambda: host.sees(accounts))
    assert bool(held.failed) == past.startswith("useradd") or "groupadd" in past, held.failed
    if not held.failed:
        line = next(each for each in held.after["/etc/passwd"][0].splitlines() if each.startswith("p-svc:"))
        assert line.split(":")[5] == home and line.endswith("nologin")


@drawn(
    names=st.lists(st.sampled_from(["r1", "r2", "r3", "r4", "r5"]), max_size=5, unique=True),
    current=st.sampled_from(["r1", "r3", "gone"]),
    keep=st.sampled_from([1, 2]),
    by_prov=st.booleans(),
)
def test_old_releases(hosts: Hosts, names: list[str], current: str, keep: int, by_prov: bool) -> None:
    host = hosts.new()
    home = host.root / "app"
    (home / "releases").mkdir(parents=True)
    for name in names:
        at = str(home / "releases" / name)
        if by_prov:
            host.run(Directory(at), File(at + "/code", "x"))
        else:
            Path(at).mkdir()
            (Path(at) / "code").write_text("x")
    held = hold(host, OldReleases(str(home), current, keep))
    assert not held.failed
    left = {at.split("/")[2] for at in held.after if at.startswith("app/releases/")}
    assert current not in names or current in left
    assert by_prov or left == set(names), "what others have made stays"


@example(names=["r3"], there=There("folder"), current="r1", count=2)
@drawn(
    names=st.lists(st.sampled_from(["r1", "r2", "r3"]), max_size=3, unique=True),
    there=pasts.theres(data),
    current=st.sampled_from(["r1", "r4"]),
    count=st.sampled_from([0, 1, 2]),
)
def test_releases_before(hosts: Hosts, names: list[str], there: There, current: str, count: int) -> None:
    host = hosts.new()
    home = host.root / "app"
    (home / "releases").mkdir(parents=True)
    (home / "before").mkdir()
    put(there, home / "before/1")
    for name in names:
        at = str(home / "releases" / name)
        host.run(Directory(at), File(at + "/code", "x"))
    held = hold(host, ReleasesBefore(str(home), current, count))
    left = ("app/before", "app/releases")
    assert others(held.before, *left) == others(held.after, *left)


@example(there=There("broken"), gone=True, pattern="")
@drawn(there=pasts.theres(data), gone=st.booleans(), pattern=st.sampled_from(["", "^wanted$", "^never"]))
def test_waits(hosts: Hosts, server: int, there: There, gone: bool, pattern: str) -> None:
    """Never a change: each finds what is so now, and says what it has waited for in vain."""
    host = hosts.new()
    put(there, host.root / "f")
    at = str(host.root / "f")
    exists = there.kind not in ("none", "broken")
    asked: list[tuple[Any, bool | None]] = [
        (
            FileCondition(at, "" if gone else pattern, gone, within=0.05),
            None if pattern and not gone else there.kind == "none" if gone else exists,
        ),
        (CommandCondition(["test", "-e", at], within=0.05), exists),
        (ProcessCondition("no-such-program", gone=gone, within=0.05), gone),
        (Port(server, within=0.05, closed=gone), not gone),
        (Url(f"http://127.0.0.1:{server}/", within=0.05, contains=pattern), pattern != "^never"),
        (Url(f"http://127.0.0.1:{server}/missing", within=0.05), False),
    ]
    before = host.picture()
    for step, holds in asked:
        (real,) = host.run(step)
        assert holds is None or (real.state == "ok") == holds, (step, real.error)
        assert real.state == "ok" or (real.error is not None and real.error.message)
    assert host.picture() == before
