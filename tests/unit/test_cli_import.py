"""prov import: a playbook as a role."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner
from hypothesis import given, reject
from hypothesis import strategies as st

from provision.cli.main import cli
from provision.errors import ProvError
from provision.playbooks.python_layout import laid_out, quoted
from provision.roles.joined_text import joined
from provision.secrets import Secret

PLAYBOOKS = Path(__file__).parent / "playbooks"
SETTINGS = Path(__file__).parents[2] / "pyproject.toml"


def imported(
    folder: Path, playbook: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, list[dict[str, object]]]:
    """The text of the role, and the objects of --json."""
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(
        cli, ["import", str(playbook), "--name", "web", "--json"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    text = (folder / "roles/web/__init__.py").read_text()
    return text, [json.loads(line) for line in result.stdout.splitlines()]


def written(folder: Path, tasks: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The role for tasks of a play."""
    lines = ("    " + line for line in tasks.strip("\n").splitlines())
    (folder / "site.yml").write_text("- hosts: all\n  tasks:\n" + "\n".join(lines) + "\n")
    return imported(folder, folder / "site.yml", monkeypatch)[0]


def test_a_playbook_becomes_a_role_that_is_style_and_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, events = imported(tmp_path, PLAYBOOKS / "site/site.yml", monkeypatch)
    assert {"event": "imported", "role": "web", "tasks": 20, "carried": 18} in events
    assert [event["task"] for event in events if event["event"] == "left"] == ["Unknown", "Uses the unknown"]
    assert (tmp_path / "roles/web/files/index.html").is_file()
    assert "{%+ if" in (tmp_path / "roles/web/templates/site.conf.j2").read_text()
    for argv in (["check"], ["format", "--check"]):
        subprocess.run(
            [sys.executable, "-m", "ruff", *argv, "--config", SETTINGS, "roles"], cwd=tmp_path, check=True
        )
    # the handlers of both kinds are one step: each would forget what the other has seen
    assert (
        'systemd.service(c, "nginx", enabled=None, reload_on=reload_nginx, restart_on=restart_nginx)' in text
    )
    assert 'files.file(c, "/etc/shop.note", "changed\\n", when=[motd])' in text
    assert "acme.corp.widget" in text and "widget.size" in text
    # in an f-string, a secret would be its mask
    assert 'joined("password=", c.vars["db_password"])' in text


def test_the_role_can_be_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, _ = imported(tmp_path, PLAYBOOKS / "site/site.yml", monkeypatch)
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/hosts.yml").write_text("all: {hosts: {web1: {roles: [web], db_password: x}}}\n")
    result = CliRunner().invoke(cli, ["check"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert re.findall(r"^def (\w+)", text, re.MULTILINE) == ["web", "tasks"]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("apt: name=nginx,curl state=latest", 'apt.packages(c, ["nginx", "curl"], latest=True)'),
        ("apt: {name: [a, b], state: absent, purge: yes}", 'apt.no_packages(c, ["a", "b"], purge=True)'),
        ("file: path=/x state=link src=/y", 'files.link(c, "/x", "/y")'),
        (
            "command: /bin/make all chdir=/src creates=/src/out",
            '["/bin/make", "all"], creates="/src/out", cwd="/src"',
        ),
        ("shell: 'a | b'\n  become_user: ann", '["sh", "-c", "a | b"], user="ann", reason='),
        (
            "user: {name: ann, groups: [x], append: true, uid: '1001'}",
            'users.user(c, "ann", uid=1001, groups=["x"])',
        ),
        ("user: {name: ann, groups: x}", 'users.user(c, "ann", groups=["x"], exact_groups=True)'),
        (
            "cron: {name: clean up, minute: 5, job: 'x > /dev/null'}",
            'cron.job(c, "clean-up", "5 * * * *", ["sh", "-c", ',
        ),
        (
            "sysctl: name=vm.swappiness value=10",
            'kernel.sysctl(c, "60-vm-swappiness", {"vm.swappiness": "10"})',
        ),
        ("service: {name: x, enabled: false}", 'systemd.service(c, "x", running=None, enabled=False)'),
        ("ufw: {rule: allow, port: 80, proto: tcp}", 'ufw.ufw(c, ["80"])'),
        ("postgresql_db: {name: shop, owner: ann}", 'postgres.database(c, "shop", owner="ann")'),
        ("lineinfile: {path: /x, regexp: ^a, state: absent}", 'text.line(c, "/x", "", match="^a")'),
        ("pip: {name: [django], virtualenv: /v}", 'python.venv(c, "/v", packages=["django"])'),
        ("hostname: name={{ inventory_hostname }}", "system.hostname(c, c.name)"),
        ("hostname: name={{ a | default('x') }}", 'system.hostname(c, c.vars.get("a", "x"))'),
        ("hostname: {name: x}\n  when: a is defined and a", 'if c.vars.get("a"):'),
        (
            "hostname: {name: x}\n  when: ansible_distribution in ['Debian', 'Ubuntu']",
            'c.facts.distribution in ["debian", "ubuntu"]',
        ),
        (
            "hostname: {name: '{{ item.key }}'}\n  with_dict: '{{ d }}'",
            'for key, value in c.vars["d"].items()',
        ),
    ],
)
def test_modules_and_expressions(
    task: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert expected in re.sub(r"\s*\n\s*", " ", written(tmp_path, f"- {task}", monkeypatch)).replace(
        "( c", "(c"
    )


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ("unarchive: {src: x.tgz, dest: /x}", "needs the archive's sha256"),
        ("pip: {name: django}", "PEP 668"),
        ("command: uptime\n  delegate_to: localhost", "delegate_to"),
        ("hostname: name={{ hostvars['x'].y }}", "hostvars"),
        ("hostname: name={{ a | json_query('x') }}", "the filter json_query"),
        ("template: {src: gone.j2, dest: /x}", "gone.j2, which was not found"),
        ("copy: {src: /etc/passwd, dest: /x}", "which was not found in the project"),
        ("file: {path: /x, mode: g+w, state: directory}", "depends on the one before"),
    ],
)
def test_what_has_no_counterpart_is_a_comment(
    task: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = written(tmp_path, f"- {task}", monkeypatch)
    assert "# Not carried over (" in text and why in text.replace("\n    #     ", " ")
    assert f"#   - {task.splitlines()[0]}" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b\n", "expected a playbook"),
        ("- a\n", "expected a play"),
        ("- tasks: x\n  hosts: a\n", "expected a list of tasks"),
    ],
)
def test_other_files_are_refused(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("site.yml").write_text(text)
    result = CliRunner().invoke(cli, ["import", "site.yml"])
    assert isinstance(result.exception, ProvError) and message in str(result.exception)
    assert "site.yml" in str(result.exception)


def test_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "roles/site").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["import", str(PLAYBOOKS / "site/site.yml")])
    assert "already exists" in str(result.exception)


