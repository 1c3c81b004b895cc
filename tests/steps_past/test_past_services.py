"""Jobs, rotations and files of systemd's tools on hosts that have some of their own already."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from forked import Host, Hosts
from hypothesis import example
from hypothesis import strategies as st
from past import drawn, hold
from pictures import others, photographs

from provision.steps.cron import Job, NoJob
from provision.steps.journald import JournalSettings
from provision.steps.logrotate import NoRotation, Rotation
from provision.steps.tmpfiles import Tmpfiles

#: what cron, its shell and configuration files have their own rules for
words = st.text(st.sampled_from("ab \\%'\"$`!#;&|<>(){}*?~=-ü"), max_size=8)
logs = st.sampled_from(["one.log", "two.log", "three.log", "*.log", "gone/*.log", "o*"])
#: how others have left a file of the same name: content and mode
left = st.none() | st.tuples(
    st.sampled_from(["", "# by hand", "broken {\n", "* * * * * root true\r\n"]),
    st.sampled_from([0o644, 0o600, 0o666]),
)


def leave(path: Path, file: tuple[str, int] | None) -> None:
    """Put a file there as someone has left it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if file is not None:
        path.write_text(file[0])
        path.chmod(file[1])


def etc(hosts: Hosts, folder: str) -> tuple[Host, Path]:
    """A host with an /etc of its own, and a folder in it."""
    host = hosts.new("/etc")
    at = host.upper("/etc") / folder
    at.mkdir(exist_ok=True)
    return host, at


def given_by_cron(line: str) -> str:
    """What Debian's cron hands to the shell of a line in /etc/cron.d (cron 3.0pl1, do_command.c)."""
    command = line.split(None, 6)[6]
    return re.sub(r"\\([\\%])|%.*", lambda m: m.group(1) or "", command)


@drawn(past=left, argv=st.lists(words, min_size=0, max_size=4))
def test_job(hosts: Hosts, past: tuple[str, int] | None, argv: list[str]) -> None:
    host, folder = etc(hosts, "cron.d")
    leave(folder / "job", past)
    (folder / "other").write_text("* * * * * root true\n")

    def gets_its_words() -> None:
        line = (folder / "job").read_text().splitlines()[-1]
        said = subprocess.run(["sh", "-c", given_by_cron(line)], capture_output=True, check=True).stdout
        assert said == b"".join(word.encode() + b"\0" for word in ["", *argv])
        assert (folder / "job").stat().st_mode & 0o022 == 0, "cron passes over it"

    step = Job("job", "*/5 * * * *", ["/usr/bin/printf", "%s\\0", "", *argv])
    held = hold(host, step, effect=gets_its_words)
    assert not held.failed
    assert others(held.before, "/etc/cron.d/job") == others(held.after, "/etc/cron.d/job")
    hold(host, NoJob("job"))


@example(past=None, ours=["three.log"], theirs=["o*", "*.log"], name="z")
@drawn(
    past=left,
    ours=st.lists(logs, min_size=1, max_size=2, unique=True),
    theirs=st.lists(logs, max_size=2, unique=True),
    name=st.sampled_from(["a", "z"]),
)
def test_rotation(
    hosts: Hosts, past: tuple[str, int] | None, ours: list[str], theirs: list[str], name: str
) -> None:
    host, folder = etc(hosts, "logrotate.d")
    kept = host.folder / "logs"
    kept.mkdir()
    for each in ("one.log", "two.log"):
        (kept / each).write_text("x")
    (host.upper("/etc") / "logrotate.conf").write_text("include /etc/logrotate.d\n")
    leave(folder / name, past)
    if theirs:
        patterns = "\n".join(str(kept / each) for each in theirs)
        (folder / "m").write_text(patterns + " {\n  weekly\n  missingok\n}\n")

    def said(file: str) -> str:
        argv = ["/usr/sbin/logrotate", "-d", file]
        return host.sees(lambda: subprocess.run(argv, capture_output=True, text=True, check=False).stderr)

    def none_is_skipped() -> None:
        alone = said(f"/etc/logrotate.d/{name}")
        assert "error" not in alone.lower(), alone
        whole = said("/etc/logrotate.conf")
        assert f"found error in file {name}" not in whole
        # the file of the past may already name one log twice
        assert "found error in file m" not in whole or "found error in file m" in before

    before = said("/etc/logrotate.conf")
    held = hold(host, Rotation(name, [f"{kept}/{each}" for each in ours]), effect=none_is_skipped)
    at = f"/etc/logrotate.d/{name}"
    assert others(held.before, at) == others(held.after, at)
    hold(host, NoRotation(name))


@drawn(
    past=st.sampled_from(["none", "dir", "file", "link", "dangling"]),
    mode=st.sampled_from(["", "0755", "0700"]),
    leaf=st.sampled_from(["plain", "two words", 'a "quote"', "b\\ck", "deep/er/down"]),
    kind=st.sampled_from(["d", "f", "L", "L+"]),
)
@example(past="link", mode="0755", leaf="plain", kind="f")
def test_tmpfiles(hosts: Hosts, past: str, mode: str, leaf: str, kind: str) -> None:
    host, _ = etc(hosts, "tmpfiles.d")
    at = host.folder / "made" / leaf
    (host.folder / "made").mkdir()
    if past != "none":
        at.parent.mkdir(parents=True, exist_ok=True)
    elsewhere = host.folder / "elsewhere"
    if past == "dir":
        at.mkdir(mode=0o711)
    elif past == "file":
        at.write_text("theirs")
    elif past in ("link", "dangling"):
        if past == "link":
            elsewhere.write_text("theirs")
        at.symlink_to(elsewhere)
    quoted = '"{}"'.format(re.sub(r'[\\"]', r"\\\g<0>", str(at)))
    argument = "/etc/hostname" if kind in ("L", "L+") else "words" if kind == "f" else "-"
    look = lambda: host.sees(lambda: photographs("/etc", str(host.folder / "made")))  # noqa: E731
    done: list[Path] = []

    def is_so() -> None:
        done.append(at)
        if kind == "L+" or (kind == "L" and past == "none"):
            assert os.readlink(at) == "/etc/hostname"  # noqa: PTH115 (as it is)
        if mode and kind in ("d", "f") and not at.is_symlink():
            assert at.stat().st_mode & 0o777 == int(mode, 8)

    line = f"{kind} {quoted} {mode or '-'} - - - {argument}"
    held = hold(host, Tmpfiles("t", [line]), effect=is_so, picture=look)
    assert held.failed or done


@drawn(
    past=left, most=st.sampled_from(["", "1G"]), age=st.sampled_from(["", "30day"]), compress=st.booleans()
)
def test_journal(hosts: Hosts, past: tuple[str, int] | None, most: str, age: str, compress: bool) -> None:
    if not (most or age) and compress:
        return
    host, folder = etc(hosts, "systemd")
    leave(folder / "journald.conf.d/prov.conf", past)
    (folder / "journald.conf").write_text("[Journal]\nStorage=volatile\nSystemMaxUse=2G\n")
    held = hold(host, JournalSettings(max_use=most, max_age=age, compress=compress))
    assert not held.failed
    at = "/etc/systemd/journald.conf.d"
    assert others(held.before, at) == others(held.after, at)
    hold(host, JournalSettings(present=False))
