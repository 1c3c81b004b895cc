"""What a host is: its files, its units, what prov remembers, and whether what runs has read what is there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.hosts import on
from provision.lab import store

#: what two runs of the same may leave different, and why; a folder stands for all that is in it
VOLATILE: Mapping[str, str] = {
    "/var/log": "logs",
    "/var/cache": "caches of packages, debconf, fonts, ld.so",
    "/etc/ld.so.cache": "a cache",
    "/var/lib/apt/lists": "what repositories have at the moment",
    "/var/lib/apt/periodic": "when apt's timer was last at work",
    "/var/lib/systemd": "when timers were last at work; random seeds",
    "/var/backups": "copies that dpkg's timer makes",
    "/etc/hosts": "the lab writes names of other hosts into it",
    "/var/lib/prov/runs": "the history: there is a run more",
    "/var/lib/prov/lock": "who deployed last, and when",
    "/var/lib/prov/ledger.json": "has times; compared without them",
}
#: the same for parts of names
VOLATILE_NAMES: Mapping[str, str] = {
    "__pycache__": "compiled Python has in it when its source was written",
    "systemd-private-": "folders that systemd names at random for services",
    "-old": "dpkg's copies of its own files before it last wrote them",
}
#: files whose contents are random, and made on the host; owner and mode are compared
RANDOM = "/etc/prov/tls/"
#: have the day on which an account was made (shadow(5), third field), which after midnight is another one
DATED = ("/etc/shadow", "/etc/shadow-")
#: say who has deployed each release, and when
SIGNED = re.compile(r"/srv/[^/]+/releases\.json")
UNITS = """
systemctl list-unit-files --no-legend --plain --type=service,socket,timer | awk '{print $1, $2}' | sort
systemctl list-units --all --no-legend --plain --type=service,socket,timer --state=running,listening,waiting,failed |
  awk '{print $1, $4}' | grep -Ev '^(user|session|prov-guard|systemd-.*ask)' | sort
"""
#: run by the host's Python: units that began to start or reload (systemd's catalog: the message's ids) before a file
#: that they read was last changed
STALE = """
import glob, json, os, subprocess
reads = {"ssh.service": ["/etc/ssh"], "nginx.service": ["/etc/nginx", "/etc/prov/tls"]}
for link in glob.glob("/srv/*/instances/*"):
    app, instance = link.split("/")[2], link.split("/")[4]
    unit = "app-%s@%s.service" % (app, instance)
    reads[unit] = [os.path.realpath(link), os.path.realpath(link + "/.venv"), "/etc/prov/%s.env" % app]
