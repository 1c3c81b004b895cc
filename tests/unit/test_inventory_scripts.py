"""Scripts that print hosts: what they print is checked like a file, and a script that fails is told with its reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from inventories import errors

from provision.inventory import Inventory, load, script_source
from provision.secrets import Secret


def script(folder: Path, body: str, name: str = "hosts.sh") -> Path:
    """An executable script of a shell."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def printing(folder: Path, value: object) -> Inventory:
    """The inventory of a script that prints this."""
    (folder / "out.json").write_text(value if isinstance(value, str) else json.dumps(value))
    script(folder, f"cat {folder}/out.json")
    return load(["hosts.sh"], cwd=folder)


def test_groups_hosts_and_variables(tmp_path: Path) -> None:
    loaded = printing(
        tmp_path,
        {
            "all": {"vars": {"a": 1}, "children": ["web"]},
            "web": {"hosts": ["web1", "2001:db8::1"], "vars": {"tpl": "{{ a + 1 }}"}},
            "alone": {"ansible_host": "192.0.2.1"},
            "_meta": {"hostvars": {"web1": {"deep": {"x": ["{{ tpl }}"]}}, "unknown": {"x": 1}}},
        },
    )
    assert list(loaded.hosts) == ["web1", "2001:db8::1", "alone"]
    assert dict(loaded.hosts["web1"].vars) == {"a": 1, "tpl": 2, "deep": {"x": [2]}}
    assert loaded.hosts["alone"].vars["ansible_host"] == "192.0.2.1"


BAD = {
    "[]": "hosts.sh:1 --list: the script must print a mapping here, not a list",
    "x": (
        "hosts.sh: the script, run with --list, did not print JSON: Expecting value: line 1 column 1 (char 0)"
    ),
    "": (
        "hosts.sh: the script, run with --list, did not print JSON: Expecting value: line 1 column 1 (char 0)"
    ),
    '{"web": {"hosts": "web1"}}': "hosts.sh:1 web.hosts: must be a list of names, not 'web1'",
    '{"web": {"hosts": [1]}, "_meta": {"hostvars": {}}}': "hosts.sh:1 web.hosts: a name must be text, not 1",
    '{"web": ["a b"]}': "hosts.sh:1 web.hosts: 'a b' is not a host name: use letters, digits, '.', '-' and '_'",
    '{"web": ["-oProxyCommand=x"]}': "hosts.sh:1 web.hosts: '-oProxyCommand=x' is not a host name: use letters, "
    "digits, '.', '-' and '_'",
    '{"web": ["\\u001b[2J"]}': "hosts.sh:1 web.hosts: '\\x1b[2J' is not a host name: use letters, digits, "
    "'.', '-' and '_'",
    '{"-x": ["a"], "_meta": {"hostvars": {}}}': "hosts.sh:1 -x: '-x' is not a group name: use letters, digits, "
    "'.', '-' and '_'",
    '{"a": {"children": ["b"]}, "b": {"children": ["a"]}}': "hosts.sh:1 b: groups contain each other: a > b > a",
    '{"web": {"vars": []}}': "hosts.sh:1 web.vars: the script must print a mapping here, not a list",
    '{"_meta": {"hostvars": []}}': "hosts.sh:1 _meta.hostvars: the script must print a mapping here, not a list",
    '{"web": {"vars": {"x": '
    + "[" * 200
    + "]" * 200
    + "}}}": "hosts.sh: the script, run with --list, printed lists or "
    "mappings that are nested more than 100 deep",
    "["
    * 100_000: "hosts.sh: the script, run with --list, did not print JSON: maximum recursion depth exceeded while "
    "decoding a JSON array from a unicode string",
}


