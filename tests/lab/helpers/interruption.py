"""Whether one more deploy brings a host to where an uninterrupted one would have brought it, wherever it was cut."""

from __future__ import annotations

import contextlib
import logging
import queue
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.cli import PROV, Run, prov
from helpers.cutting import KINDS, Stepped, mend
from helpers.hosts import settle
from helpers.pictures import Picture, picture
from helpers.projects import HELLO, STACK, Project
from helpers.web import Site
from provision import lab
from provision.lab import store

#: deploys that are cut: that of a bare host, and one that changes the application, its environment, its static
#: files, nginx and the certificate of a host that is deployed
FIRST, SECOND = "first", "second"
#: snapshot that each begins with
BEFORE = {FIRST: "bare", SECOND: "deployed"}
#: what the second deploy adds to the application
ROUTE = "\n\n@app.get('/release')\ndef release():\n    return os.environ['RELEASE']\n"
CACHES = ("var/cache/apt", "var/lib/apt/lists")
#: how much of a step's time passes before a cut inside it
PARTS = (0.2, 0.5, 0.8)
#: seconds that the run that was cut may go on holding the lock
LOCKED = 150.0


@dataclass(frozen=True)
class Cut:
    """deploy: FIRST or SECOND.  kind: of cutting.KINDS.  step: its role and label.  after: seconds after the step was
    told to run, and all the rest with it; None: before, when all steps before it are done."""

    deploy: str
    kind: str
    step: str
    after: float | None = None

    def __str__(self) -> str:
        when = "before" if self.after is None else f"{self.after * 1000:.0f} ms into"
        return f"{self.deploy} deploy, {self.kind} {when} {self.step}"


@dataclass(frozen=True)
class Verdict:
    """What came of a cut. differences: from an uninterrupted run; none if it converged.  late: the run had ended.

    refused: how often a deploy was refused, as the run that was cut still held the lock.  changed: steps that one more
    deploy changed.
    """

    cut: Cut
    differences: Sequence[str] = field(default_factory=list)
    late: bool = False
    refused: int = 0
    changed: int = 0

    @property
    def converged(self) -> bool:
        return not self.differences


def draw(steps: Mapping[str, Sequence[tuple[str, float]]], count: int | None = None) -> list[Cut]:
    """Every kind of cut before and inside each step of the deploys; or `count` of them, spread evenly over both.

    steps: by deploy, as Interrupting.steps gives them.
    """
    places = [(deploy, *step) for deploy, each in steps.items() for step in each]
    ways = [(kind, inside) for inside in (False, True) for kind in KINDS]
    most = len(places) * len(ways)
    wanted = most if count is None else min(count, most)
    found: list[Cut] = []
    while len(found) < wanted:
        # each place once, each time in another way, or as many of them as there are cuts left
        again, many = len(found) // len(places), min(len(places), wanted - len(found))
        for number in range(many):
            place = number * len(places) // many
            deploy, step, seconds = places[place]
            kind, inside = ways[((place if again else number) + again) % len(ways)]
            found.append(Cut(deploy, kind, step, seconds * PARTS[number % len(PARTS)] if inside else None))
    return found


