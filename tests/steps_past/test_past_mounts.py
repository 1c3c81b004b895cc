"""Mounts, swap and the lines of fstab, in mount namespaces that last as a host's do."""

from __future__ import annotations

import subprocess
from pathlib import Path

from forked import Host, Hosts
from hypothesis import example
from hypothesis import strategies as st
from past import drawn, hold
from pictures import Picture

from provision.steps.mounts import Mount, NoMount
from provision.steps.swap import SwapFile

#: lines as installers, people and other tools leave them; AT is the directory, LINK another way to it
LINES = [
    "# file systems",
    "UUID=1  /  ext4  errors=remount-ro  0 1",
    "tmpfs AT tmpfs nosuid 0 0",
    "tmpfs\tAT/\ttmpfs\tro,noexec\t0\t0 # by hand",
    "  ONE LINK none bind 0 0",
    "tmpfs LINK/ tmpfs defaults",
    "/swap.img none swap sw,pri=3 0 0",
    "/dev/sdz9 /media/caf\xe9 vfat noauto 0 2",
]
#: what the kernel has mounted there, by hand
MOUNTED = ["", "tmpfs", "ro tmpfs", "nosuid tmpfs", "ONE", "TWO", "ro ONE"]
WANTED = [
    ("tmpfs", "tmpfs", None),
    ("tmpfs", "tmpfs", "nosuid,noexec"),
    ("tmpfs", "tmpfs", "ro"),
    ("tmpfs", "tmpfs", "rw,noexec"),
    ("ONE", "none", "bind"),
    ("ONE", "none", "bind,ro"),
]


class Disks:
    """Directories to mount, and to mount on; and fstab."""

    def __init__(self, hosts: Hosts, lines: list[str], end: str) -> None:
        self.host = hosts.new("/etc", kept=True)
        self.place = self.host.folder / "disks"
        for name in ("at", "one", "two"):
            (self.place / name).mkdir(parents=True)
        (self.place / "link").symlink_to("at")
        text = "".join(self.named(line) + end for line in lines)
        (self.host.upper("/etc") / "fstab").write_bytes(text.encode("latin-1"))

    def named(self, words: str) -> str:
        for word in ("AT", "LINK", "ONE", "TWO"):
            words = words.replace(word, str(self.place / word.lower()))
        return words

    def mount(self, what: str) -> None:
        """Mount something at the directory, as an administrator would."""
        at = self.place / "at"
        *options, source = what.split()
        argv = ["-t", "tmpfs", "tmpfs"] if source == "tmpfs" else ["--bind", self.named(source)]
        self.host.sh(
            f"mount {' '.join(argv)} {at}; mount -o remount,bind,{','.join([*options, 'exec'])} {at}"
        )

    def picture(self) -> Picture:
        """fstab, directories, and what is mounted."""
        place = self.place

        def look() -> Picture:
            argv = ["findmnt", "-rno", "TARGET,FSTYPE,SOURCE,FSROOT,OPTIONS"]
            lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
            found: Picture = {
                "fstab": (Path("/etc/fstab").read_bytes(), ""),
                "mounts": (sorted(line for line in lines if str(place) in line.split()[0]), ""),
            }
            return {**found, **{each.name: (each.is_dir(), "") for each in place.iterdir()}}

        return self.host.sees(look)

    def fstab(self) -> list[str]:
        return self.host.read("/etc/fstab").decode("latin-1").split("\n")

    def mine(self, line: str) -> bool:
        """Whether a line of fstab is about the directory."""
        words = line.split("#")[0].split()
        return len(words) > 1 and words[1].rstrip("/") in (str(self.place / "at"), str(self.place / "link"))


def options_of(host: Host, at: Path) -> set[str]:
    said = host.sees(
        lambda: (
            subprocess.run(
                ["findmnt", "-rno", "VFS-OPTIONS", "-M", str(at)], capture_output=True, text=True, check=False
            ).stdout
        )
    )
    return set(said.strip().split(","))


