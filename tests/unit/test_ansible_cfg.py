"""ansible.cfg of a project: defaults below all that the inventory and pyproject.toml say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click
import pytest
from inventories import errors, project

from provision.cli.options import forks_option
from provision.inventory import Inventory, load

CFG = """
    # of the project
    [defaults]
    inventory = hosts, more.yml
    remote_user = "deploy"  ; as on all hosts
    private_key_file = keys/id
    host_key_checking = False
    timeout = 20
    forks = 5
    nocows = 1
    [ssh_connection]
    ssh_args = -o ForwardAgent=yes
    pipelining = True
    retries = 3
    [privilege_escalation]
    become = true
    """
HOSTS = {
    "hosts": "[web]\nweb1\nweb2 ansible_user=root ansible_become=false\n",
    "more.yml": "db: {hosts: {db1: }}",
}


def loaded(folder: Path, cfg: str, **more: str) -> Inventory:
    """The inventory of a project with an ansible.cfg."""
    return load(cwd=project(folder, {"ansible.cfg": cfg, **HOSTS, **more}))


def test_defaults_of_hosts(tmp_path: Path) -> None:
    inventory = loaded(tmp_path, CFG)
    assert list(inventory.hosts) == ["web1", "web2", "db1"]
    web1, web2 = inventory.hosts["web1"].connection, inventory.hosts["web2"].connection
    assert (web1.user, web1.become, web1.private_key_file) == ("deploy", True, tmp_path / "keys/id")
    assert (web2.user, web2.become) == ("root", False)
    assert web1.ssh_arguments == (
        "-oConnectTimeout=20",
        "-oStrictHostKeyChecking=no",
        "-o",
        "ForwardAgent=yes",
    )
    assert "ansible_user" not in inventory.hosts["web1"].vars
    assert inventory.settings.unread == (
        "ansible.cfg:9 defaults.nocows",
        "ansible.cfg:13 ssh_connection.retries",
    )


def test_what_is_not_read_is_said_once(tmp_path: Path) -> None:
    inventory = loaded(tmp_path, CFG)
    (said,) = inventory.notices
    assert said == (
        "prov does not read these settings: ansible.cfg:9 defaults.nocows, ansible.cfg:13 ssh_connection.retries"
    )
    inventory.notices.pop()
    assert not inventory.notices
    assert not loaded(tmp_path, "[defaults]\nremote_user = x\ninventory = hosts\n").notices


def test_pyproject_wins(tmp_path: Path) -> None:
    folder = project(tmp_path, {"pyproject.toml": '[tool.prov]\ninventory = "more.yml"\n'})
    assert list(loaded(folder, CFG).hosts) == ["db1"]
    assert loaded(folder, CFG).hosts["db1"].connection.user == "deploy"


def test_port_and_interpreter_are_defaults_of_hosts(tmp_path: Path) -> None:
    cfg = "[defaults]\nremote_port = 2222\ninterpreter_python = /opt/python/bin/python3\n"
    folder = project(tmp_path, {"hosts": "web1\nweb2 ansible_port=22\n"})
    (folder / "ansible.cfg").write_text(cfg)
    web1, web2 = (load(["hosts"], cwd=folder).hosts[name].connection for name in ("web1", "web2"))
    assert (web1.port, web2.port) == (2222, 22)
    assert web1.python_interpreter == "/opt/python/bin/python3"


@pytest.mark.parametrize(
    ("cfg", "words", "expected"),
    [
        ("[defaults]\nforks = 7\n", [], 7),
        ("[defaults]\nforks = 7\n", ["--forks", "3"], 3),
        ("[defaults]\ntimeout = 7\n", [], 20),
    ],
)
def test_forks_is_the_default_of_the_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cfg: str, words: list[str], expected: int
) -> None:
    found = []

    @click.command()
    @forks_option
    def command(forks: int) -> None:
        found.append(forks)

    (tmp_path / "ansible.cfg").write_text(cfg)
    monkeypatch.chdir(tmp_path)
    command.main(words, standalone_mode=False)
    assert found == [expected]


def test_other_hosts_are_left_alone(tmp_path: Path) -> None:
    text = "l1 ansible_connection=lab\nhere ansible_connection=local\n"
    inventory = load(["h"], cwd=project(tmp_path, {"ansible.cfg": CFG, "h": text}))
    for host in inventory.hosts.values():
        assert (host.connection.user, host.connection.private_key_file) == (None, None)


@pytest.mark.parametrize(
    ("cfg", "expected"),
    [
        ("[defaults]\nremote_user = a b \nprivate_key_file = k\n", None),
        ("no section\n", "ansible.cfg:1: is not a section, or name = value"),
        (
            "[defaults]\nhash_behaviour = mix\n",
            "ansible.cfg:2 defaults.hash_behaviour: must be replace or merge, not 'mix'",
        ),
        (
            "[defaults]\ntimeout = soon\n",
            "ansible.cfg:2 defaults.timeout: must be seconds (1 to 3600), not 'soon'",
        ),
        (
            "[defaults]\nforks = many\n",
            "ansible.cfg:2 defaults.forks: must be a number (1 to 1000), not 'many'",
        ),
        (
            "[privilege_escalation]\nbecome_method = su\n",
            "ansible.cfg:2 ansible_become_method: 'su' is not supported",
        ),
        (
            "[privilege_escalation]\nbecome = maybe\n",
            "ansible.cfg:2 ansible_become: must be true or false, not 'maybe'",
        ),
    ],
)
def test_mistakes_are_told_with_their_line(tmp_path: Path, cfg: str, expected: str | None) -> None:
    (tmp_path / "ansible.cfg").write_text(cfg)
    project(tmp_path, HOSTS)

    def connection() -> object:
        return load(["hosts"], cwd=tmp_path).hosts["web1"].connection

    if expected is None:
        assert connection()
    else:
        assert errors(connection) == [expected]


def test_one_that_everyone_can_write_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, {"ansible.cfg": CFG, **HOSTS})
    tmp_path.chmod(0o777)
    assert load(["hosts"], cwd=tmp_path).hosts["web1"].connection.user is None
    monkeypatch.setenv("ANSIBLE_CONFIG", str(tmp_path / "ansible.cfg"))
    assert load(["hosts"], cwd=tmp_path).hosts["web1"].connection.user == "deploy"


def test_mappings_are_merged_as_by_ansible(tmp_path: Path) -> None:
    """The same inventory as in like_ansible_inventory, with hash_behaviour = merge."""
    case = Path(__file__).parent / "like_ansible_inventory/24-hash-behaviour"
    folder = Path(shutil.copytree(case, tmp_path / "case"))
    (folder / "ansible.cfg").write_text("[defaults]\nhash_behaviour = merge\n")
    expected = json.loads((case / "expected-merge.json").read_text())["_meta"]["hostvars"]
    inventory = load(["hosts.ini"], cwd=folder)
    assert {name: dict(host.vars) for name, host in inventory.hosts.items()} == expected
    assert str(inventory.hosts["web1"].origin("opts", "all")).startswith("group_vars/all.yml:")


@pytest.mark.parametrize(
    ("cfg", "hosts"),
    [
        ("[defaults]\ninventory = inv\n", ["a", "ini", "art", "x"]),
        ("[defaults]\ninventory = inv\ninventory_ignore_extensions = .ini, .x\n", ["a", "art"]),
        ("[defaults]\ninventory = inv\ninventory_ignore_patterns = ^art, x$\n", ["a", "ini"]),
        # of two names, that of [inventory] counts
        (
            "[defaults]\ninventory = inv\ninventory_ignore_extensions = .ini\n[inventory]\nignore_extensions = .x\n"
            "ignore_patterns = art\n",
            ["a", "ini"],
        ),
    ],
)
def test_files_that_it_passes_over(tmp_path: Path, cfg: str, hosts: list[str]) -> None:
    files = {"inv/a": "a\n", "inv/art": "art\n", "inv/b.ini": "ini\n", "inv/c.x": "x\n"}
    assert sorted(loaded(tmp_path, cfg, **files).hosts) == sorted(hosts)


def test_a_pattern_that_is_none_is_refused(tmp_path: Path) -> None:
    found = errors(lambda: loaded(tmp_path, "[inventory]\nignore_patterns = (\n"))
    assert found[0].startswith("ansible.cfg:2 inventory.ignore_patterns: is not a regular expression")


def test_forks_of_thousands_of_digits_are_refused(tmp_path: Path) -> None:
    found = errors(lambda: loaded(tmp_path, f"[defaults]\nforks = {'1' * 5000}\n"))
    assert found[0].startswith("ansible.cfg:2 defaults.forks: must be a number (1 to 1000)")