def test_joined_text_is_a_secret_if_a_part_is() -> None:
    found = joined("a=", Secret("s3cret"), 5)
    assert isinstance(found, Secret) and found.reveal() == "a=s3cret5"
    assert joined(1, "b", sep="-") == "1-b"


@pytest.mark.parametrize("name", ["changed_when", "failed_when", "ignore_errors", "become"])
def test_conditions_may_be_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    tasks = f"- command: /bin/update\n  register: done\n  {name}:\n    - done.rc == 2"
    assert "/bin/update" in written(tmp_path, tasks, monkeypatch)


def test_a_handler_may_reboot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play = """
        - hosts: all
          tasks:
            - copy: {content: x, dest: /etc/x}
              notify: again
          handlers:
            - name: again
              reboot:
    """
    (tmp_path / "site.yml").write_text(dedent(play))
    text, _ = imported(tmp_path, tmp_path / "site.yml", monkeypatch)
    assert "reboot.reboot(c, reason=" in text and "when=again" in text


def test_what_an_imported_playbook_names_is_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "site.yml": "- import_playbook: web/main.yml\n",
        "web/main.yml": "- hosts: web\n  vars_files: [vars.yml]\n  roles: [near, far, a.b.packed]\n",
        "web/vars.yml": "greeting: hello\n",
        "web/roles/near/tasks/main.yml": "- copy: {content: '{{ greeting }}', dest: /etc/near}\n",
        "shared/far/tasks/main.yml": "- copy: {content: x, dest: /etc/far}\n",
        "collections/ansible_collections/a/b/roles/packed/tasks/main.yml": "- copy: {content: x, dest: /etc/b}\n",
        "ansible.cfg": "[defaults]\nroles_path = shared:/nowhere\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    text, events = imported(tmp_path, Path("site.yml"), monkeypatch)
    assert [each for each in events if each["event"] == "left"] == []
    assert all(f'"/etc/{name}"' in text for name in ("near", "far", "b"))


WORDS = [
    "a",
    "word ",
    " for x in y",
    " if x",
    ",",
    "'",
    '"',
    "\\",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ":",
    "#",
    "\n",
]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=30).map("".join)
CODE = st.recursive(
    st.one_of(TEXTS.map(quoted), st.sampled_from(["c.vars", "None", "name"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda parts: f"[{', '.join(parts)}]"),
        st.lists(inner, max_size=4).map(lambda parts: f"joined({', '.join(parts)})"),
        st.tuples(inner, inner).map(lambda pair: f"[{pair[0]} for each in {pair[1]} if each]"),
        st.tuples(TEXTS.map(quoted), inner).map(lambda pair: f"{{{pair[0]}: {pair[1]}}}"),
    ),
    max_leaves=12,
)


@given(CODE)
def test_statements_mean_the_same_in_several_lines(code: str) -> None:
    try:
        whole = ast.dump(ast.parse(f"files.file(c, {code})"))
    except SyntaxError:
        reject()
    lines = laid_out(f"files.file(c, {code})", 4)
    assert ast.dump(ast.parse(dedent("\n".join(lines)))) == whole
