"""Steps run by real agents: once planned, then applied, applied again, and planned again."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from taking import outcomes_of

from provision.controller.channel import ProcessChannel
from provision.controller.login import Login
from provision.controller.outcome import Outcome
from provision.controller.run_options import RunOptions
from provision.controller.session import Session
from provision.errors import ConfigError
from provision.steps.base import Step

#: sd_booted(3), systemctl and the facts of a host find no systemd of this machine: all tests together have its units
NO_SYSTEMD = (
    "mkdir -p /run/systemd && mount -t tmpfs tmpfs /run/systemd && echo init >/run/systemd/comm && "
    "mount --bind /run/systemd/comm /proc/1/comm && "
)


class Bench:
    """root: the folder in which steps act.  script: sh lines that the agent's process runs first, in mount,
    UTS and network namespaces of its own; "" runs it in those of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.root.mkdir(mode=0o755)
        self.root.chmod(0o755)
        self.script = ""
        #: a ready argv before the agent's command, such as ssh's
        self.argv: list[str] = []

    def over(self, *folders: str) -> None:
        """Give the agent its own picture of these folders: what it writes there lands below root."""
        for folder in folders:
            upper = self.root / folder.strip("/")
            work = self.folder / ("work" + folder.replace("/", "-"))
            upper.mkdir(parents=True, exist_ok=True)
            work.mkdir()
            options = shlex.quote(f"lowerdir={folder},upperdir={upper},workdir={work}")
            self.script += f"mount -t overlay overlay -o {options} {folder} && "

    def tool(self, name: str, script: str) -> None:
        """Put a program of our own in the agent's /usr/local/sbin, which comes first in its PATH."""
        if "/usr/local/sbin" not in self.script:
            self.over("/usr/local/sbin")
        at = self.root / "usr/local/sbin" / name
        at.write_text(f"#!/bin/sh\n{script}\n")
        at.chmod(0o755)

    def run(self, *steps: Step, plan: bool = False) -> list[Outcome]:
        """What came of steps that one new agent took."""
        channels: list[ProcessChannel] = []

        def open_channel(command: str) -> ProcessChannel:
            argv = [*self.argv, command] if self.argv else ["sh", "-c", command]
            if self.script:
                inside = f"{NO_SYSTEMD}{self.script} exec {command}"
                argv = ["unshare", "--mount", "--uts", "--net", "sh", "-c", inside]
            channels.append(ProcessChannel(argv))
            return channels[0]

        interpreter = "" if self.argv else sys.executable
        options = RunOptions(plan=plan, who="test")
        session = Session(
            "t", open_channel, Login(interpreter=interpreter, ledger=str(self.folder / "ledger")), options
        )
        return outcomes_of(session, steps, lambda: channels[0].process.kill())

    def cycle(self, step: Step, *, before: tuple[Step, ...] = ()) -> Outcome:
        """Plan, apply, apply again, plan again; the plan writes nothing and says what the deploy then does."""
        for earlier in before:
            self.run(earlier)
        untouched = photograph(self.root)
        first, second = self.run(step, step, plan=True)
        assert first.state == "changed", first.error or first.why
        assert second.state == "ok", second.error or second.diff
        assert photograph(self.root) == untouched, "a plan has written something"
        (real,) = self.run(step)
        assert real.state == "changed", real.error
        assert real.diff == first.diff
        self.settled(step)
        return real

    def settled(self, step: Step) -> None:
        """The step finds nothing to do, with a reason, and does nothing."""
        untouched = photograph(self.root)
        for plan in (False, True):
            (again,) = self.run(step, plan=plan)
            assert again.state == "ok", again.error or again.diff
            assert again.why
        assert photograph(self.root) == untouched

    def fails(self, step: Step, message: str, *, plan: bool = True) -> Outcome:
        """The step fails on the host with that message, in a plan as well."""
        (real,) = self.run(step)
        assert real.error is not None, real.diff
        assert message in f"{real.error.message}\n{real.error.stderr}\n{real.error.stdout}"
        if plan:
            (planned,) = self.run(step, plan=True)
            assert planned.error is not None and planned.error.message == real.error.message
        return real


def refuses(step: Step, message: str) -> None:
    """The controller refuses the step's arguments."""
    with pytest.raises((ConfigError, ValueError), match=message):
        step.validate()


def photograph(root: Path) -> dict[str, tuple[object, ...]]:
    """What would show that anything was written below root."""
    found: dict[str, tuple[object, ...]] = {}
    for at in sorted(root.rglob("*")):
        st = at.lstat()
        found[str(at)] = (st.st_mode, st.st_ino, st.st_uid, st.st_size, st.st_mtime_ns)
    return found


def planned_then_done(bench: Bench, *steps: Step) -> list[Outcome]:
    """Steps planned together and then deployed: they do what the plan said, and nothing the second time."""
    planned = bench.run(*steps, *steps, plan=True)
    real = bench.run(*steps)
    faults = [(o.error.message, o.error.hint) for o in [*real, *planned] if o.error]
    assert not faults, faults
    assert [(o.state, o.diff) for o in planned[: len(steps)]] == [(o.state, o.diff) for o in real]
    again = bench.run(*steps)
    assert [o.state for o in [*again, *planned[len(steps) :]]] == ["ok"] * 2 * len(steps)
    assert all(o.why for o in again)
    return real
