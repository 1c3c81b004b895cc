"""TARGET: docs.ansible.com, "Patterns: targeting hosts and groups", and the contract in design.md."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inventories import inventory

from provision.errors import UsageError
from provision.inventory import Inventory, load

TEXT = """
    lab:
      children:
        web:
          hosts:
            web3:
            web1:
            web2:
        db:
          hosts:
            db1:
            web3:
    edge:
      hosts:
        lb1.example.com:
        2001:db8::1:
    empty:
    """

EVERY = ["web3", "web1", "web2", "db1", "lb1.example.com", "2001:db8::1"]

SELECTED = {
    "all": EVERY,
    "*": EVERY,
    "web1": ["web1"],
    "web": ["web3", "web1", "web2"],
    "lab": ["web3", "web1", "web2", "db1"],
    "web*": ["web3", "web1", "web2"],
    "web?": ["web3", "web1", "web2"],
    "d*": ["web3", "db1"],  # a group and a host
    "*.example.com": ["lb1.example.com"],
    "web1,db1": ["web1", "db1"],
    "db1,web1,web1": ["web1", "db1"],  # in the order of the inventory, each once
    " web1 , db1 ,": ["web1", "db1"],
    "web1:db1": ["web1", "db1"],
    "web,!web1": ["web3", "web2"],
    "!web1,web": ["web3", "web2"],
    "web:!web1": ["web3", "web2"],
    "!web": ["db1", "lb1.example.com", "2001:db8::1"],
    "web,&db": ["web3"],
    "&db": ["web3", "db1"],
    "lab:&web:!web3": ["web1", "web2"],
    "2001:db8::1": ["2001:db8::1"],
    "all,!2001:db8::1,!lab": ["lb1.example.com"],
}

NAMES = "Hosts: web3, web1, web2, db1, lb1.example.com, 2001:db8::1. Groups: lab, web, db, edge, empty, ungrouped."
REFUSED = {
    "wbe1": ("no host or group 'wbe1'. Did you mean 'web1'?", NAMES),
    "web,!web9": ("no host or group 'web9'. Did you mean 'web'?", NAMES),
    "web,&nothing": ("no host or group 'nothing'.", NAMES),
    "x*": ("'x*' matches no host", NAMES),
    "empty": ("'empty' matches no host", NAMES),
    "web1,!web": ("'web1,!web' matches no host", ""),
    "web1,&db1": ("'web1,&db1' matches no host", ""),
    "": ("the target is empty", NAMES),
    " , ": ("the target is empty", NAMES),
    "!": ("'!' and '&' need a name after them", ""),
    "web[1:2]": (
        "'web[1:2]': ranges are not supported in a target",
        "Use * or ?, or list the names with commas.",
    ),
}


@pytest.fixture
def lab(tmp_path: Path) -> Inventory:
    return inventory(tmp_path, TEXT)


@pytest.mark.parametrize(("target", "expected"), SELECTED.items())
def test_selected(lab: Inventory, target: str, expected: list[str]) -> None:
    assert [host.name for host in lab.select(target)] == expected


@pytest.mark.parametrize(("target", "expected"), REFUSED.items())
def test_refused(lab: Inventory, target: str, expected: tuple[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        lab.select(target)
    assert (str(caught.value), caught.value.hint) == expected


def test_limit(lab: Inventory) -> None:
    assert [host.name for host in lab.select("lab", "web*,!web2")] == ["web3", "web1"]
    with pytest.raises(UsageError) as caught:
        lab.select("web", "db1")
    assert str(caught.value) == "--limit 'db1' matches no host of 'web'"


def test_an_inventory_without_hosts(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        inventory(tmp_path, "web:\n").select("all")
    assert str(caught.value) == "the inventory has no hosts"


def test_an_inventory_without_hosts_says_what_was_read_and_what_was_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "inventory"
    (folder / "group_vars").mkdir(parents=True)
    for name in ("hosts.txt", ".hosts.yml", "production.example.yml", "group_vars/all.yml"):
        (folder / name).write_text("web:\n  hosts: {web1: {}}\n")
    with pytest.raises(UsageError) as caught:
        load([folder], cwd=tmp_path).select("all")
    assert caught.value.hint == (
        "There was no file to read. Passed over: inventory/.hosts.yml (its name begins with a dot), "
        "inventory/group_vars (it has variables, no hosts), inventory/hosts.txt (its name ends in .txt), "
        "inventory/production.example.yml (it is an example)."
    )
    (folder / "staging.yml").write_text("web:\n")
    with pytest.raises(UsageError) as caught:
        load([folder], cwd=tmp_path).select("all")
    assert caught.value.hint.startswith("Read: inventory/staging.yml. Passed over: ")


def test_long_lists_of_names_are_left_out(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        inventory(tmp_path, "web: {hosts: {'web[1:50]': }}").select("wbe1")
    assert (str(caught.value), caught.value.hint) == (
        "no host or group 'wbe1'. Did you mean 'web1'?",
        "Groups: web, ungrouped.",
    )


TERMS = {
    "a": {"a"},
    "b": {"b"},
    "x": {"a", "b"},
    "y": {"b", "c"},
    "all": {"a", "b", "c", "d"},
    "?": {"a", "b", "c", "d"},
}


@given(st.lists(st.tuples(st.sampled_from(["", "!", "&"]), st.sampled_from(sorted(TERMS))), min_size=1))
def test_terms_are_set_algebra_whatever_their_order(
    tmp_path_factory: pytest.TempPathFactory, terms: list[tuple[str, str]]
) -> None:
    """First what is named, then `&`, then `!`."""
    loaded = inventory(
        tmp_path_factory.getbasetemp(), "x: {hosts: {a: , b: }}\ny: {hosts: {b: , c: }}\nz: {hosts: {d: }}"
    )
    parts = {sign: [TERMS[name] for s, name in terms if s == sign] for sign in ("", "!", "&")}
    expected = set.union(*(parts[""] or [TERMS["all"]]))
    expected = expected.intersection(*parts["&"]).difference(*parts["!"])
    try:
        selected = [host.name for host in loaded.select(",".join(sign + name for sign, name in terms))]
    except UsageError:
        selected = []
    assert selected == sorted(expected)
