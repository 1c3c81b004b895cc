"""What is wrong in an inventory file is said with file, line and path, in plain words, and all at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inventories import errors, inventory, project

from provision.errors import ConfigError, ConfigErrors
from provision.inventory import load, yamlfile
from provision.inventory.yaml_values import Encrypted, Verbatim

BAD = {
    "a tab": ("all:\n\thosts:\n", ["inv.yml:2: a tab in the indentation; YAML allows only spaces there"]),
    "a duplicate key": (
        "all:\n  hosts:\n    web1:\n    web2:\n    web1:\n",
        ["inv.yml:5 all.hosts: the key 'web1' is repeated; it first occurs on line 3"],
    ),
    "a list of hosts at the top": (
        "- web1\n",
        ["inv.yml:1: an inventory is a mapping of groups, not a list"],
    ),
    "text": ("web1\n", ["inv.yml:1: an inventory is a mapping of groups, not 'web1'"]),
    "hosts as a list": (
        "web:\n  hosts:\n    - web1\n",
        ["inv.yml:2 web.hosts: must be a mapping, not a list"],
    ),
    "children as a list": (
        "web:\n  children: [a]\n",
        ["inv.yml:2 web.children: must be a mapping, not a list"],
    ),
    "vars as a list": ("web:\n  vars: [a]\n", ["inv.yml:2 web.vars: variables are a mapping, not a list"]),
    "variables as text": (
        "web:\n  hosts:\n    web1: yes\n",
        ["inv.yml:3 web.hosts.web1: variables are a mapping, not true"],
    ),
    "a misspelt section": (
        "web:\n  host:\n    web1:\n",
        ["inv.yml:2 web.host: a group has hosts, children and vars, not 'host'. Did you mean 'hosts'?"],
    ),
    "names that are numbers": (
        "8080:\nweb:\n  hosts:\n    8080:\n  vars:\n    8080: x\n",
        [
            "inv.yml:1 8080: a group name must be text, not 8080",
            "inv.yml:4 web.hosts.8080: a host name must be text, not 8080",
            "inv.yml:6 web.vars.8080: the name of a variable must be text, not 8080",
        ],
    ),
    "a bad group name": (
        "we*b:\n",
        ["inv.yml:1 we*b: 'we*b' is not a group name: use letters, digits, '.', '-' and '_'"],
    ),
    "a group as text": (
        "web: web1\n",
        ["inv.yml:1 web: a group is a mapping with hosts, children or vars, not 'web1'"],
    ),
    "a bad range": (
        "web:\n  hosts:\n    web[3:1]:\n",
        ["inv.yml:3 web.hosts.web[3:1]: '[3:1]' begins after its end"],
    ),
    "a cycle of groups": (
        "a:\n  children:\n    b:\nb:\n  children:\n    a:\n",
        ["inv.yml:3 b: groups contain each other: a > b > a"],
    ),
    "all as a child": (
        "a:\n  children:\n    all:\n",
        ["inv.yml:3 all: 'all' cannot be the child of a group"],
    ),
    "a host with a group's name": (
        "web:\n  hosts:\n    web:\n    db:\n",
        ["inv.yml:3 web: 'web' is a host here and a group at inv.yml:1"],
    ),
    "a host called all": (
        "web:\n  hosts:\n    all:\n",
        ["inv.yml:3 all: 'all' is the name of a built-in group; rename the host"],
    ),
    "a plugin's configuration": (
        "plugin: hetzner.hcloud.hcloud\n",
        [
            "inv.yml:1 plugin: the inventory plugin 'hetzner.hcloud.hcloud' is not supported; "
            "prov has aws_ec2 and constructed"
        ],
    ),
    "a priority in words": (
        "web:\n  vars:\n    ansible_group_priority: high\n",
        ["inv.yml:3 web.vars.ansible_group_priority: must be a whole number, not 'high'"],
    ),
    "an open bracket": (
        "all:\n  vars:\n    a: [1, 2\n    b: 3\n",
        ["inv.yml:4: a ',' or ']' is missing (in what begins in line 3)"],
    ),
    "two colons": (
        "all:\n  vars:\n    a: b: c\n",
        [
            "inv.yml:3: this line has a ':' too many, or wrong indentation; "
            "put text that contains ': ' in quotes"
        ],
    ),
    "wrong indentation": (
        "all:\n  hosts:\n    a:\n   b:\n",
        ["inv.yml:4: wrong indentation, or a key without ':' after it (in what begins in line 2)"],
    ),
    "a percent sign": ("all: %x\n", ["inv.yml:1: text cannot begin with '%'; put it in quotes"]),
    "an unknown alias": ("all: *nope\n", ["inv.yml:1: an alias (*name) without its anchor (&name)"]),
    "an alias to itself": (
        "all: &a\n  vars:\n    x: *a\n",
        ["inv.yml:1 all.vars.x: an alias that contains itself"],
    ),
    "two documents": ("all:\n---\nweb:\n", ["inv.yml:2: a second document begins; a file can have only one"]),
    "unknown tags": (
        "all:\n  vars:\n    a: !foo 3\n    b: !!python/object:os.system x\n    c: !bar [1]\n",
        [
            "inv.yml:3 all.vars.a: unknown tag '!foo'",
            "inv.yml:4 all.vars.b: unknown tag '!!python/object:os.system'",
            "inv.yml:5 all.vars.c: unknown tag '!bar'",
        ],
    ),
    "no such day": (
        "all:\n  vars:\n    a: 2024-02-31\n",
        ["inv.yml:3 all.vars.a: '2024-02-31' is not a valid timestamp"],
    ),
    "a template without quotes": (
        "all:\n  vars:\n    a: {{ x }}\n",
        ["inv.yml:3 all.vars.a: a key must be text, not a list or mapping"],
    ),
    "an empty key": ("all:\n  vars:\n    ? \n    : 2\n", ["inv.yml:3 all.vars: a key is empty"]),
    "a merge of a number": (
        "all:\n  vars:\n    <<: 3\n",
        ["inv.yml:3 all.vars: '<<' takes a mapping or a list of mappings"],
    ),
    "a control character": (
        "all:\n  vars:\n    a: \x01\n",
        ["inv.yml:3: a character that YAML does not allow: U+0001"],
    ),
    "an encrypted file": (
        "$ANSIBLE_VAULT;1.1;AES256\n6233\n",
        ["inv.yml:1: the vault is damaged: it is cut: salt, digest or text is missing"],
    ),
}


@pytest.mark.parametrize(("text", "expected"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_said(tmp_path: Path, text: str, expected: list[str]) -> None:
    (tmp_path / "inv.yml").write_text(text)
    assert errors(lambda: load(["inv.yml"], cwd=tmp_path)) == expected


HINTS = {
    "web:\n  hosts:\n    - web1\n": "Each name is a key: on a line of its own, "
    "with no dash before it and a colon after it.",
    "all:\n  vars:\n    a: {{ x }}\n": "Put text that begins with [ or { in quotes.",
    "all:\n  vars:\n    a: {{ x }}/y\n": "Put text that begins with [ or { in quotes.",
    "web:\n  hosts:\n    8080:\n": "Put it in quotes.",
}


@pytest.mark.parametrize(("text", "hint"), HINTS.items())
def test_hints_say_what_to_do(tmp_path: Path, text: str, hint: str) -> None:
    (tmp_path / "inv.yml").write_text(text)
    with pytest.raises(ConfigErrors) as caught:
        load(["inv.yml"], cwd=tmp_path)
    assert [error.hint for error in caught.value.errors] == [hint]


def test_errors_of_all_files_come_together(tmp_path: Path) -> None:
    project(
        tmp_path,
        {"inventory/a.yml": "web:\n  host:\n", "inventory/b.yml": "db: [x]\n", "inventory/c.yml": "a: b: c"},
    )
    found = errors(lambda: load(cwd=tmp_path))
    assert [line.split(": ")[0] for line in found] == [
        "inventory/a.yml:2 web.host",
        "inventory/b.yml:1 db",
        "inventory/c.yml:1",
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yml").write_bytes(b"all:\n  vars:\n    a: caf\xe9\n")
    assert errors(lambda: load(["latin.yml"], cwd=tmp_path)) == ["latin.yml:3: is not UTF-8 text"]
    assert [str(e) for e in [error_of(tmp_path / "none.yml")]] == [
        "none.yml: cannot be read: No such file or directory"
    ]


def error_of(file: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        yamlfile.read(file, file.name)
    return caught.value


def test_every_value_knows_its_line(tmp_path: Path) -> None:
    web1 = inventory(
        tmp_path,
        """
        all:
          vars:
            base: &base
              port: 80
              names:
                - a
                - b
          hosts:
            web1:
              site:
                <<: *base
                tls: true
        """,
    ).hosts["web1"]
    lines = {
        ("base",): 3,
        ("base", "names", 1): 7,
        ("site",): 10,
        ("site", "tls"): 12,
        ("site", "port"): 4,  # where the merged mapping says it
        ("site", "nothing", "below"): 10,  # the nearest part around it
    }
    assert {path: web1.origin(*path).line for path in lines} == lines  # type: ignore[union-attr]
    assert web1.origin("nothing") is None
    assert web1.vars["site"] == {"port": 80, "names": ["a", "b"], "tls": True}
    assert str(web1.error(("site", "tls"), "no")) == "inv.yml:12 web1.site.tls: no"
    assert str(web1.error(("nothing",), "no")) == "inv.yml:9 web1.nothing: no"


def test_merge_keys_of_several_mappings(tmp_path: Path) -> None:
    """yaml.org/type/merge: the mapping's own keys win, then the first mapping of the list that has a key."""
    text = """
        all:
          vars:
            a: &a {x: 1, y: 1}
            b: &b {x: 2, z: 2}
            c:
              z: 3
              <<: [*a, *b]
          hosts:
            web1:
        """
    assert inventory(tmp_path, text).hosts["web1"].vars["c"] == {"x": 1, "y": 1, "z": 3}


def test_tags_of_ansible(tmp_path: Path) -> None:
    text = """
        all:
          vars:
            token: !vault |
              $ANSIBLE_VAULT;1.1;AES256
              6233
            format: !unsafe "{{ level }}"
          hosts:
            web1:
        """
    web1 = inventory(tmp_path, text).hosts["web1"]
    variables = web1.vars
    assert isinstance(web1.written("token"), Encrypted)
    assert isinstance(variables["format"], Verbatim)
    assert variables["format"] == "{{ level }}"


def test_empty_things_are_fine(tmp_path: Path) -> None:
    loaded = inventory(tmp_path, "all:\nweb:\n  hosts:\n  vars:\n  children:\ndb:\n  hosts: db1\n")
    assert list(loaded.hosts) == ["db1"]
    assert inventory(tmp_path, "").hosts == {}
    assert inventory(tmp_path, "# nothing yet\n").hosts == {}


@given(st.text(alphabet=":-{}[]\"'&*!|>%@ \n\tab1<#,?", max_size=40))
def test_whatever_a_file_holds_the_error_is_ours(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yml"
    file.write_text(text)
    try:
        load([file])
    except ConfigError as error:
        assert "any.yml" in str(error)