for unit, paths in reads.items():
    shown = subprocess.run(["systemctl", "show", "-p", "ActiveState,FragmentPath,DropInPaths,NeedDaemonReload", unit],
                           stdout=subprocess.PIPE, text=True).stdout
    state = dict(line.split("=", 1) for line in shown.splitlines())
    if state["ActiveState"] != "active":
        continue
    if state["NeedDaemonReload"] == "yes":
        print(unit, "has a unit file that systemd has not read")
    began = []
    for id in ("7d4958e842da4a758f6c1cdc7b36dcc5", "d34d037fff1847e6ae669a370e694725"):
        query = ["journalctl", "-q", "-b", "-o", "json", "_PID=1", "UNIT=" + unit, "MESSAGE_ID=" + id]
        lines = subprocess.run(query, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        began += [int(json.loads(line)["__REALTIME_TIMESTAMP"]) / 1e6 for line in lines]
    files = [*state["DropInPaths"].split(), state["FragmentPath"], *(p for p in paths if not os.path.isdir(p))]
    for path in paths:
        for folder, _, names in os.walk(path):
            if "__pycache__" not in folder:
                files += [os.path.join(folder, name) for name in names]
    for path in files:
        changed = os.stat(path).st_ctime
        if not began or changed > max(began):
            print(unit, "has not read", path, "of", changed, "as it began at", max(began, default=0))
"""


@dataclass(frozen=True)
class Picture:
    """files: path -> what is there.  units: lines of systemctl.  remembered: of prov's ledger.  stale: what runs
    with files that are no more."""

    files: Mapping[str, str]
    units: frozenset[str]
    remembered: Mapping[str, Any]
    stale: tuple[str, ...]

    def differences(self, after: Picture) -> list[str]:
        """What is there after, and is not as here."""
        found = [
            f"{path}: {self.files.get(path, 'absent')}, then {after.files.get(path, 'absent')}"
            for path in sorted({*self.files, *after.files})
            if self.files.get(path) != after.files.get(path)
        ]
        found += [f"unit {line}: gone" for line in sorted(self.units - after.units)]
        found += [f"unit {line}: new" for line in sorted(after.units - self.units)]
        for part, was in self.remembered.items():
            now = after.remembered[part]
            names = sorted(name for name in {*was, *now} if was.get(name) != now.get(name))
            found += [f"ledger, {part}, {name}: {was.get(name)}, then {now.get(name)}" for name in names]
        return found + list(after.stale)


def picture(name: str) -> Picture:
    """A lab host as it is now."""
    stale = on(name, "python3", "-c", STALE).splitlines()
    found = {path: said for path, said in files(name) if not volatile(path)}
    found.update(
        {path: f"{found[path].rsplit(' ', 1)[0]} {_undated(name, path)}" for path in DATED if path in found}
    )
    found.update(
        {
            path: f"{found[path].rsplit(' ', 1)[0]} {_unsigned(name, path)}"
            for path in found
            if SIGNED.fullmatch(path)
        }
    )
    return Picture(found, units(name), _remembered(name), tuple(stale))


def _undated(name: str, path: str) -> list[list[str]]:
    """The accounts of a lab host's shadow file, without their days."""
    lines = Path(f"{store.current().host(name).root}{path}").read_text(encoding="utf-8").splitlines()
    return [fields[:2] + fields[3:] for fields in (line.split(":") for line in lines)]


def _unsigned(name: str, path: str) -> dict[str, Any]:
    """A lab host's book of releases, without who has deployed each, and when."""
    book: dict[str, Any] = json.loads(Path(f"{store.current().host(name).root}{path}").read_bytes())
    signed = ("at", "who", "commit")
    instances = book["instances"].items()
    return {**book, "instances": {n: {k: v for k, v in e.items() if k not in signed} for n, e in instances}}


def units(name: str) -> frozenset[str]:
    """What is enabled, and what is running or failed."""
    return frozenset(on(name, "sh", "-c", UNITS).splitlines())


def _remembered(name: str) -> dict[str, Any]:
    """What prov made, and which units read it: without times and numbers of runs."""
    ledger = json.loads((store.current().host(name).root / "var/lib/prov/ledger.json").read_bytes())
    return {
        "made": ledger["made"],
        "units": {u: sorted(known["inputs"]) for u, known in ledger["units"].items()},
    }


def files(name: str, below: str = "", random: str = RANDOM) -> Iterator[tuple[str, str]]:
    """Every path on a host's disk, as this machine sees it, with what is there. random: see RANDOM."""
    root = store.current().host(name).root
    for folder, folders, names in os.walk(f"{root}{below}"):
        here = folder[len(str(root)) :]
        folders[:] = [each for each in folders if below or not volatile(f"{here}/{each}")]
        for each in (*folders, *names):
            path = f"{here}/{each}"
            yield path, _described(Path(folder, each), path, read=not random or not path.startswith(random))


def volatile(path: str) -> bool:
    """Whether two runs of the same may leave it different."""
    return path in VOLATILE or any(part in path.rpartition("/")[2] for part in VOLATILE_NAMES)


def _described(at: Path, path: str, *, read: bool) -> str:
    st = at.lstat()
    words = f"{stat.filemode(st.st_mode)} {st.st_uid} {st.st_gid}"
    if stat.S_ISLNK(st.st_mode):
        return f"{words} -> {at.readlink()}"
    return f"{words} {_digest(at, path, st)}" if stat.S_ISREG(st.st_mode) and read else words


_DIGESTS: dict[tuple[object, ...], str] = {}


def _digest(at: Path, path: str, st: os.stat_result) -> str:
    """A file's contents. Most of them are the image's, and are read once: no one can set a time of change."""
    key = (path, st.st_size, st.st_ino, st.st_mtime_ns, st.st_ctime_ns)
    if key not in _DIGESTS:
        _DIGESTS[key] = hashlib.sha256(at.read_bytes()).hexdigest()[:16]
    return _DIGESTS[key]
