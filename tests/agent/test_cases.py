"""Case files of all kinds of steps: cases/<kind>/<case>.yaml, collected automatically; every second one in `make test`,
all of them in `make prove` and with WHOLE=1.

A case is: what is there before, the step, what is expected of it. Each is planned, applied, applied again by
another agent, and planned once more: the plan writes nothing and says what the deploy then does; the second
time nothing changes and a reason is given.

    before: {motd: "old\n"}                    # a tree below $T, the case's folder (trees.py)
    made: [releases/1]                         # of that, what prov has made, with all that is in it
    without: [visudo]                          # programs that the host has not
    prepare: [{...}]                           # steps of the same kind that are applied first; then
    drift: {motd: null}                        # changes to the tree that someone else makes
    step: {path: $T/motd, content: "new\n"}
    refused: "must be absolute"                # the controller refuses the arguments, or:
    state: changed                             # changed, ok, maybe, failed
    changes: [[content, "", ""]]               # what, before, after; "*" is anything
    diff: ["-old", "+new"]                     # lines that the textual diff has
    why: "has these contents"                  # of the first no-op
    error: "is a directory"                    # of a failed step, in the plan too but for plan_state: changed
    after: {motd: "new\n"}                     # the whole tree; or
    has: {motd: "new\n"}                       # a part of it; a value of "*" is anything
    stdout: "what a command printed"
    again: "has these contents"                # of the second run
    plan_again: unknown                        # a plan can't know that a command settles what it asks about
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
import yaml
from agent_sessions import Agents, private_etc
from case_helpers import Server, placeholders, step_classes, with_sources
from helpers.samples import sample
from trees import build, contents, expected, photograph

from provision.controller.outcome import Outcome, StepFailed
from provision.controller.session import Session
from provision.steps.base import Step
from provision.system.memory.folder_contents import names_in
from provision.system.memory.ledger import Ledger

CASES = Path(__file__).parent / "cases"
KINDS = step_classes()
#: kinds that need packages or a running systemd: tests/lab has them
ON_LAB_HOSTS = {
    "packages",
    "no_packages",
    "hold",
    "upgrade",
    "autoremove",
    "service",
    "only_instances",
    "unit_condition",
}
#: kinds that a plan does not wait for
WAITING = ("url", "port", "file_condition", "process_condition", "command_condition")
#: kinds whose judge also applies what it judges, which a plan must not
APPLYING = ("tmpfiles", "sysusers")
#: kinds that change /etc: their agent gets one of its own
PRIVATE_ETC = {
    "user", "no_user", "group", "no_group", "ageing", "authorized_keys", "no_authorized_keys", "hostname", "timezone",
    "sshd_drop_in", "tmpfiles", "sysusers", "journal_settings",
    "client_drop_in", "known_host", "key_pair", "sudoers", "no_sudoers", "job", "no_job", "rotation", "no_rotation",
    "limits", "hosts_entry",
}  # fmt: skip


def case_files() -> Iterator[Any]:
    for path in sorted(CASES.glob("*/*.yaml")):
        yield pytest.param(path, id=f"{path.parent.name}-{path.stem}")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """An HTTP server on this machine."""
    found = Server()
    yield found
    found.close()


class Case:
    """One case file, ready to run below root."""

    def __init__(self, path: Path, root: Path, agents: Agents, server: Server) -> None:
        self.kind = path.parent.name
        self.root = root
        self.agents = agents
        values = placeholders(root, server)
        self.data = yaml.safe_load(path.read_text(encoding="utf-8"))
        for part in ("before", "prepare", "drift", "step"):
            self.data[part] = fill(self.data.get(part, {}), values)
        packages = {"$PACKAGES": values["$PACKAGES"]}
        self.data["has"] = fill(self.data.get("has", {}), packages)
        known = {"before", "prepare", "drift", "step", "refused", "state", "changes", "diff", "why", "error"}
        assert set(self.data) <= known | {
            "after",
            "has",
            "plan_state",
            "plan_again",
            "hint",
            "again",
            "stdout",
            "without",
            "made",
        }, path
        self.options: dict[str, Any] = {}
        if self.kind in PRIVATE_ETC:
            (root / "etc").mkdir(mode=0o755)
            self.options["wrap"] = private_etc(root, without=self.data.get("without", ()))

    def step(self, values: dict[str, Any]) -> Step:
        return KINDS[self.kind](**{name: with_sources(value) for name, value in values.items()})

    def run(self, values: dict[str, Any], *, plan: bool, times: int = 1) -> list[Outcome]:
        """Submit the step to one new agent, `times` times."""
        with self.agents.session(plan=plan, **self.options) as session:
            return [submit(session, self.step(values)) for _ in range(times)]

    def shown(self, outcome: Outcome) -> list[list[str]]:
        """The outcome's changes, without their text."""
        return [[self.short(c.what), self.short(c.before), self.short(c.after)] for c in outcome.diff]

    def short(self, text: str) -> str:
        return text.replace(str(self.root), "$T")


