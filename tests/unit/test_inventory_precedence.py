"""Which value wins.

Source: docs.ansible.com, "How to build your inventory" > "How variables are merged", and "Using variables" >
"Understanding variable precedence". The same cases were compared with `ansible-inventory --list` of ansible-core 2.19.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from inventories import errors, inventory, project

from provision.inventory import load

# Places that set the variable, from weak to strong. Each must win against the previous one, and all before.
LADDER = [
    ("inventory/hosts.yml", "all vars"),
    ("inventory/hosts.yml", "parent vars"),
    ("inventory/hosts.yml", "child vars"),
    ("inventory/group_vars/all.yml", ""),
    ("group_vars/all.yml", ""),
    ("inventory/group_vars/parent.yml", ""),
    ("inventory/group_vars/child.yml", ""),
    ("group_vars/parent.yml", ""),
    ("group_vars/child.yml", ""),
    ("inventory/hosts.yml", "host vars"),
    ("inventory/host_vars/web1.yml", ""),
    ("host_vars/web1.yml", ""),
]


@pytest.mark.parametrize("strongest", range(len(LADDER)), ids=[" ".join(step).strip() for step in LADDER])
def test_the_ladder_of_precedence(tmp_path: Path, strongest: int) -> None:
    def value(part: str) -> str:
        at = LADDER.index(("inventory/hosts.yml", part))
        return f"value: {at}" if at <= strongest else "unrelated: 0"

    files = {
        "inventory/hosts.yml": f"""
            all:
              vars:
                {value("all vars")}
            parent:
              vars:
                {value("parent vars")}
              children:
                child:
                  vars:
                    {value("child vars")}
                  hosts:
                    web1:
                      {value("host vars")}
            """
    }
    for at, (name, part) in enumerate(LADDER[: strongest + 1]):
        if not part:
            files[name] = f"value: {at}\n"
    assert load(cwd=project(tmp_path, files)).hosts["web1"].vars["value"] == strongest


# (groups with the variable v set to their own name, the winner, why)
GROUPS = {
    "siblings by name: the last of the alphabet wins": (
        "b: {hosts: {web1: }, vars: {v: b}}\na: {hosts: {web1: }, vars: {v: a}}",
        ("a", "b"),
    ),
    "a child wins over its parent, whatever the names": (
        "z: {vars: {v: z}, children: {a: {hosts: {web1: }, vars: {v: a}}}}",
        ("z", "a"),
    ),
    "deeper wins over a sibling of the parent": (
        "z: {hosts: {web1: }, vars: {v: z}}\nb: {children: {a: {hosts: {web1: }, vars: {v: a}}}}",
        ("b", "z", "a"),
    ),
    "the longest way to `all` counts": (
        "a: {hosts: {web1: }}\nb: {hosts: {web1: }}\nx: {children: {a: }}",
        ("b", "x", "a"),
    ),
    "ansible_group_priority: the larger number is merged later": (
        "a: {hosts: {web1: }, vars: {v: a, ansible_group_priority: 10}}\nb: {hosts: {web1: }, vars: {v: b}}",
        ("b", "a"),
    ),
    "but priority is only for groups of one depth": (
        "z: {vars: {v: z, ansible_group_priority: 10}, children: {a: {hosts: {web1: }, vars: {v: a}}}}",
        ("z", "a"),
    ),
}


@pytest.mark.parametrize(("text", "order"), GROUPS.values(), ids=GROUPS.keys())
def test_groups_in_the_order_of_their_weight(tmp_path: Path, text: str, order: tuple[str, ...]) -> None:
    web1 = inventory(tmp_path, text).hosts["web1"]
    assert web1.groups == order
    assert web1.vars.get("v", order[-1]) == order[-1]
    assert "ansible_group_priority" not in web1.vars


def test_values_are_replaced_not_merged(tmp_path: Path) -> None:
    """Ansible's default, hash_behaviour=replace."""
    text = "all: {vars: {site: {a: 1, b: 1}}}\nweb: {hosts: {web1: }, vars: {site: {b: 2}}}"
    assert inventory(tmp_path, text).hosts["web1"].vars["site"] == {"b": 2}


