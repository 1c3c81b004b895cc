"""The same changes by Ansible's modules and by prov's steps, row by row, and what the hosts are like afterwards.

The rows are in tests/lab/like_ansible/rows: for each module its tasks and our steps for a first change, a second one
and a removal, and a command whose output says what came of it, as the program that it is for reads it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from helpers.cli import Run, prov
from helpers.hosts import Hosts, Kind, on
from helpers.projects import Project
from provision import lab

HERE = Path(__file__).parents[1] / "like_ansible"
#: changes in their order; "again" is the first one, once more
PHASES = ("first", "again", "second", "removal")
#: on all hosts before: archives, a repository of git and one of packages, served by the host itself
PREPARED = (HERE / "prepare.sh").read_text()
#: what a text of a row may name of its host: ${archive}
GIVEN = re.compile(r"\$\{(archive|archive2|key)\}")
TASK = re.compile(r"^TASK \[(.*)\] \*+$")
STATE = re.compile(r"^(ok|changed|fatal|skipping|failed): \[[^\]]*\](.*)$")
MARK = "\n=== row === "


@dataclass(frozen=True)
class Row:
    """A module, and what is asked of both. host: rows that would disturb one another have hosts of their own."""

    row: str
    seen: str
    first: Mapping[str, Any]
    second: Mapping[str, Any] = field(default_factory=dict)
    removal: Mapping[str, Any] = field(default_factory=dict)
    modules: Sequence[str] = ()
    needs: Sequence[str] = ()
    before: str = ""
    host: str = "main"
    images: Sequence[str] = ("debian-12", "debian-13")
    become: str = ""
    reads: str = ""
    again: bool = True
    why: str = ""

    def change(self, phase: str) -> Mapping[str, Any]:
        """What is asked in a phase; {} if nothing is."""
        if phase == "again":
            return self.first if self.again else {}
        found: Mapping[str, Any] = getattr(self, phase)
        return found

    @property
    def names(self) -> Sequence[str]:
        """The modules as docs/ansible.md has them."""
        return self.modules or (self.row,)

    @property
    def of_core(self) -> bool:
        """Whether ansible-core alone has all its modules."""
        tasks = [task for phase in PHASES for task in self.change(phase).get("theirs", ())]
        return all(name.startswith("ansible.builtin.") for task in tasks for name in task if "." in name)


def rows() -> list[Row]:
    """All rows."""
    files = [path for path in sorted((HERE / "rows").glob("*.yml")) if path.name != "not_run.yml"]
    return [Row(**row) for path in files for row in yaml.safe_load(path.read_text())]


def not_run() -> dict[str, str]:
    """Modules without a row -> why."""
    groups = yaml.safe_load((HERE / "rows/not_run.yml").read_text())
    return {module: group["why"] for group in groups for module in group["modules"]}


@dataclass
class Both:
    """What came of it. seen: phase -> row -> (theirs, ours), "before" the first. failed: phase -> rows of theirs that
    failed, with what Ansible says. ours: phase -> the run of prov."""

    seen: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)
    failed: dict[str, dict[str, str]] = field(default_factory=dict)
    ours: dict[str, Run] = field(default_factory=dict)

    def check_done(self, phase: str) -> None:
        """All tasks and steps of a phase have worked; none of ours has anything to do again."""
        assert self.failed[phase] == {}
        run = self.ours[phase]
        states = ("ok",) if phase == "again" else ("ok", "changed")
        assert [found for host in run.events[-1]["hosts"] for found in run.not_in(host, *states)] == []
        assert run.status == 0

    def check(self, row: Row) -> None:
        """Both hosts are the same after each phase, and each change has changed what is looked at."""
        last = self.seen["before"][row.row]
        assert last[0] == last[1]
        for phase in PHASES:
            now = self.seen[phase][row.row]
            assert (phase, now[0]) == (phase, now[1])
            changes = bool(row.change(phase)) and phase != "again" and not row.reads
            assert (now != last) == changes, f"{phase}: {now[0]}"
            last = now


@dataclass
class Comparison:
    """Two hosts, or two and two, that get the same rows. program: ansible-playbook."""

    hosts: Hosts
    folder: Path
    image: str
    rows: Sequence[Row]
    program: Path

    def run(self) -> Both:
        """All phases."""
        self.places = sorted({row.host for row in self.rows})
        short = self.image.removeprefix("debian-")
        self.names = {
            (side, place): f"t-{side}-{place}{short}" for side in ("theirs", "ours") for place in self.places
        }
        found = self.hosts.up({name: Kind(self.image) for name in self.names.values()})
        with ThreadPoolExecutor(4) as pool:
            given = dict(zip(self.names, pool.map(self._prepare, self.names.items()), strict=True))
        self.given: dict[tuple[str, str], dict[str, str]] = given
        self.project = Project(self.folder)
        shutil.copytree(HERE / "files", self.folder / "roles/same/files", symlinks=True)
        shutil.copytree(HERE / "templates", self.folder / "roles/same/templates")
        shutil.copyfile(HERE / "role.py", self.folder / "roles/same/__init__.py")
        self._inventory(found)
        both = Both()
        both.seen["before"] = self._seen()
        for phase in PHASES:
            with ThreadPoolExecutor(2) as pool:
                theirs, ours = pool.submit(self._play, phase), pool.submit(self._deploy, phase)
                both.failed[phase], both.ours[phase] = theirs.result(), ours.result()
            both.seen[phase] = self._seen()
        return both

    def of(self, place: str) -> list[Row]:
        """The rows of a place."""
        return [row for row in self.rows if row.host == place]

    def _prepare(self, item: tuple[tuple[str, str], str]) -> dict[str, str]:
        (_, place), name = item
        mine = self.of(place)
        needs = sorted({"python3-apt", "git", "gnupg"}.union(*(row.needs for row in mine)))
        on(name, "sh", "-c", f"{INSTALL} {' '.join(needs)} >/dev/null", timeout=300)
        said: dict[str, str] = json.loads(on(name, "sh", "-c", PREPARED, timeout=120))
        on(name, "sh", "-c", "set -e\n" + "\n".join(row.before for row in mine), timeout=120)
        return said

    def _seen(self) -> dict[str, tuple[str, str]]:
        """Row -> what it looks like on both hosts."""

        def look(key: tuple[str, str]) -> list[str]:
            asked = "".join(f"printf '%s' '{MARK}'\n(\n{row.seen}\n) 2>&1\n" for row in self.of(key[1]))
            return on(self.names[key], "sh", "-c", asked, check=False, timeout=120).split(MARK.strip("\n"))[
                1:
            ]

        found = {}
        with ThreadPoolExecutor(2) as pool:
            for place in self.places:
                theirs, ours = pool.map(look, (("theirs", place), ("ours", place)))
                for row, *pair in zip(self.of(place), theirs, ours, strict=True):
                    found[row.row] = (pair[0].strip(), pair[1].strip())
        return found

    # -- ansible

    def _inventory(self, found: Mapping[str, lab.LabHost]) -> None:
        lines = []
        for place in self.places:
            host = found[self.names["theirs", place]]
            lines += [
                f"[{place}]",
                f"{host.name} ansible_host={host.address} ansible_user={host.user} ansible_port={host.port} "
                f"ansible_ssh_private_key_file={host.key} ansible_python_interpreter=/usr/bin/python3 "
                f"ansible_become_method=su ansible_ssh_common_args='-o UserKnownHostsFile={host.known_hosts}'",
            ]
        (self.folder / "ansible.ini").write_text("\n".join(lines) + "\n")

    def _play(self, phase: str) -> dict[str, str]:
        """Run a playbook of a phase; rows that failed."""
        plays = []
        for place in self.places:
            tasks = [
                {
                    "name": row.row,
                    **task,
                    **({"become": True, "become_user": row.become} if row.become else {}),
                }
                for row in self.of(place)
                for task in self._filled(row.change(phase).get("theirs", ()), "theirs", place)
            ]
            plays.append({"hosts": place, "gather_facts": False, "ignore_errors": True, "tasks": tasks})
        folder = self.folder / "roles/same"
        (folder / f"{phase}.yml").write_text(yaml.safe_dump(plays, sort_keys=False, allow_unicode=True))
        done = subprocess.run(
            [self.program, "-i", self.folder / "ansible.ini", folder / f"{phase}.yml"],
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self.folder),
                "ANSIBLE_PIPELINING": "1",
                "ANSIBLE_DISPLAY_FAILED_STDERR": "0",
                "LC_ALL": "C.UTF-8",
            },
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        return failed_tasks(done.stdout)

    # -- prov

    def _deploy(self, phase: str) -> Run:
        hosts = {}
        for place in self.places:
            steps = [
                [row.row, name, given]
                for row in self.of(place)
                for step in self._filled(row.change(phase).get("ours", ()), "ours", place)
                for name, given in step.items()
            ]
            hosts[self.names["ours", place]] = {"same": {"steps": steps}}
        self.project.inventory(hosts, ansible_connection="lab", roles=["same"])
        return prov("deploy", ",".join(hosts), cwd=self.folder, timeout=600)

    def _filled(self, tasks: Iterable[Any], side: str, place: str) -> Any:
        """Tasks with what their texts name of the host."""
        given = self.given[side, place]
        return json.loads(GIVEN.sub(lambda m: json.dumps(given[m[1]])[1:-1], json.dumps(list(tasks))))


INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends"


def failed_tasks(said: str) -> dict[str, str]:
    """Names of tasks that failed, with what Ansible says of them."""
    found, name = {}, ""
    for line in said.splitlines():
        if match := TASK.match(line):
            name = match[1]
        elif (match := STATE.match(line)) and match[1] in ("fatal", "failed"):
            found[name] = match[2]
    return found