def submit(session: Session, step: Step) -> Outcome:
    outcome = session.submit(step)
    try:
        outcome.wait()
    except StepFailed:
        assert outcome.state == "failed"
    return outcome


def made_by_prov(agents: Agents, root: Path, names: list[str]) -> None:
    """Have prov remember to have made these, as an earlier run would have."""
    if not names:
        return
    ledger = Ledger(str(agents.ledger))
    for path in (str(root / name) for name in names):
        ledger.made("path", path, whole=True)
        ledger.contents.add(path, *names_in(path))
    ledger.save()


def fill(value: Any, values: dict[str, Any]) -> Any:
    """A case's data with $NAME replaced: a whole value by anything, a part of a text by text."""
    if isinstance(value, dict):
        return {fill(k, values): fill(v, values) for k, v in value.items()}
    if isinstance(value, list):
        return [fill(v, values) for v in value]
    if not isinstance(value, str):
        return value
    if value in values:
        return values[value]
    return re.sub(r"\$[A-Z]+", lambda m: str(values.get(m.group(0), m.group(0))), value)


@pytest.mark.parametrize("path", sample(list(case_files()), 2))
def test_case(path: Path, root: Path, agents: Agents, server: Server) -> None:
    case = Case(path, root, agents, server)
    data = case.data
    build(root, data.get("before", {}))
    made_by_prov(agents, root, data.get("made", []))
    for values in data.get("prepare", []):
        assert case.run(values, plan=False)[0].state in ("changed", "ok")
    build(root, data.get("drift", {}))
    untouched = photograph(root)

    if "refused" in data:
        # Session.submit makes a ConfigError with file and line of it (test_session.py)
        with pytest.raises(ValueError, match=re.escape(data["refused"])):
            case.step(data["step"]).validate()
        assert photograph(root) == untouched
        return

    predicted = case.run(data["step"], plan=True, times=2)
    assert photograph(root) == untouched, "a plan has written something"
    (real,) = case.run(data["step"], plan=False)
    compare_with_expected(case, real)
    compare_plan(case, predicted[0], real)
    if data["state"] == "failed":
        if "after" not in data and not data["has"]:
            assert contents_of(photograph(root)) == contents_of(untouched)
        return
    if data["state"] == "ok":
        assert photograph(root) == untouched
    again(case, predicted[1])


def compare_with_expected(case: Case, real: Outcome) -> None:
    data = case.data
    assert real.state == ("changed" if data["state"] == "maybe" else data["state"]), real.error or real.diff
    if data["state"] == "failed":
        assert real.error is not None
        words = f"{real.error.message}\n{real.error.stdout}\n{real.error.stderr}"
        assert data["error"] in case.short(words)
        assert data.get("hint", "") in real.error.hint
    for shown, wanted in zip_longest(case.shown(real), data.get("changes", [])):
        assert shown and wanted and all(w in (s, "*") for s, w in zip(shown, wanted, strict=True)), (
            shown,
            wanted,
        )
    assert real.stdout == data.get("stdout", real.stdout)
    text = case.short("\n".join(c.text for c in real.diff))
    for line in data.get("diff", []):
        assert line in text.split("\n")
    if data["state"] == "ok":
        assert data["why"] in case.short(real.why)
        assert data["why"]
    there = contents(case.root)
    if "after" in data:
        wanted_tree = expected(data["after"])
        for entry in wanted_tree.values():
            if "$T" in entry.get("file", ""):
                entry["file"] = entry["file"].replace("$T", str(case.root))
        assert there == wanted_tree
    for at in data["has"]:
        wanted = expected(data["has"])[at]
        if wanted.get("file") == "*":
            wanted = {**wanted, "file": there[at]["file"]}
        assert there.get(at) == wanted, at