@pytest.mark.parametrize(("printed", "expected"), BAD.items(), ids=range(len(BAD)))
def test_what_it_prints_is_checked(tmp_path: Path, printed: str, expected: str) -> None:
    assert errors(lambda: printing(tmp_path, printed)) == [expected]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("echo no token >&2; exit 3", "the script, run with --list, failed with status 3: no token"),
        ("printf 'a\\033[2Jb' >&2; exit 1", "the script, run with --list, failed with status 1: a [2Jb"),
        ("printf '\\377'", "the script, run with --list, did not print UTF-8 text"),
        (
            """[ $1 = --list ] && echo '{"web": ["w1"]}' || exit 2""",
            "the script, run with --host w1, failed with status 2",
        ),
        ("cat /dev/zero", "the script, run with --list, printed more than 1,000 bytes"),
        ("sleep 60 & sleep 60", "the script, run with --list, took longer than 0.3 seconds"),
    ],
)
def test_a_script_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, expected: str
) -> None:
    monkeypatch.setattr(script_source, "MOST", 1_000)
    monkeypatch.setattr(script_source, "SECONDS", 0.3)
    script(tmp_path, body)
    assert errors(lambda: load(["hosts.sh"], cwd=tmp_path)) == [f"hosts.sh: {expected}"]


def test_a_program_that_does_not_exist_is_told(tmp_path: Path) -> None:
    path = script(tmp_path, "")
    path.write_text("#!/no/such/program\n")
    assert errors(lambda: load(["hosts.sh"], cwd=tmp_path)) == [
        "hosts.sh: the script, run with --list, could not be run: No such file or directory"
    ]


def test_a_file_that_may_not_be_run_is_no_script(tmp_path: Path) -> None:
    script(tmp_path, "", "hosts").chmod(0o644)
    assert list(load(["hosts"], cwd=tmp_path).hosts) == []


TOML = {
    "web = 1": "h.toml:1 web: a group is a table with hosts, children or vars, not 1",
    "[web]\nhost = {}": (
        "h.toml:2 web.host: a group has hosts, children and vars, not 'host'. Did you mean 'hosts'?"
    ),
    "[web]\nhosts = ['a']": "h.toml:2 web.hosts: must be a table, not a list",
    "[web.hosts]\nb = {}\na = 1": "h.toml:3 web.hosts.a: variables are a table, not 1",
    "[web.hosts.a]\n[web.hosts.b]\n[web.hosts.'x y']": "h.toml:3 web.hosts.x y: 'x y' is not a host name: use letters, "
    "digits, '.', '-' and '_'",
    "[web]\nchildren = 'a'": "h.toml:2 web.children: must be a list of groups, not 'a'",
    "[web": "h.toml: not TOML: Expected ']' at the end of a table declaration (at end of document)",
}


@pytest.mark.parametrize(("text", "expected"), TOML.items(), ids=range(len(TOML)))
def test_a_mistake_in_toml_is_told_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "h.toml").write_text(text)
    assert errors(lambda: load(["h.toml"], cwd=tmp_path)) == [expected]


CONSTRUCTED = {
    "composed: {}": (
        "c.yml:3 composed: the plugin constructed has no option 'composed'. Did you mean 'compose'?"
    ),
    "strict: true\ncompose: {a: nope + 1}": "c.yml:4 compose.a: for web1: 'nope + 1': 'nope' is undefined",
    "use_vars_plugins: true": "c.yml:3 use_vars_plugins: is not supported: expressions see variables "
    "of inventory files, not of group_vars/ and host_vars/",
}


@pytest.mark.parametrize(("text", "expected"), CONSTRUCTED.items(), ids=range(len(CONSTRUCTED)))
def test_mistakes_in_constructed(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "c.yml").write_text(f"---\nplugin: constructed\n{text}\n")
    assert errors(lambda: load(["web1,", "c.yml"], cwd=tmp_path)) == [expected]


def test_what_is_made_of_a_password_is_a_secret(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text(
        "plugin: constructed\ncompose: {mine: \"ansible_password ~ 'x'\", other: 1 + 1}\n"
    )
    (tmp_path / "h.yml").write_text("all: {hosts: {web1: {ansible_password: hunter2}}}")
    variables = load(["h.yml", "c.yml"], cwd=tmp_path).hosts["web1"].vars
    assert (variables["mine"], variables["other"]) == (Secret("hunter2x"), 2)
