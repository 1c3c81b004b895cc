"""What a host remembers of previews, on real agents: written, refused, gone, and no business of other runs."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from agent_sessions import Agents

from provision.controller.events import UndeclaredFound
from provision.controller.outcome import Outcome, StepFailed
from provision.steps.base import Step
from provision.steps.files import Directory, File
from provision.steps.holds import ChangesAllowed
from provision.steps.previews import Preview, PreviewForgotten, PreviewGone, PreviewsKnown
from provision.steps.prune import Prune
from provision.system.memory.preview_records import made_for

ONE = Preview("shop-x", "shop", "x", "c1", "https://x.shop.test/", "x.shop.test", 7, ["postgres shop-x"])


class PreviewHost:
    """Runs on a host whose /srv is a folder of the test's own."""

    def __init__(self, agents: Agents, root: Path) -> None:
        self.agents, self.srv = agents, root / "srv"
        self.srv.mkdir()

    def run(self, *steps: Step, role: str = "app", plan: bool = False, whole: bool = False) -> list[Outcome]:
        """Do these steps as those of a role."""
        mount = f"mount --bind {shlex.quote(str(self.srv))} /srv"
        self.agents.events.clear()
        with self.agents.session(
            plan=plan, wrap=lambda command: ["unshare", "--mount", "sh", "-c", f"{mount} && exec {command}"]
        ) as session:
            session.role, session.whole = role, whole
            found = [session.submit(step) for step in steps]
            for outcome in found:
                try:
                    outcome.wait()
                except StepFailed:
                    session.acknowledge()
            return found

    def undeclared(self, *steps: Step) -> list[str]:
        self.run(*steps, whole=True)
        return [e.what for e in self.agents.events if isinstance(e, UndeclaredFound)]

    def known(self) -> dict[str, Any]:
        (outcome,) = self.run(PreviewsKnown())
        found: dict[str, Any] = json.loads(outcome.stdout)
        return found


@pytest.fixture
def host(agents: Agents, root: Path) -> PreviewHost:
    return PreviewHost(agents, root)


def refused(outcome: Outcome) -> str:
    assert outcome.error is not None
    return outcome.error.message


def test_a_preview_is_recorded_once_and_its_days_begin_with_a_new_commit(host: PreviewHost) -> None:
    (planned,) = host.run(ONE, plan=True)
    assert host.known() == {}
    (made,) = host.run(ONE)
    assert (planned.state, planned.diff) == (made.state, made.diff) == ("changed", made.diff)
    record = host.known()["shop-x"]
    assert (host.srv / "shop-x/preview.json").stat().st_mode & 0o777 == 0o600
    assert record["since"] < record["until"]
    assert record["uses"] == ["postgres shop-x"]
    assert host.run(ONE)[0].state == "ok"
    (newer,) = host.run(Preview("shop-x", "shop", "x", "c2", ONE.url, ONE.domain, 9, ONE.uses))
    assert [change.what for change in newer.diff] == ["commit", "days"]
    after = host.known()["shop-x"]
    assert (after["since"], after["commit"]) == (record["since"], "c2")
    assert after["until"] > record["until"]


def test_a_name_or_domain_that_is_taken_is_refused(host: PreviewHost) -> None:
    host.run(ONE)
    (host.srv / "blog").mkdir()
    other = ("shop", "y", "c1", "https://y.shop.test/")
    taken = host.run(Preview("blog", *other, "y.shop.test", 7))[0]
    assert refused(taken) == "blog is an application of this host, and no preview"
    taken = host.run(Preview("shop-x", *other, "y.shop.test", 7))[0]
    assert refused(taken) == "shop-x is the preview of shop at x already"
    taken = host.run(Preview("shop-y", *other, "x.shop.test", 7))[0]
    assert refused(taken) == "x.shop.test is the domain of the preview shop-x already"
    assert set(host.known()) == {"shop-x"}
    deployed = host.run(ChangesAllowed(["/srv/shop-x"]))[0]
    assert refused(deployed) == "shop-x is a preview on this host"


def test_runs_of_others_leave_alone_what_is_made_for_a_preview(host: PreviewHost, root: Path) -> None:
    mine, theirs = root / "mine", root / "theirs"
    host.run(ONE, Directory(str(mine)), File(f"{mine}/file", "x"), role=made_for("shop-x"))
    host.run(File(str(theirs), "x"))
    assert host.undeclared() == [f"file {theirs}"]
    pruned = host.run(Prune())[0]
    assert [change.what for change in pruned.diff] == [f"{theirs}: removed"]
    assert (mine / "file").exists() and (host.srv / "shop-x/preview.json").exists()
    assert host.undeclared() == []


def test_taking_it_down_removes_what_was_made_for_it_and_no_more(host: PreviewHost, root: Path) -> None:
    mine, other, data = root / "mine", root / "other", root / "data"
    host.run(File(str(root / "theirs"), "x"))
    host.run(ONE, File(str(mine), "x"), Directory(str(data)), role=made_for("shop-x"))
    host.run(File(str(other), "x"), role=made_for("shop-x-y"))
    (data / "database").write_text("of the preview's own")
    gone = (PreviewGone("shop-x", [str(data), f"{root}/never"]), PreviewForgotten("shop-x"))
    planned = host.run(*gone, plan=True)
    assert mine.exists() and set(host.known()) == {"shop-x"}
    real = host.run(*gone)
    assert [(o.state, o.diff) for o in planned] == [(o.state, o.diff) for o in real]
    assert [(o.state, o.error) for o in real] == [("changed", None)] * 2
    assert not mine.exists() and not data.exists() and not (host.srv / "shop-x").exists()
    assert other.exists() and (root / "theirs").exists()
    assert host.known() == {}
    assert [o.state for o in host.run(*gone)] == ["ok", "ok"]


@pytest.mark.parametrize("text", ["", "{", '{"version": 1, "app": 3}', '{"version": 9}'])
def test_a_damaged_record_is_told_and_can_go(host: PreviewHost, text: str) -> None:
    host.run(ONE)
    (host.srv / "shop-x/preview.json").write_text(text)
    assert "preview.json" in host.known()["shop-x"]["damaged"]
    assert "preview.json" in refused(host.run(ONE)[0])
    assert host.run(ChangesAllowed())[0].state == "ok"
    assert [o.error for o in host.run(PreviewGone("shop-x"), PreviewForgotten("shop-x"))] == [None, None]
    assert host.known() == {}


def test_deploys_hear_of_previews_whose_days_are_over(host: PreviewHost) -> None:
    host.run(ONE)
    assert json.loads(host.run(ChangesAllowed())[0].stdout)["past"] == []
    record = host.srv / "shop-x/preview.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "until": "2026-01-01T00:00:00Z"}))
    assert json.loads(host.run(ChangesAllowed())[0].stdout)["past"] == ["shop-x"]


def test_looking_for_previews_declares_nothing(host: PreviewHost) -> None:
    # the folder of an application that left the inventory stayed, as something had been looked for in it
    host.run(Directory("/srv/other"), File("/srv/other/settings", "x"))
    assert "folder /srv/other" in host.undeclared(ChangesAllowed())
    host.run(ChangesAllowed(), Prune(), whole=True)
    assert not (host.srv / "other").exists()
