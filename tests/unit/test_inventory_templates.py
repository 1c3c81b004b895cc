"""Templates in variables mean what they mean in Ansible: expected-templated.json has what ansible-core 2.19.14 makes
of each variable of a case; `{"ERROR": ""}` where it can't.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from inventories import errors, host, inventory, project

from provision.cli.main import cli
from provision.errors import ConfigError
from provision.inventory.inventory_files import load
from provision.inventory.loaded import InventoryHost
from provision.secrets import Secret

CASES = sorted(
    path.parent
    for path in (Path(__file__).parent / "like_ansible_inventory").glob("*/expected-templated.json")
)
FAILED = {"ERROR": ""}


def values(web1: InventoryHost) -> dict[str, Any]:
    """Each variable of a host as JSON has it."""
    found = {}
    for name in web1.vars:
        try:
            value = web1.vars[name]
            text = value.reveal() if isinstance(value, Secret) else value
            found[name] = json.loads(json.dumps(text, default=str))
        except ConfigError:
            found[name] = FAILED
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_what_ansible_makes_of_them(case: Path, tmp_path: Path) -> None:
    case = Path(shutil.copytree(case, tmp_path / "case"))
    expected = json.loads((case / "expected-templated.json").read_text())
    loaded = load(json.loads((case / "case.json").read_text())["inventory"], cwd=case)
    for name, variables in expected.items():
        assert values(loaded.hosts[name]) == variables


WORK = {
    "mul": "{{ 'a' * 999999999 }}",
    "pow": "{{ 2 ** 99999 }}",
    "percent": "{{ '%99999999d' % 1 }}",
    "format": "{{ '{:99999999}'.format(1) }}",
    "ljust": "{{ 'a'.ljust(99999999) }}",
    "replace": "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
    "replaced": "{{ ('a' * 100000) | replace('a', 'b' * 100000) }}",
    "substituted": "{{ ('a' * 100000) | regex_replace('a', 'b' * 100000) }}",
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
    "macro": "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
    "permutations": "{{ range(30) | permutations | list }}",
    "join": "{{ ('x' * 9999).join(['a'] * 99999) }}",
    "indent": "{{ ('\n' * 99999) | indent(9999) }}",
    "plus": "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x }}",
    "tilde": "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    "aliases": "{{ 'a: &a [1,1]\\nb: [*a,*a]' | from_yaml }}",
    "zeros": "{{ lookup('file', '/dev/zero') }}",
}
FORBIDDEN = {
    "class": "{{ ''.__class__ }}",
    "item": "{{ ''['__class__'] }}",
    "filter": "{{ '' | attr('__class__') }}",
    "map": "{{ [''] | map(attribute='__class__') | list }}",
    "inside": "{{ hostvars._around }}",
    "function": "{{ lookup.__func__ }}",
    "change": "{{ listed.append(2) }}",
    "include": "{% include '/etc/passwd' %}",
    "import": "{% import 'x' as y %}",
    "command": "{{ lookup('pipe', 'id') }}",
}


@pytest.mark.parametrize("text", [*WORK.values(), *FORBIDDEN.values()], ids=[*WORK, *FORBIDDEN])
def test_work_is_bounded_and_nothing_is_reached(tmp_path: Path, text: str) -> None:
    web1 = host(tmp_path, "listed: [1]\nx: " + json.dumps(text))
    begun = time.process_time()
    (found,) = errors(lambda: web1.vars["x"])
    assert found.startswith("inv.yml:5 web1.x: ") and "could not be worked out: " in found
    assert time.process_time() - begun < 60  # not for ever
    assert web1.vars["listed"] == [1]


def test_a_pattern_that_takes_forever_is_ended(tmp_path: Path) -> None:
    web1 = host(tmp_path, "x: \"{{ ('a' * 40) | regex_search('(a|a)*b') }}\"")
    (found,) = errors(lambda: web1.vars["x"])
    assert "the pattern '(a|a)*b' took longer than 5 seconds" in found


def test_doubling_in_many_variables_ends(tmp_path: Path) -> None:
    lines = ["a0: lol", *(f'a{n}: "' + f"{{{{ a{n - 1} }}}}" * 10 + '"' for n in range(1, 12))]
    web1 = host(tmp_path, "\n".join(lines))
    assert len(web1.vars["a4"]) == 30_000
    (found,) = errors(lambda: web1.vars["a11"])
    assert "inv.yml:10 web1.a6: " in found and "more than 1,000,000 characters" in found


def test_an_error_is_at_the_line_of_the_template_that_fails(tmp_path: Path) -> None:
    web1 = host(
        tmp_path,
        """
        ansible_host: "{{ fqdn }}"
        fqdn: "{{ inventory_hostname }}.{{ domain }}"
        loop: {a: "{{ loop.b }}", b: "{{ loop.a }}"}
        fact: "{{ ansible_default_ipv4.address }}"
        wrong: "{{ 'x' | nosuch }}"
        """,
    )
    undefined = (
        "inv.yml:5 web1.fqdn: '{{ inventory_hostname }}.{{ domain }}' could not be worked out: "
        "'domain' is undefined"
    )
    assert errors(lambda: web1.vars["fqdn"]) == [undefined]
    assert errors(lambda: web1.connection) == [undefined]
    (first, _) = errors(lambda: web1.vars["loop"])
    assert "variables refer to each other: loop.a > loop.b > loop.a" in first
    with pytest.raises(ConfigError) as caught:
        web1.vars["fact"]
    assert "gathers no facts" in caught.value.errors[0].hint  # type: ignore[attr-defined]
    assert "No filter named 'nosuch'" in errors(lambda: web1.vars["wrong"])[0]


def test_what_is_not_used_need_not_work(tmp_path: Path) -> None:
    web1 = host(
        tmp_path, 'mine: "{{ nothing }}"\nansible_user: "{{ login | default(\'ops\') }}"\nroles: [base]'
    )
    assert web1.connection.user == "ops"
    assert web1.roles == ("base",)


def test_connection_variables(tmp_path: Path) -> None:
    web1 = host(
        tmp_path,
        """
        number: 2
        ansible_host: "{{ inventory_hostname }}.example.com"
        ansible_port: "{{ 2000 + number }}"
        ansible_become: "{{ number == 2 }}"
        ansible_ssh_private_key_file: "{{ 'keys/' ~ inventory_hostname }}"
        ansible_become_password: "{{ ansible_password }}"
        ansible_password: "{{ 'hunter' ~ number }}"
        mine: "x{{ ansible_password }}y"
        wrong: "{{ ansible_password | int(base=99) | fail }}{{ (ansible_password ~ 'z') | from_json }}"
        """,
    )
    connection = web1.connection
    assert (connection.address, connection.port, connection.become) == ("web1.example.com", 2002, True)
    assert connection.private_key_file == tmp_path / "keys/web1"
    assert connection.password == connection.become_password == Secret("hunter2")
    assert web1.vars["mine"] == Secret("xhunter2y")


def test_a_secret_is_not_in_an_error(tmp_path: Path) -> None:
    web1 = host(tmp_path, 'ansible_password: hunter2\nx: "{{ 1 | ipaddr(ansible_password) }}"')
    (found,) = errors(lambda: web1.vars["x"])
    assert "hunter2" not in found and "it uses a secret" in found


def test_pipe_is_on_request(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": '[tool.prov]\nlookups = ["pipe"]\n',
        "hosts.yml": """
            all:
              hosts:
                web1:
                  x: "{{ lookup('pipe', 'echo a; pwd') }}"
                  y: "{{ lookup('pipe', 'exit 3') }}"
            """,
    }
    web1 = load(["hosts.yml"], cwd=project(tmp_path, files)).hosts["web1"]
    assert web1.vars["x"] == f"a\n{tmp_path}"
    assert "failed with 3" in errors(lambda: web1.vars["y"])[0]
    project(tmp_path, {"pyproject.toml": '[tool.prov]\nlookups = ["pip"]\n'})
    assert errors(lambda: load(["hosts.yml"], cwd=tmp_path)) == [
        "pyproject.toml tool.prov.lookups: must be a list of lookups that are used on request: pipe"
    ]


def test_values_of_others_are_no_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRACES", "{{ 1 }}")
    files = {
        "secret.txt": "{{ 1 }}",
        "hosts.yml": """
            all:
              hosts:
                web1:
                  a: "{{ lookup('env', 'BRACES') }}"
                  b: "{{ lookup('file', 'secret.txt') }}"
                  c: !unsafe "{{ 1 }}"
                  d: "{{ a ~ b ~ c }}"
            """,
    }
    web1 = load(["hosts.yml"], cwd=project(tmp_path, files)).hosts["web1"]
    assert web1.vars["d"] == "{{ 1 }}" * 3


def test_an_inventory_without_templates_brings_no_jinja(tmp_path: Path) -> None:
    import subprocess
    import sys

    project(tmp_path, {"hosts.yml": "all: {hosts: {web1: {a: 1, roles: [base]}}}"})
    code = (
        "import sys; from provision.inventory import load, check; i = load(['hosts.yml']); "
        "check(i.hosts.values()); dict(i.hosts['web1'].vars); sys.exit('jinja2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


def test_hosts_shows_values_and_what_cannot_be_worked_out_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inventory(tmp_path, 'all: {hosts: {web1: {a: "{{ 1 + 1 }}", b: "{{ none_such }}"}}}')
    shown = CliRunner().invoke(cli, ["hosts", "-i", "inv.yml", "--json"]).stdout.splitlines()
    variables = json.loads(shown[0])["vars"]
    assert variables == {"a": 2, "b": "{{ none_such }}"}
