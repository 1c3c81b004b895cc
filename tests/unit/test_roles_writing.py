"""What authors of roles rely on: extending, tags, templates, steps of their own; and what they are told."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from inventories import host, project

from provision.controller import bootstrap
from provision.errors import ConfigError, UsageError
from provision.roles.project import Assignment, resolve
from provision.roles.role_model import find, search_path
from provision.run.selection import Selection
from provision.steps.base import Ref
from provision.steps.command import Command

EXTENDED = '''
    """Ours."""
    from provision.builtin import base
    from provision.role import Host, task

    EXTENDS = base
    REQUIRES = ["python"]


    class Base(base.Base):
        word: str = "x"


    @task
    def packages(c: Host, p: Base) -> None:
        """Instead."""
        base.packages(c, p)


    @task(tags=["more", "config"])
    def more(c: Host, p: Base) -> None:
        """Besides."""
    '''


def test_a_role_extends_a_built_in_one(tmp_path: Path) -> None:
    role = find("base", search_path(project(tmp_path, {"roles/base/__init__.py": EXTENDED})))
    builtin = importlib.import_module("provision.builtin.base")
    assert role is not None and role.params is not None
    assert issubclass(role.params, builtin.Base)
    assert [f.__name__ for f in role.tasks] == ["identity", "packages", "people", "sshd", "updates", "more"]
    assert [f.__doc__ for f in role.tasks if f.__name__ == "packages"] == ["Instead."]
    assert role.folders == (tmp_path / "roles/base", search_path()[-1] / "base")
    assert role.requires == ("python",)


def test_a_built_in_role_is_one_module_under_both_names(tmp_path: Path) -> None:
    find("base", search_path(tmp_path))
    assert importlib.import_module("roles.base") is importlib.import_module("provision.builtin.base")
    find("base", search_path(project(tmp_path, {"roles/base/__init__.py": EXTENDED})))
    assert importlib.import_module("roles.base") is not importlib.import_module("provision.builtin.base")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('EXTENDS = "base"\n', "EXTENDS is 'base', not another role"),
        ("from provision.role import task\n@task(tags='config')\ndef go(c): ...\n", "tags must be a list"),
        ("from provision.role import task\n@task(tags=['a,b'])\ndef go(c): ...\n", "tags must be a list"),
        ("from provision.builtin import nosuch\n", "cannot import name 'nosuch'"),
        (
            "from provision.builtin import base\nfrom provision.role import Params, task\nEXTENDS = base\n"
            "class Mine(Params): ...\n@task\ndef go(c, p: Mine): ...\n",
            "Mine is not a Base",
        ),
    ],
)
def test_mistakes_in_extending(tmp_path: Path, text: str, message: str) -> None:
    folders = search_path(project(tmp_path, {"roles/mine/__init__.py": text}))
    with pytest.raises(ConfigError, match=message) as raised:
        find("mine", folders)
    assert str(tmp_path / "roles/mine/__init__.py") in raised.value.where


# -- a part of the tasks


@pytest.fixture
def assignments(tmp_path: Path) -> list[Assignment]:
    """One host with three roles of two tasks each; `config` is a tag of the second ones, but for the last role."""
    text = '"""{0}."""\nfrom provision.role import task\n@task\ndef install(c): ...\n@task{1}\ndef configure(c): ...\n'
    tagged = '(tags=["config"])'
    files = {
        "one": text.format("one", tagged),
        "two": text.format("two", tagged),
        "end": text.format("end", ""),
    }
    project(tmp_path, {f"roles/{name}/__init__.py": role for name, role in files.items()})
    return resolve([host(tmp_path, "roles: [one, two, end]")], project=tmp_path)


@pytest.mark.parametrize(
    ("selection", "left"),
    [
        (Selection(), "one.install one.configure two.install two.configure end.install end.configure"),
        (Selection(tags=["config"]), "one.configure two.configure"),
        (Selection(tags=["config", "end"]), "one.configure two.configure end.install end.configure"),
        (Selection(tags=["two.install"]), "two.install"),
        (Selection(skip_tags=["config", "end"]), "one.install two.install"),
        (Selection(tags=["two"], skip_tags=["config"]), "two.install"),
        (Selection(start_at="two", tags=["config"]), "two.configure"),
    ],
)
def test_what_tags_select(assignments: list[Assignment], selection: Selection, left: str) -> None:
    (found,) = selection.of(assignments)
    assert " ".join(f"{role.name}.{f.__name__}" for role, _ in found.roles for f in role.tasks) == left


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(tags=["cofnig"]), "no selected host has the tag 'cofnig'. Did you mean 'config'?"),
        (Selection(skip_tags=["ende"]), "no selected host has the tag 'ende'. Did you mean 'end'?"),
        (Selection(start_at="tow"), "no selected host has the role 'tow'. Did you mean 'two'?"),
        (Selection(tags=["one"], skip_tags=["one"]), "nothing to do"),
    ],
)
def test_what_selects_nothing(assignments: list[Assignment], selection: Selection, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        selection.of(assignments)
    assert message in raised.value.message


def test_run_on_is_the_handlers_name_for_when() -> None:
    ref = Ref(1, "file /etc/motd")
    step = Command(["true"], run_on=[ref])
    step.validate()
    assert (step.when, step.run_on) == ((ref,), ())
    with pytest.raises(ValueError, match="run_on must be a list of outcomes"):
        Command(["true"], run_on=ref).validate()  # type: ignore[arg-type]


# -- steps of one's own

STEP = """
    {0}
    from provision.steps.base import Step, wanted


    @wanted()
    class Mine(Step):
        {1}
    """
ROLE = "from steps.mine import Mine\nfrom provision.role import task\n@task\ndef go(c): ...\n"


def with_step(folder: Path, head: str, body: str = "x: int = 1") -> list[Path]:
    text = STEP.format(head.replace("\n", "\n    "), body)
    files = {"steps/mine.py": text, "steps/other.py": "X = 1\n"}
    return search_path(project(folder, {**files, "roles/mine/__init__.py": ROLE}))


def test_what_a_step_of_ones_own_imports_travels_with_it(tmp_path: Path) -> None:
    find("mine", with_step(tmp_path, "import json\nfrom steps.other import X"))
    assert {"steps.mine", "steps.other", "provision.steps.base"} <= set(bootstrap.needed("steps.mine"))


@pytest.mark.parametrize(
    ("head", "body", "line", "message"),
    [
        ("import yaml", "x: int", 1, "imports yaml, which hosts do not have"),
        (
            "from provision.roles.role_host import Host",
            "x: int",
            1,
            "imports provision.roles.role_host, which hosts do not have",
        ),
        ("from .other import X", "x: int", 1, "imports relatively: write `from steps.NAME import ...`"),
        ("import steps.other", "x: int", 1, "write `from steps.other import ...`"),
        ("", "def f(self, x):\n            match x:\n                case 1: ...", 8, "for Python 3.8"),
    ],
)
def test_what_hosts_could_not_import_is_refused(
    tmp_path: Path, head: str, body: str, line: int, message: str
) -> None:
    folders = with_step(tmp_path, head, body)
    with pytest.raises(ConfigError) as raised:
        find("mine", folders)
    assert message in raised.value.message
    assert raised.value.where == f"{tmp_path}/steps/mine.py:{line}"


def test_a_class_of_steps_elsewhere_does_not_travel() -> None:
    with pytest.raises(ConfigError, match=r"roles\.mine does not travel to hosts") as raised:
        bootstrap.needed("roles.mine")
    assert "steps/" in raised.value.hint


def test_another_project_has_other_steps_of_the_same_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folders = with_step(tmp_path / name, f"# of {name}")
        find("mine", folders)
        assert f"# of {name}" in bootstrap.source("steps.mine")