class Interrupting:
    """Hosts on which runs are cut, several at a time; they are bare. folder: for the projects, before and after a
    change.  first: whether first deploys are to be cut too."""

    def __init__(self, folder: Path, hosts: Sequence[str], *, first: bool = False) -> None:
        before, after = Project(folder / "before").examples(), Project(folder / "after")
        _declare(before, hosts)
        self.folders = {FIRST: before.folder, SECOND: after.folder}
        self._hosts = len(hosts)
        self._free: queue.Queue[str] = queue.Queue()
        self._references: dict[tuple[str, str], Picture] = {}
        for host in hosts:
            mend(host)
            if first:
                _lab("snapshot", host, BEFORE[FIRST])
        # one of them alone: it makes the authority that all deploys go on with
        prov("deploy", hosts[0], cwd=before.folder, timeout=600, status=0)
        shutil.copytree(before.folder, after.folder, dirs_exist_ok=True)
        _change(after, hosts)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: self._prepare(host, first), hosts))

    def _prepare(self, host: str, first: bool) -> None:
        """Deploy, and deploy what is changed, without a cut: that is what all others have to come to."""
        if first:
            self._fill_caches(host)
        for deploy in (FIRST, SECOND):
            prov("deploy", host, cwd=self.folders[deploy], timeout=600, status=0)
            settle(host)
            self._references[host, deploy] = picture(host)
            if deploy == FIRST:
                _lab("snapshot", host, BEFORE[SECOND])
        self._free.put(host)

    def _fill_caches(self, host: str) -> None:
        """Have what a bare host would download for each cut in the snapshot already."""
        prov("deploy", host, cwd=self.folders[FIRST], timeout=600, status=0)
        kept = self.folders[FIRST].with_name(f"caches of {host}")
        root = store.current().host(host).root
        for each in CACHES:
            shutil.copytree(root / each, kept / each)
        _lab("restore", host, BEFORE[FIRST])
        for each in CACHES:
            shutil.copytree(kept / each, root / each, dirs_exist_ok=True)
        _lab("snapshot", host, BEFORE[FIRST])

    def steps(self, deploy: str) -> list[tuple[str, float]]:
        """Role and label of each step of a deploy, and the seconds that it takes."""
        host = self._free.get()
        try:
            _lab("restore", host, BEFORE[deploy])
            run = Stepped(self.folders[deploy], host)
            found: list[tuple[str, float]] = []
            since = 0.0
            for step in run.questions():
                now = time.monotonic()
                found[-1:] = [(found[-1][0], now - since)] if found else []
                found.append((step, 0.0))
                since = time.monotonic()
                run.answer("y")
            found[-1:] = [(found[-1][0], time.monotonic() - since)]
            assert run.end() == 0, run.said
            assert len({step for step, _ in found}) == len(found), found
            return found
        finally:
            self._free.put(host)

    def all(self, cuts: Iterable[Cut]) -> Iterator[Verdict]:
        """A verdict on each cut, as they come."""
        pool = ThreadPoolExecutor(self._hosts)
        try:
            yield from pool.map(self._told, cuts)
        finally:
            pool.shutdown(cancel_futures=True)

    def _told(self, cut: Cut) -> Verdict:
        """For whoever watches the hours go by: pytest -o log_cli=true --log-cli-level=INFO."""
        verdict = self.one(cut)
        logging.getLogger(__name__).info("%s: %s", cut, "; ".join(verdict.differences) or "converged")
        return verdict

    def one(self, cut: Cut) -> Verdict:
        """Cut a run, let another one follow, and see."""
        host = self._free.get()
        try:
            _lab("restore", host, BEFORE[cut.deploy])
            settle(host)
            if not self._cut(cut, host):
                return Verdict(cut, late=True)
            return self._judge(cut, host)
        except (AssertionError, subprocess.TimeoutExpired, KeyError) as error:
            return Verdict(cut, [f"it ended with {type(error).__name__}: {error}"])
        finally:
            self._free.put(host)

    def _cut(self, cut: Cut, host: str) -> bool:
        """Whether the run was cut: it may have ended before."""
        with contextlib.closing(Stepped(self.folders[cut.deploy], host)) as run:
            for step in run.questions():
                if step == cut.step:
                    break
                run.answer("y")
            else:
                raise AssertionError(f"no step {cut.step}: {run.said!r}")
            if cut.after is not None:
                run.answer("c")
                time.sleep(cut.after)
            try:
                back = KINDS[cut.kind](host, run)
            except ProcessLookupError:
                return False
            try:
                if cut.after is None and run.process.poll() is None:
                    run.answer("c")
                # it has to notice on its own what has happened
                status = run.end()
            finally:
                back()
            assert status != 0 or cut.after is not None, run.said
            return status != 0

    def _judge(self, cut: Cut, host: str) -> Verdict:
        if cut.kind == "power cut":
            settle(host)
        folder = self.folders[cut.deploy]
        again, refused = _once_more(host, folder)
        if again.status:
            return Verdict(
                cut, [f"one more deploy ended with {again.status}: {again.errors}"], refused=refused
            )
        changed = again.tally(host)["changed"]
        settle(host)
        found = self._references[host, cut.deploy].differences(picture(host))
        planned = prov("plan", host, cwd=folder, timeout=200)
        third = prov("deploy", host, cwd=folder, timeout=200)
        found += [f"then a plan: {each}" for each in planned.not_in(host, "ok")]
        found += [f"then a deploy: {each}" for each in third.not_in(host, "ok")]
        found += [f"{run.argv[1]} ended with {run.status}" for run in (planned, third) if run.status]
        found += _served(host, folder, cut.deploy)
        return Verdict(cut, found, refused=refused, changed=changed)


def _once_more(host: str, folder: Path) -> tuple[Run, int]:
    """Deploy as someone does who is told that a run is at work still: again, until it is not. And how often."""
    end = time.monotonic() + LOCKED
    for refused in range(1000):
        run = prov("deploy", host, cwd=folder, timeout=400)
        if run.status != 1 or "another run is at work" not in str(run.errors) or time.monotonic() > end:
            return run, refused
        time.sleep(0.5)
    raise AssertionError("unreachable")


def _served(host: str, folder: Path, deploy: str) -> list[str]:
    """What is wrong with the application, as seen from outside."""
    found = lab.find(host)
    assert found is not None
    site = Site(found.address, "hello.test", folder / ".prov/ca/ca.crt")
    page, release = site.get("/healthz"), site.get("/release")
    wanted = (200, b"two") if deploy == SECOND else (404, release.body)
    if (page.status, release.status, release.body) == (200, *wanted):
        return []
    return [f"served: {page.status}, {release.status} {release.body!r}"]


def _declare(
    project: Project, hosts: Sequence[str], app: Mapping[str, Any] = HELLO, **changed: object
) -> None:
    variables = {"ansible_connection": "lab", "roles": STACK, **changed}
    # connections to every second host are kept, as by default
    fresh = {host: {"prov_persist": 0} for host in hosts[1::2]}
    project.inventory(
        {host: {"apps": {"hello": dict(app)}, **fresh.get(host, {})} for host in hosts}, **variables
    )


def _change(project: Project, hosts: Sequence[str]) -> None:
    """Make it the project of the second deploys."""
    source = project.folder / "flask_hello"
    with (source / "hello.py").open("a") as f:
        f.write(ROUTE)
    (source / "static/two.css").write_text("p { color: teal }\n")
    app = {**HELLO, "environment": {"RELEASE": "two"}, "domains": ["hello.test", "two.test"]}
    _declare(project, hosts, app, nginx={"worker_connections": 2048}, base={"timezone": "Europe/Berlin"})


def _lab(*argv: str) -> None:
    done = subprocess.run([PROV, "lab", *argv], capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, (argv, done.stderr)
