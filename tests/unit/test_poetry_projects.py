"""Projects of Poetry: its own table, and the locks of Poetry 1, which do not say what is deployed."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.requirements import Requirement

from provision.apps.poetry_projects import specifiers_of
from provision.apps.requirements import packages_of, requires_python
from provision.errors import ConfigError

PROJECT = """
[tool.poetry.dependencies]
python = "^3.9"
web = {version = "^2.1", extras = ["Fast"]}
tool-of-windows = {version = "*", markers = "sys_platform == 'win32'"}
typing = {version = "~1.2", python = "<3.11"}
asked-for = {version = "1", optional = true}
[tool.poetry.group.dev.dependencies]
tests = "*"
"""
FILES = 'files = [{file = "x.whl", hash = "sha256:aa"}]'


def package(name: str, version: str = "1.0", more: str = "", files: str = FILES) -> str:
    return f'[[package]]\nname = "{name}"\nversion = "{version}"\noptional = false\n{files}\n{more}\n'


WEB = """[package.dependencies]
Common_Part = ">=1"
loop = {version = ">=1", optional = true, markers = "sys_platform != \\"win32\\" and extra == \\"fast\\""}
never = {version = "*", optional = true, markers = "extra == \\"slow\\""}
[package.extras]
fast = ["loop (>=1)"]
slow = ["never"]
"""
PACKAGES = [
    package("web", "2.1.4", WEB),
    # asks for what asks for it, and is asked for only under a marker as well
    package("common-part", more='[package.dependencies]\nweb = "<3"\n'),
    package("loop"),
    package("never"),
    package("tool-of-windows", more='[package.dependencies]\ncommon-part = "*"\nof-windows = "*"\n'),
    package("of-windows"),
    package("typing", "1.2.9"),
    package("asked-for"),
    package("tests", more='[package.dependencies]\nof-tests = "*"\n'),
    package("of-tests"),
]
LOCK = "".join(PACKAGES) + '[metadata]\nlock-version = "2.0"\n'


class Files(dict[str, str]):
    """A source, from a dict."""

    def read(self, path: str) -> bytes:
        return self[path].encode()

    def has(self, path: str) -> bool:
        return path in self

    def named(self, name: str) -> list[str]:
        return [path for path in self if path.endswith(name)]

    def below(self, folder: str) -> list[str]:
        return [path for path in self if path.startswith(folder)]


def wanted(text: str) -> dict[str, str]:
    """The version and marker of each line of requirements, by name; each has its hash."""
    found = {}
    for line in text.splitlines():
        requirement, *hashes = line.split(" --hash=")
        assert hashes == ["sha256:aa"]
        parsed = Requirement(requirement)
        found[parsed.name] = f"{parsed.specifier} {parsed.marker or ''}".strip()
    return found


def read(**files: str) -> Any:
    return packages_of(
        "poetry.lock", Files({"pyproject.toml": PROJECT, "poetry.lock": LOCK, **files}), where="x"
    )


NEEDED = {
    "web": "==2.1.4",
    "common-part": "==1.0",
    "loop": '==1.0 sys_platform != "win32"',
    "tool-of-windows": '==1.0 sys_platform == "win32"',
    "of-windows": '==1.0 sys_platform == "win32"',
    "typing": '==1.2.9 python_version < "3.11"',
}


def test_what_the_project_asks_for_and_what_that_asks_for() -> None:
    found = read()
    assert wanted(found.text) == NEEDED
    assert found.locked


def test_the_format_with_the_files_of_all_in_one_table() -> None:
    files = "".join(f'{name} = [{{file = "x", hash = "sha256:aa"}}]\n' for name in NEEDED)
    old = (
        "".join(PACKAGES).replace(FILES, "") + f'[metadata]\nlock-version = "1.1"\n[metadata.files]\n{files}'
    )
    assert wanted(read(**{"poetry.lock": old}).text) == NEEDED


def test_several_versions_of_a_package_go_by_the_constraints() -> None:
    two = package("web", "3.0", '[package.dependencies]\nof-three = "*"\n') + package("of-three")
    assert wanted(read(**{"poetry.lock": two + LOCK}).text) == NEEDED
    with pytest.raises(ConfigError, match="web is locked in 2 versions") as raised:
        read(**{"poetry.lock": package("web", "2.2") + LOCK})
    assert "poetry export" in raised.value.hint


def test_of_several_versions_each_is_for_the_pythons_that_the_newer_one_is_not_for() -> None:
    newer, older = (
        package("web", version, f'python-versions = ">={python},<4.0"')
        for version, python in (("2.9", "3.11"), ("2.1.4", "3.9"))
    )
    lock = LOCK.replace(package("web", "2.1.4", WEB), older + newer)
    lines = read(**{"poetry.lock": lock}).text.splitlines()
    found = {
        line.split(" ;")[0].split(" --")[0]: Requirement(line.split(" --hash")[0]).marker for line in lines
    }
    for python, version in (("3.9", "2.1.4"), ("3.10", "2.1.4"), ("3.11", "2.9"), ("3.13", "2.9")):
        meant = [
            text
            for text, marker in found.items()
            if text.startswith("web") and (marker is None or marker.evaluate({"python_version": python}))
        ]
        assert meant == [f"web=={version}"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"^2.1"', '"^1 || ^2.1"', "the constraint '\\^1 || \\^2.1' is not read"),
        (
            '{version = "~1.2", python = "<3.11"}',
            '{git = "https://example.com/t"}',
            "typing comes from elsewhere",
        ),
    ],
)
def test_what_lines_of_requirements_can_not_say_is_refused(old: str, new: str, said: str) -> None:
    project = PROJECT.replace(old, new)
    assert project != PROJECT
    with pytest.raises(ConfigError, match=said) as raised:
        packages_of("pyproject.toml", Files({"pyproject.toml": project}), where="x")
    assert "poetry export" in raised.value.hint


def test_a_package_of_a_lock_without_a_hash_is_refused() -> None:
    lock = LOCK.replace('version = "1.2.9"', 'version = "1.2.9"\nsource = {type = "git", url = "x"}')
    with pytest.raises(ConfigError, match="typing comes from a folder, an address or a repository"):
        read(**{"poetry.lock": lock})
    with pytest.raises(ConfigError, match="is not a valid file of its kind"):
        read(**{"pyproject.toml": ""})
    with pytest.raises(ConfigError, match="typing is asked for, and not locked"):
        read(**{"poetry.lock": LOCK.replace('"typing"', '"other"')})


def test_a_project_without_a_lock() -> None:
    files = Files({"pyproject.toml": PROJECT})
    found = packages_of("pyproject.toml", files, where="x")
    assert found.text.splitlines() == [
        "web[Fast]<3,>=2.1",
        "tool-of-windows ; sys_platform == 'win32'",
        'typing<1.3,>=1.2 ; python_version < "3.11"',
    ]
    assert not found.locked
    assert requires_python(files, "") == "<4,>=3.9"


@pytest.mark.parametrize(
    ("constraint", "read_as"),
    [
        ("^1.2.3", "<2,>=1.2.3"),
        ("^0.2", "<0.3,>=0.2"),
        ("^0.0.3", "<0.0.4,>=0.0.3"),
        ("^0", "<1,>=0"),
        ("~1.2.3", "<1.3,>=1.2.3"),
        ("~1", "<2,>=1"),
        ("~=1.4", "~=1.4"),
        ("*", ""),
        ("1.2.*", "==1.2.*"),
        (">=1.0 <2.0", "<2.0,>=1.0"),
        ("^2.0b1", "<3,>=2.0b1"),
        ("1.5", "==1.5"),
    ],
)
def test_constraints_as_poetry_documents_them(constraint: str, read_as: str) -> None:
    assert str(specifiers_of(constraint)) == read_as
