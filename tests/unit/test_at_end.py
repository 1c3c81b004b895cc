"""What a run tells of its steps once all are done: it changes nothing of what they do, not even after a failure."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli_project import Prov, command_line, greeting_project, use_local_agents

from provision.controller.outcome import StepFailed
from provision.errors import Exit
from provision.steps import releases_served
from roles import app as app_role

ROLE = '''
    """Greets."""

    from provision.role import Host, Params, task
    from provision.controller.events import Attention
    from provision.steps import command, files


    class Greeter(Params):
        """Whom, where."""

        folder: str
        """Where the greeting goes."""
        words: list[str] = []
        """Of a command that is run."""


    @task
    def greet(c: Host, p: Greeter) -> None:
        """Ask for something, and tell of it at the end."""
        first = command.command(c, p.words, reason="a test")
        c.at_end.append(lambda: c.emit(Attention(c.name, f"told: {first.changed}, {after[0].changed}")))
        after = []
        c.later(lambda: after.append(files.file(c, f"{p.folder}/after", "")))
        files.file(c, f"{p.folder}/second", "")
    '''


def greeter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    folder = greeting_project(tmp_path / "project", words)
    (folder / "roles/greeter/__init__.py").write_text(ROLE.replace("\n    ", "\n").lstrip())
    monkeypatch.chdir(folder)
    use_local_agents(monkeypatch.setattr, tmp_path)


@pytest.fixture
def prov(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prov:
    return command_line(monkeypatch, capsys)


@pytest.mark.parametrize("command", ["plan", "deploy"])
def test_it_is_told_after_what_roles_have_put_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prov: Prov, command: str
) -> None:
    greeter(tmp_path, monkeypatch, '["true"]')
    status, out, err = prov(command, "web1")
    assert status == (Exit.CHANGES if command == "plan" else Exit.DONE), err
    assert "told: True, True" in out
    assert out.index("/after") < out.index("told:")


def test_after_a_failure_nothing_is_told_and_the_rest_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prov: Prov
) -> None:
    greeter(tmp_path, monkeypatch, '["false"]')
    status, out, err = prov("deploy", "web1")
    assert status == Exit.FAILED
    assert "told:" not in out + err
    assert not (tmp_path / "project/host/second").exists()
    assert not (tmp_path / "project/host/after").exists()


def test_what_is_told_of_migrations_does_not_wait_between_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting raises the failure of an earlier step, and so acknowledges it: later steps would run."""

    class Failed:
        @property
        def stdout(self) -> str:
            raise StepFailed("an earlier step")

    monkeypatch.setattr(app_role, "schema_of", lambda release: [])
    monkeypatch.setattr("provision.apps.migration_risks.risks_of", lambda release: ["a risk"])
    monkeypatch.setattr("provision.apps.migration_rewrites.rewrites_of", lambda release: {})
    monkeypatch.setattr(releases_served, "schema_known", lambda *of, **more: Failed())
    host: Any = SimpleNamespace(planning=True, at_end=[], later=lambda action: action())
    release: Any = SimpleNamespace(home="/srv/shop", data="/d", app=SimpleNamespace(name="shop", uses={}))
    app_role.schema_gate(host, release)
    assert len(host.at_end) == 1
    with pytest.raises(StepFailed):
        host.at_end[0]()