def foreseen_why(case: Case, real: Outcome) -> str:
    """What a plan says of a step that it foresees."""
    if case.kind in APPLYING and any(change.what in ("content", "new file") for change in real.diff):
        return f"systemd-{case.kind} judges it in the deploy: a plan can't know yet what it says"
    return "asked only in a deploy" if case.kind in WAITING else real.why


def compare_plan(case: Case, predicted: Outcome, real: Outcome) -> None:
    """A plan says what the deploy then does, exactly."""
    state = case.data.get("plan_state", case.data["state"])
    assert predicted.state == state, predicted.error
    if real.state == "failed":
        if state == "failed":
            assert predicted.error is not None and real.error is not None
            assert (predicted.error.message, predicted.error.hint) == (real.error.message, real.error.hint)
    else:
        assert predicted.diff == real.diff
        assert predicted.why == foreseen_why(case, real)


def again(case: Case, predicted: Outcome) -> None:
    """A second time nothing changes, with a reason; the plan knows that from the first step's effects."""
    before = photograph(case.root)
    runs = case.data["state"] == "maybe"
    (second,) = case.run(case.data["step"], plan=False)
    if not runs:
        assert second.state == "ok", second.diff
        assert second.why
        assert case.data.get("again", "") in case.short(second.why)
        assert photograph(case.root) == before
    (later,) = case.run(case.data["step"], plan=True)
    assert later.state == ("maybe" if runs else "ok")
    if "plan_again" not in case.data:
        assert predicted.state == later.state, predicted.diff
    assert contents_of(photograph(case.root)) == contents_of(before) or runs


def contents_of(picture: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """A photograph without times: a failed step may have made and removed a file of its own."""
    return {path: found[:1] + found[2:4] for path, found in picture.items()}


@pytest.mark.parametrize("kind", sorted(set(KINDS) - ON_LAB_HOSTS))
def test_every_kind_has_cases(kind: str) -> None:
    found = list((CASES / kind).glob("*.yaml"))
    assert len(found) >= 6, f"{kind} has {len(found)} cases"


def test_no_case_is_without_a_kind() -> None:
    assert {p.name for p in CASES.iterdir()} <= set(KINDS)


def test_a_private_etc_leaves_this_machine_alone(root: Path, agents: Agents) -> None:
    (root / "etc").mkdir()
    with agents.session(wrap=private_etc(root)) as session:
        submit(session, KINDS["group"](name="prov-test-group"))
    assert "prov-test-group" in (root / "etc/group").read_text()
    assert "prov-test-group" not in Path("/etc/group").read_text()


def test_the_kernel_gets_the_name(root: Path, agents: Agents) -> None:
    """Not a case file: every agent of a case has a kernel name of its own, which goes with it."""
    build(root, {"etc/hostname": "before\n", "etc/hosts": "127.0.0.1 localhost\n"})
    with agents.session(plan=True, wrap=private_etc(root)) as session:
        predicted = submit(session, KINDS["hostname"](name="web1.test"))
    with agents.session(wrap=private_etc(root)) as session:
        first = submit(session, KINDS["hostname"](name="web1.test"))
        second = submit(session, KINDS["hostname"](name="web1.test"))
        name = submit(session, KINDS["command"](["hostname"], reason="a test"))
    assert [c[:3] for c in first.diff] == [
        ("/etc/hostname", "before", "web1.test"),
        ("kernel", "before", "web1.test"),
        ("/etc/hosts", "", "127.0.1.1 web1.test web1"),
    ]
    assert predicted.diff == first.diff
    assert (second.state, second.why) == ("ok", "is its name")
    assert name.stdout == "web1.test\n"
    assert (root / "etc/hosts").read_text() == "127.0.0.1 localhost\n127.0.1.1 web1.test web1\n"
