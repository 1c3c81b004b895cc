"""Ansible's inventories are read as Ansible reads them: each folder of like_ansible_inventory/ has one, with what
`ansible-inventory --list` of ansible-core 2.19.14 says of it.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from inventories import errors, project

from provision.cli.main import cli
from provision.errors import ConfigErrors
from provision.inventory.as_ansible import listed
from provision.inventory.ini_groups import literal, shell_words
from provision.inventory.inventory_files import load
from provision.inventory.loaded import check

CASES = sorted(path.parent for path in (Path(__file__).parent / "like_ansible_inventory").glob("*/case.json"))


def by_name(inventory: dict[str, Any]) -> dict[str, Any]:
    """An inventory whose groups have their children by name: Ansible lists them as it has added them."""
    return {
        name: {**group, "children": sorted(group["children"])} if "children" in group else group
        for name, group in inventory.items()
    }


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_what_ansible_says(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # this repository is a project of prov's own
    case = Path(shutil.copytree(case, tmp_path / "case", symlinks=True))
    monkeypatch.chdir(case)
    named = [
        word for path in json.loads((case / "case.json").read_text())["inventory"] for word in ("-i", path)
    ]
    shown = CliRunner().invoke(cli, ["hosts", "--list", *named], catch_exceptions=False).stdout
    assert by_name(json.loads(shown)) == by_name(json.loads((case / "expected.json").read_text()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a:children]\nall\n", ":2 all: 'all' cannot be the child of a group"),
        ("[web]\nw[3:1]\n", ":2 web: '[3:1]' begins after its end"),
        ("[web]\nw1:\n", ":2 web: '' is not a port (1 to 65535)"),
        ("[a:children]\nb\n[b:children]\na\n", ": groups contain each other: a > b > a"),
        ("[web]\nw1 ansible_user deploy\n", ":2 web.w1: 'ansible_user' is not a variable"),
        ("[web]\nw1 a='x\n", ":2 web: No closing quotation"),
        ("[web]\nw1 a='" + "x" * 50_000 + "'\n", ":2 web: the line has more than 50,000 characters"),
        ("[web servers]\nw1\n", ":1 web servers: 'web servers' is not a group name"),
        ("[2001:db8::2]\n", ":1: '[2001:db8::2]' is not a section"),
        ("[a:children]\nb\n", ":2 b: [a:children] has a group that there is not"),
        ("[web:hots]\nw1\n", ":1 web: a section of an unknown kind: 'hots'"),
        ("[web]\nw1\n[web:vars]\nuser: x\n", ":4 web.vars: 'user: x' is not a variable: name=value"),
        ("[web]\nw1\n[wbe:vars]\na=1\n", ":3 wbe: [wbe:vars] is of a group that there is not"),
        ("[web]\nw1 a=\udcff\n", ":2: is not UTF-8 text"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "hosts.ini").write_bytes(text.encode(errors="surrogateescape"))
    found = errors(lambda: load(["hosts.ini"], cwd=tmp_path))
    assert any(each.startswith("hosts.ini") and expected in each for each in found), found


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    project(tmp_path, {"hosts.ini": "[web]\nw[3:1]\nw1 x\n[web:vars]\nnone\n"})
    assert len(errors(lambda: load(["hosts.ini"], cwd=tmp_path))) == 3


@pytest.mark.parametrize("text", ["---\n", "# nothing\n", ""])
def test_a_file_that_says_nothing_has_no_hosts(tmp_path: Path, text: str) -> None:
    project(tmp_path, {"hosts.yml": text, "hosts": text})
    assert not load(["hosts.yml", "hosts"], cwd=tmp_path).hosts


def test_hosts_on_the_command_line(tmp_path: Path) -> None:
    inventory = load(["web1,web[2:3]:2222, 192.0.2.1,"], cwd=tmp_path)
    assert list(inventory.hosts) == ["web1", "web2", "web3", "192.0.2.1"]
    assert inventory.hosts["web3"].vars == {"ansible_port": 2222}
    assert errors(lambda: load(["web1,we b"], cwd=tmp_path))


def test_a_group_may_have_the_name_of_its_only_host(tmp_path: Path) -> None:
    project(tmp_path, {"hosts.ini": "[web1]\nweb1 a=1\n[web1:vars]\na=2\nb=3\n[two]\ntwo\nweb1\n"})
    assert errors(lambda: load(["hosts.ini"], cwd=tmp_path)) == [
        "hosts.ini:7 two: 'two' is a host here and a group at hosts.ini:6"
    ]
    project(tmp_path, {"hosts.ini": "[web1]\nweb1 a=1\n[web1:vars]\na=2\nb=3\n"})
    (host,) = load(["hosts.ini"], cwd=tmp_path).select("web1")
    assert (host.vars["a"], host.vars["b"]) == (1, 3)


def test_hosts_that_prov_cannot_reach_are_listed_but_not_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "d1 ansible_connection=docker\nw1 ansible_connection=ansible.netcommon.network_cli\nweb1\n"
    monkeypatch.chdir(project(tmp_path, {"hosts.ini": text}))
    listed = CliRunner().invoke(cli, ["hosts", "-i", "hosts.ini"])
    assert [line.split()[:2] for line in listed.stdout.splitlines()[1:]] == [
        ["d1", "(docker)"],
        ["w1", "(network_cli)"],
        ["web1", "web1"],
    ]
    for command in ("plan", "ping", "check"):
        refused = CliRunner().invoke(cli, [command, "all", "-i", "hosts.ini"]).exception
        assert isinstance(refused, ConfigErrors)
        assert [str(each) for each in refused.errors] == [
            "hosts.ini:1 d1.ansible_connection: prov can't connect by 'docker'",
            "hosts.ini:2 w1.ansible_connection: prov can't connect by 'network_cli'",
        ]


def test_names_that_ansible_sets_itself_are_not_listed(tmp_path: Path) -> None:
    project(tmp_path, {"hosts": "web1 groups=x inventory_hostname=y ansible_version=2 a=1\n"})
    inventory = load(["hosts"], cwd=tmp_path)
    assert listed(inventory, ["web1"])["_meta"]["hostvars"] == {"web1": {"a": 1}}


def test_links_to_nothing_are_passed_over(tmp_path: Path) -> None:
    project(tmp_path, {"inv/a": "web1\n", "inv/group_vars/all/a.yml": "a: 1\n"})
    for link in ("b", "group_vars/all/b.yml", "group_vars/ungrouped.yml"):
        (tmp_path / "inv" / link).symlink_to("nowhere")
    assert load(["inv"], cwd=tmp_path).hosts["web1"].vars == {"a": 1}


def test_a_program_that_is_not_executable_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, {"inv/a": "web1\n", "inv/cloud.py": "#!/usr/bin/python3\nprint('many lines')\n"})
    monkeypatch.chdir(tmp_path)
    assert errors(lambda: load(["inv"], cwd=tmp_path)) == ["inv/cloud.py: a program that is not executable"]


def test_hosts_elsewhere_may_become_root_as_they_like(tmp_path: Path) -> None:
    text = "w1 ansible_connection=winrm ansible_become_method=runas ansible_user={{none}} ansible_host=192.0.2.1\n"
    project(tmp_path, {"hosts": text})
    (host,) = load(["hosts"], cwd=tmp_path).select("w1")
    assert (host.connection.kind, host.connection.plugin, host.connection.address) == (
        "other",
        "winrm",
        "192.0.2.1",
    )


def test_the_python_of_ansible_is_that_of_prov(tmp_path: Path) -> None:
    text = "web1 ansible_connection=local ansible_python_interpreter={{ansible_playbook_python}}\n"
    project(tmp_path, {"hosts": text})
    assert load(["hosts"], cwd=tmp_path).hosts["web1"].connection.python_interpreter == sys.executable


def test_what_constructed_composes_is_an_expression(tmp_path: Path) -> None:
    project(tmp_path, {"inv/a": "web1\n", "inv/b.yml": "plugin: constructed\ncompose:\n  x: true\n"})
    assert errors(lambda: load(["inv"], cwd=tmp_path)) == [
        "inv/b.yml:3 compose.x: must be an expression in quotes, not true"
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("web1 ansible_port={}", ":2 web1.ansible_port: must be a port"),
        ("web1:{}", ":2 web: '"),
        (
            "web1\n[web:vars]\nansible_group_priority={}",
            ":4 web.vars.ansible_group_priority: must be a whole",
        ),
    ],
)
def test_numbers_of_thousands_of_digits_are_refused(tmp_path: Path, line: str, expected: str) -> None:
    # Python converts no more than 4300
    project(tmp_path, {"hosts": "[web]\n" + line.format("1" * 10_001) + "\n"})

    def connections() -> None:
        check(load(["hosts"], cwd=tmp_path).hosts.values(), reach=False)

    (found,) = errors(connections)
    assert found.startswith("hosts" + expected)


@pytest.mark.parametrize(
    "line",
    [
        "web1 a='x y'z b=\"it's\" c='' d=\"#\" #e",
        "web1 a='x y' # b='c'",
        'web1\ta="" b=\'"\'',
        "web1 a=\\x b='x y'",
        "web1 a='x\u00a0y'\u00a0b=1",
    ],
)
def test_words_are_those_of_shlex(line: str) -> None:
    assert shell_words(line) == shlex.split(line, comments=True)


@pytest.mark.parametrize("text", ["a b", "not True", "None if a else b", "True and False", "in is", "x -1"])
def test_words_with_blanks_are_text(text: str) -> None:
    assert literal(text) == text


def test_a_value_that_is_nearly_a_number_warns_of_nothing(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    project(tmp_path, {"hosts": "web1 a=1jif b='\"\\d\"' c=0x1for\n"})
    load(["hosts"], cwd=tmp_path)
    assert not recwarn.list