def test_later_inventories_win(tmp_path: Path) -> None:
    project(
        tmp_path,
        {
            "one/hosts.yml": "web: {hosts: {web1: {a: one, b: one}}}",
            "two/hosts.yml": "web: {hosts: {web1: {a: two}}}",
            "one/group_vars/web.yml": "c: one\nd: one",
            "two/group_vars/web.yml": "c: two",
        },
    )
    expected = {"a": "two", "b": "one", "c": "two", "d": "one"}
    assert load(["one", "two/hosts.yml"], cwd=tmp_path).hosts["web1"].vars == expected


def test_files_of_a_folder_are_merged_by_name(tmp_path: Path) -> None:
    files = {
        "inventory/10-a.yml": "web: {hosts: {web1: {v: 10}}}",
        "inventory/20-b.yaml": "web: {hosts: {web1: {v: 20}}}",
        "inventory/sub/c.json": '{"web": {"hosts": {"web2": null}}}',
        "inventory/web.example.yml": "web: {hosts: {web9: }}",
        "inventory/.hidden.yml": "- nonsense",
        "inventory/old.yml~": "- nonsense",
        "inventory/old.yml.orig": "- nonsense",
        "inventory/README.md": "- nonsense",
        "inventory/group_vars/web/2.yml": "w: 2",
        "inventory/group_vars/web/1.yml": "w: 1",
        "inventory/group_vars/web/deep/3.yml": "w: 3\nx: 3",
        "inventory/group_vars/web/.4.yml": "w: 4",
        "inventory/group_vars/web/5.yml~": "w: 5",
        "inventory/group_vars/web/6.txt": "w: 6",
        "inventory/host_vars/web1": "y: 1",
        "inventory/host_vars/web2.json": '{"y": 2}',
        "inventory/host_vars/unknown.yml": "y: 3",
    }
    hosts = load(cwd=project(tmp_path, files)).hosts
    assert {name: dict(host.vars) for name, host in hosts.items()} == {
        "web1": {"v": 20, "w": 3, "x": 3, "y": 1},
        "web2": {"w": 3, "x": 3, "y": 2},
    }


def test_bad_files_of_variables(tmp_path: Path) -> None:
    files = {
        "inventory/hosts.yml": "web: {hosts: {web1: , web2: }}",
        "inventory/group_vars/web.yml": "- a\n",
        "inventory/host_vars/web1.yml": "a: 1",
        "inventory/host_vars/web1.yaml": "a: 2",
        "host_vars/web2": "80: a",
    }
    assert errors(lambda: load(cwd=project(tmp_path, files))) == [
        "inventory/group_vars/web.yml:1: must be a mapping of variables, not a list",
        "inventory/host_vars: inventory/host_vars/web1.yml and inventory/host_vars/web1.yaml both exist; "
        "only one can hold the variables of 'web1'",
        "host_vars/web2:1 80: the name of a variable must be text, not 80",
    ]


def test_ungrouped_and_the_order_of_hosts(tmp_path: Path) -> None:
    """ "Default groups": all holds every host, ungrouped those that have no other group."""
    text = """
        all:
          hosts:
            alone:
            web1:
          children:
            web:
              hosts:
                web[1:2]:
        """
    loaded = inventory(tmp_path, text)
    assert list(loaded.hosts) == ["alone", "web1", "web2"]
    assert {name: host.groups for name, host in loaded.hosts.items()} == {
        "alone": ("ungrouped",),
        "web1": ("web",),
        "web2": ("web",),
    }
    assert (loaded.groups["all"].children, loaded.groups["ungrouped"].hosts) == (
        ["web", "ungrouped"],
        ["alone"],
    )