@drawn(
    lines=st.lists(st.sampled_from(LINES), max_size=5, unique=True),
    end=st.sampled_from(["\n", "\n", "\n", "\r\n"]),
    mounted=st.sampled_from(MOUNTED),
    wanted=st.sampled_from(WANTED),
    now=st.sampled_from([True, True, False]),
    by=st.sampled_from(["at", "link"]),
    order=st.sampled_from([None, None, 2]),
)
@example(
    lines=["  ONE LINK none bind 0 0"],
    end="\n",
    mounted="ONE",
    wanted=("ONE", "none", "bind,ro"),
    now=True,
    by="link",
    order=None,
)
@example(
    lines=["  ONE LINK none bind 0 0"],
    end="\n",
    mounted="",
    wanted=("ONE", "none", "bind,ro"),
    now=True,
    by="link",
    order=None,
)
def test_mount(
    hosts: Hosts,
    lines: list[str],
    end: str,
    mounted: str,
    wanted: tuple[str, str, str | None],
    now: bool,
    by: str,
    order: int | None,
) -> None:
    disks = Disks(hosts, lines, end)
    if mounted:
        disks.mount(mounted)
    source, kind, options = wanted
    before = disks.fstab()
    step = Mount(str(disks.place / by), disks.named(source), kind, options, order, mounted=now)

    def is_so() -> None:
        if now:
            there = options_of(disks.host, disks.place / "at")
            assert there != {""}, "nothing is mounted"
            for word in (options or "").split(","):
                assert word not in ("ro", "rw", "nosuid", "noexec") or word in there, there
        after = disks.fstab()
        assert [line for line in after if not disks.mine(line)] == [
            line for line in before if not disks.mine(line)
        ]
        (line,) = filter(disks.mine, after)
        assert line.split()[0] == disks.named(source)
        assert options is None or line.split()[3] == options

    hold(disks.host, step, effect=is_so, picture=disks.picture)


@drawn(
    lines=st.lists(st.sampled_from(LINES), max_size=5, unique=True),
    mounted=st.sampled_from(MOUNTED),
    by=st.sampled_from(["at", "link"]),
)
def test_no_mount(hosts: Hosts, lines: list[str], mounted: str, by: str) -> None:
    disks = Disks(hosts, lines, "\n")
    if mounted:
        disks.mount(mounted)
    before = disks.fstab()

    def is_so() -> None:
        assert options_of(disks.host, disks.place / "at") == {""}
        assert disks.fstab() == [line for line in before if not disks.mine(line)]

    held = hold(disks.host, NoMount(str(disks.place / by)), effect=is_so, picture=disks.picture)
    assert not held.failed


def with_tools(host: Host) -> None:
    """Swap that the kernel only seems to use: it is one for all hosts of this machine."""
    host.write(
        "/usr/local/sbin/swapon",
        f'#!/bin/sh\nfor f; do :; done\necho "$f file 1 0 -2" >>{host.folder}/swaps\n',
        0o755,
    )
    host.write(
        "/usr/local/sbin/swapoff",
        f'#!/bin/sh\ncd {host.folder}; grep -v "^$1 " swaps >new; cat new >swaps\n',
        0o755,
    )
    host.sh(
        f"echo Filename Type Size Used Priority >{host.folder}/swaps; mount --bind {host.folder}/swaps /proc/swaps"
    )


@drawn(
    there=st.sampled_from(["", "small", "right", "text"]),
    mode=st.sampled_from([0o600, 0o644]),
    used=st.booleans(),
    line=st.sampled_from(
        ["", "AT none swap sw 0 0", "AT\tswap\tswap\tdiscard,pri=3\t0\t0 # mine", "AT swap swap"]
    ),
    size=st.sampled_from([0, 1, 2]),
    priority=st.sampled_from([None, 5]),
)
def test_swap_file(
    hosts: Hosts, there: str, mode: int, used: bool, line: str, size: int, priority: int | None
) -> None:
    host = hosts.new("/etc", "/usr/local/sbin", kept=True)
    at = host.folder / "swapfile"
    others = "# file systems\n/dev/sdz1 / ext4 defaults 0 1\n"
    (host.upper("/etc") / "fstab").write_text(others + (line.replace("AT", str(at)) + "\n" if line else ""))
    with_tools(host)
    if there:
        at.write_bytes({"small": b"\0" * 4096, "right": b"\0" * (1 << 20), "text": b"letters\n"}[there])
        at.chmod(mode)
    if there == "right":
        host.sh(f"mkswap {at} >/dev/null 2>&1")
        if used:
            host.sh(f"swapon {at}")

    def look() -> Picture:
        now = at.stat() if at.exists() else None
        return {
            "file": (now and (now.st_mode, now.st_size), ""),
            "swaps": (sorted((host.folder / "swaps").read_text().splitlines()), ""),
            "fstab": (Path("/etc/fstab").read_text(), ""),
        }

    def is_so() -> None:
        assert at.exists() == bool(size)
        if size:
            assert (at.stat().st_size, at.stat().st_mode & 0o777) == (size << 20, 0o600)
            assert b"SWAPSPACE2" in at.read_bytes()[:4096]
        text = host.read("/etc/fstab").decode()
        assert text.startswith(others)
        mine = [each.split() for each in text.splitlines() if str(at) in each]
        assert len(mine) == bool(size)
        if size and "discard" in line:
            assert mine[0][3].startswith("discard,") and "# mine" in text
        if size and priority is not None:
            assert "pri=5" in mine[0][3].split(",")

    hold(host, SwapFile(size, str(at), priority), effect=is_so, picture=lambda: host.sees(look))
