"""Every public step takes the options of all steps, also those that are made of several."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

import provision.steps
from provision.secrets import Secret
from provision.steps import (
    base,
    files,
    journald,
    mount_units,
    passwords,
    python,
    script,
    ssh,
    systemd,
    timers,
    tree,
)
from provision.steps.base import Ref, Step


def generated() -> ModuleType:
    """docs/generate.py, which is not part of a package."""
    spec = importlib.util.spec_from_file_location("generate", Path(__file__).parents[2] / "docs/generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = generated()
OPTIONS: dict[str, Any] = {
    "timeout": 7.0,
    "when": [Ref(1, "an earlier step")],
    "ignore_errors": "a test",
    "retries": 2,
    "delay": 3.0,
    "as_user": "shop",
}

#: functions that are made of other steps, and arguments for each
MADE_OF_OTHERS: dict[Callable[..., Any], list[tuple[tuple[Any, ...], dict[str, Any]]]] = {
    files.copy: [(("some.txt",), {"to": "/etc/some"})],
    files.template: [(("some.j2",), {"to": "/etc/some", "greeted": "world"})],
    journald.limits: [((), {"max_use": "1G"}), ((), {"present": False})],
    mount_units.mount_unit: [
        (("/srv/a", "nas:/a", "nfs"), {}),
        (("/srv/a", "nas:/a", "nfs"), {"automount": True}),
    ],
    mount_units.no_mount_unit: [(("/srv/a",), {})],
    passwords.htpasswd: [(("/etc/htpasswd", {"ann": Secret("pw")}), {})],
    python.interpreter: [
        ((), {}),
        (("3.12.7",), {"archive": "/srv/python.tar.gz", "sha256": "0" * 64}),
    ],
    python.uv: [((), {}), (("0.5.0",), {})],
    script.local: [(("some.sh",), {"reason": "a test"})],
    ssh.sshd_drop_in: [(("10-a.conf", "X11Forwarding no\n"), {})],
    ssh.client_drop_in: [(("10-a.conf", "Host a\n"), {})],
    systemd.socket: [(("a",), {})],
    timers.timer: [(("a", ["/bin/true"]), {"calendar": "daily"})],
    timers.no_timer: [(("a",), {})],
    tree.sync: [(("folder",), {"to": "/srv/www"})],
}

#: what takes a host and is not a step: it reads a local file
NO_STEPS = {python.requirements}


class Recorder:
    """A host that keeps the steps which it is given, and finds a role's files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.steps: list[Step] = []

    def submit(self, step: Step) -> Ref:
        step.validate_options()
        step.validate()
        self.steps.append(step)
        return Ref(len(self.steps), step.label())

    def role_file(self, kind: str, name: str) -> Path:
        return self.folder / name


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    (tmp_path / "some.txt").write_text("some\n")
    (tmp_path / "some.j2").write_text("hello {{ greeted }}\n")
    (tmp_path / "some.sh").write_text("#!/bin/sh\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/index.html").write_text("<p>\n")
    return Recorder(tmp_path)


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions of steps, by the names that roles call them by."""
    for module in generate.modules():
        for name, _ in generate.steps_of(module):
            yield f"{module.__name__.rsplit('.', 1)[-1]}.{name}", getattr(module, name)


def written() -> Iterator[str]:
    """The same names, from the source alone: what calls `step`, and what takes a host and returns an outcome."""
    folder = Path(provision.steps.__path__[0])
    for path in sorted(folder.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                # script.local is made of script.script
                if isinstance(node.value.func, ast.Name) and node.value.func.id in ("step", "from_file"):
                    yield from (f"{path.stem}.{t.id}" for t in node.targets if isinstance(t, ast.Name))
            elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                options = node.args.kwarg.annotation if node.args.kwarg else None
                said = [ast.unparse(each) for each in (node.returns, options) if each]
                first = [each.arg for each in (*node.args.posonlyargs, *node.args.args)][:1]
                if first == ["c"] and any("Outcome" in each or "StepOptions" in each for each in said):
                    yield f"{path.stem}.{node.name}"


def taking_all_options(function: Callable[..., Any]) -> None:
    """Assert that a step's function takes the options of all steps, and as those."""
    cls = cast("Any", function).step_class
    taken = inspect.signature(cls).parameters
    assert set(OPTIONS) <= set(taken)
    assert all(taken[name].kind is inspect.Parameter.KEYWORD_ONLY for name in OPTIONS)
    # none of them is another thing under the same name
    for name in OPTIONS:
        assert cls.__dataclass_fields__[name].type == Step.__dataclass_fields__[name].type, name
    assert cls.validate_options is base.Step.validate_options
    assert cls.deadline is base.Step.deadline


def handing_all_options(recorder: Recorder, function: Callable[..., Any], *args: Any, **named: Any) -> None:
    """Assert that a function that is made of steps gives the options to each."""
    function(recorder, *args, **named, **OPTIONS)
    assert recorder.steps
    for each in recorder.steps:
        assert {name: getattr(each, name) for name in OPTIONS} == OPTIONS, each.label()


def test_the_options_here_are_those_of_steps() -> None:
    assert set(OPTIONS) == {f.name for f in fields(Step)} == generate.COMMON


def test_all_steps_that_are_written_are_walked() -> None:
    walked = {name for name, function in functions() if function not in NO_STEPS}
    assert set(written()) == walked
    assert len(walked) > 100


def test_every_function_is_a_step_or_made_of_some_that_are_tried_here() -> None:
    others = {function for _, function in functions() if not hasattr(function, "step_class")}
    assert others == {*MADE_OF_OTHERS, *NO_STEPS}


@pytest.mark.parametrize(
    "function",
    [pytest.param(function, id=name) for name, function in functions() if hasattr(function, "step_class")],
)
def test_a_step_takes_all_options(function: Callable[..., Any]) -> None:
    taking_all_options(function)


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        pytest.param(function, *given, id=f"{function.__module__.rsplit('.', 1)[-1]}.{function.__name__}")
        for function, calls in MADE_OF_OTHERS.items()
        for given in calls
    ],
)
def test_what_is_made_of_steps_hands_all_options_to_each(
    recorder: Recorder, function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    handing_all_options(recorder, function, *arguments, **named)


@dataclass(frozen=True)
class OwnRetries(Step):
    """A step that means something else by an option's name."""

    name: str = ""
    retries: int = 3
    delay: str = ""  # type: ignore[assignment]


def only_the_first(c: Any, **options: Any) -> Any:
    """A function that is made of two steps, and forgets the options at the second."""
    script.local(c, "some.sh", reason="a test", **options)
    return script.local(c, "some.sh", reason="a test")


def test_a_step_that_falls_short_is_seen(recorder: Recorder) -> None:
    with pytest.raises(AssertionError):
        taking_all_options(base.step(OwnRetries))
    with pytest.raises(AssertionError):
        handing_all_options(recorder, only_the_first)
    with pytest.raises(TypeError):
        handing_all_options(recorder, lambda c: script.local(c, "some.sh", reason="a test"))


def test_a_misspelt_option_is_refused(recorder: Recorder) -> None:
    with pytest.raises(TypeError, match="ignore_error"):
        timers.timer(recorder, "a", ["/bin/true"], calendar="daily", ignore_error="x")  # type: ignore
