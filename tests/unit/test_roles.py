"""Roles: found, checked, put in order; and what is said when one is broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from inventories import errors, host, project

from provision.errors import ConfigError
from provision.roles import role_model as roles
from provision.roles.project import in_order, resolve
from provision.roles.role_model import Role, find, search_path

ROLE = '''
    """Greets."""

    from provision.role import Host, Params, task


    class Greeter(Params):
        """Whom, where."""

        folder: str
        """Where the greeting goes."""
        times: int = 1


    def helper(): ...


    @task
    def second_by_name_first_by_line(c: Host, p: Greeter) -> None:
        """Greet."""


    @task
    def after_that(c: Host, p: Greeter) -> None:
        """Greet again."""
'''


def with_roles(folder: Path, **texts: str) -> list[Path]:
    """A project with roles of these texts; where to look for them."""
    project(folder, {f"roles/{name}/__init__.py": text for name, text in texts.items()})
    return search_path(folder)


def task_role(*lines: str) -> str:
    return "\n".join(["from provision.role import task", *lines, "@task", "def go(c): ...", ""])


def test_a_role_is_found_with_its_tasks_in_order(tmp_path: Path) -> None:
    role = find("greeter", with_roles(tmp_path, greeter=ROLE))
    assert role is not None
    assert (role.name, role.doc, role.path) == ("greeter", "Greets.", tmp_path / "roles/greeter")
    assert [f.__name__ for f in role.tasks] == ["second_by_name_first_by_line", "after_that"]
    assert role.params is not None
    assert list(role.params.model_fields) == ["folder", "times"]


def test_tasks_of_other_roles_that_it_imports_are_not_its_own(tmp_path: Path) -> None:
    folders = with_roles(
        tmp_path, one=task_role(), two="from roles.one import go\n" + task_role().replace("go", "went")
    )
    role = find("two", folders)
    assert role is not None
    assert [f.__name__ for f in role.tasks] == ["went"]


def test_all_built_in_roles_can_be_found() -> None:
    found = roles.names([roles.BUILTIN])
    assert {"base", "python", "app", "gunicorn", "nginx", "tls"} <= set(found)
    for name in found:
        role = find(name, [roles.BUILTIN])
        assert role is not None
        assert role.doc
        assert role.tasks


def test_a_projects_role_comes_before_a_built_in_one(tmp_path: Path) -> None:
    folders = with_roles(tmp_path, nginx='"""Our own."""\n' + task_role())
    own = find("nginx", folders)
    assert own is not None
    assert (own.doc, own.path) == ("Our own.", tmp_path / "roles/nginx")
    builtin = find("nginx", [roles.BUILTIN])
    assert builtin is not None
    assert builtin.path == roles.BUILTIN / "nginx"
    assert builtin.doc != "Our own."


def test_there_is_no_such_role(tmp_path: Path) -> None:
    assert find("none", with_roles(tmp_path, one=task_role())) is None


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("x = 1\nimport no_such_module\n", "No module named 'no_such_module'", 2),
        ("# one\n# two\n1 / 0\n", "ZeroDivisionError: division by zero", 3),
        ("def f(:\n", "SyntaxError", 1),
        ("from provision.role import task\n@task\ndef go(c, p: int): ...\n", "is not a Params class", 2),
    ],
)
def test_a_broken_role_is_told_with_file_and_line(tmp_path: Path, text: str, message: str, line: int) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        find("broken", with_roles(tmp_path, broken=text))
    assert raised.value.where == f"{tmp_path}/roles/broken/__init__.py:{line}"


def test_a_failure_in_a_module_of_the_role(tmp_path: Path) -> None:
    folders = with_roles(tmp_path, broken="\nfrom roles.broken import inner\n")
    (tmp_path / "roles/broken/inner.py").write_text("\n\n\nundefined\n")
    with pytest.raises(ConfigError, match="NameError") as raised:
        find("broken", folders)
    assert raised.value.where == f"{tmp_path}/roles/broken/inner.py:4"


def test_a_role_that_was_broken_and_is_mended_can_be_found(tmp_path: Path) -> None:
    folders = with_roles(tmp_path, mended="1 / 0\n")
    with pytest.raises(ConfigError):
        find("mended", folders)
    with_roles(tmp_path, mended=task_role() + "# another size\n")
    assert find("mended", folders) is not None


def test_a_role_without_a_task(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the role has no task") as raised:
        find("empty", with_roles(tmp_path, empty="x = 1\n"))
    assert "@task" in raised.value.hint


# -- order


def role(name: str, after: tuple[str, ...] = ()) -> Role:
    return Role(name, Path(), "", None, (), after, ())


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([("a", ()), ("b", ())], "ab"),
        ([("a", ("b",)), ("b", ())], "ba"),
        ([("a", ("b",)), ("b", ("c",)), ("c", ())], "cba"),
        ([("a", ("not-listed",)), ("b", ())], "ab"),
        ([("a", ("c",)), ("b", ()), ("c", ())], "cab"),
    ],
)
def test_roles_run_as_listed_but_after_those_that_they_name(
    given: list[tuple[str, tuple[str, ...]]], wanted: str
) -> None:
    assert "".join(r.name for r in in_order([role(name, after) for name, after in given])) == wanted


def test_roles_that_wait_for_one_another() -> None:
    with pytest.raises(ConfigError, match="a -> b -> c -> a"):
        in_order([role("a", ("b",)), role("b", ("c",)), role("c", ("a",))])


# -- what a host gets


def test_roles_and_parameters_of_a_host(tmp_path: Path) -> None:
    with_roles(tmp_path, greeter=ROLE, other=task_role())
    web1 = host(tmp_path, "roles: [greeter, other]\ngreeter: {folder: /srv, times: 2}")
    (found,) = resolve([web1], project=tmp_path)
    assert [(r.name, p.model_dump() if p else None) for r, p in found.roles] == [
        ("greeter", {"folder": "/srv", "times": 2}),
        ("other", None),
    ]
    (only,) = resolve([web1], only=["other"], project=tmp_path)
    assert [r.name for r, _ in only.roles] == ["other"]
    assert len(only.params) == 1, "parameters of roles that do not run are there for others to read"


def test_all_mistakes_at_once_with_their_lines(tmp_path: Path) -> None:
    with_roles(tmp_path, greeter=ROLE, needy=task_role("REQUIRES = ['base']"), bare=task_role())
    text = "roles: [greeter, gretter, needy, bare]\ngreeter: {folder: 7, tims: 2}\nbare: {x: 1}\n"
    found = errors(lambda: resolve([host(tmp_path, text)], project=tmp_path))
    joined = "\n".join(found)
    assert len(found) == 5
    assert all(line.startswith("inv.yml:") for line in found)
    assert "there is no role 'gretter'. Did you mean 'greeter'?" in joined
    assert "role 'needy' needs the role 'base'" in joined
    assert "role 'bare' takes no parameters" in joined
    assert "greeter.folder" in joined
    assert "greeter.tims" in joined


def test_a_role_that_no_host_has(tmp_path: Path) -> None:
    with_roles(tmp_path, greeter=ROLE)
    web1 = host(tmp_path, "roles: [greeter]\ngreeter: {folder: /srv}")
    with pytest.raises(
        ConfigError, match=r"no selected host has the role 'gretter'\. Did you mean 'greeter'\?"
    ):
        resolve([web1], only=["gretter"], project=tmp_path)
