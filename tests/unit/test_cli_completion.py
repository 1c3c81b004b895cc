"""Completion in shells: what is offered, and that it is quick."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from inventories import project

INVENTORY = """
    web:
      hosts:
        web1:
        web2:
    db:
      hosts:
        db1:
    """
#: what takes time to import, and nothing of which a completion needs
HEAVY = ("fabric", "paramiko", "invoke", "pydantic", "jinja2", "rich", "cryptography", "subprocess")
#: modules that a completion may import beyond a bare Python's, with room to grow (2026: 190; pydantic alone has 100)
MOST_MODULES = 260
PROBE = f"""
import sys
bare = len(sys.modules)
from provision.cli.main import main
try:
    main()
except SystemExit:
    pass
print("HEAVY", len(sys.modules) - bare, *(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    own = "from provision.role import task\n"
    return project(tmp_path, {"inventory/hosts.yml": INVENTORY, "roles/web_cache/__init__.py": own})


def completed(cwd: Path, *words: str) -> tuple[list[str], list[str]]:
    """What is offered for the last word, and what was counted."""
    env = {
        **os.environ,
        "_PROV_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["prov", *words]),
        "COMP_CWORD": str(len(words)),
    }
    command = [sys.executable, "-c", PROBE.replace("main()", 'sys.argv[0] = "prov"; main()')]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=True)
    offered = [line.split(",", 1)[1] for line in done.stdout.split()]
    return offered, done.stderr.splitlines()[-1].split()[1:]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["depl"], ["deploy"]),
        (["deploy", "web"], ["web1", "web2", "web"]),
        (["deploy", "web1,d"], ["web1,db1", "web1,db"]),
        (["plan", "web,!web1"], ["web,!web1"]),
        (["deploy", "web1", "--li"], ["--list-steps", "--limit"]),
        (["deploy", "web1", "--limit", "db"], ["db1", "db"]),
        (["deploy", "web1", "--role", "web_"], ["web_cache"]),
        (["deploy", "web1", "--start-at", "ng"], ["nginx"]),
        (["roles", "web_"], ["web_cache"]),
        (["ssh", "db"], ["db1", "db"]),
        (["hosts", "db"], ["db1", "db"]),
        (["completion", "f"], ["fish"]),
        (["new", "r"], ["role"]),
    ],
)
def test_what_is_offered(here: Path, words: list[str], offered: list[str]) -> None:
    found, (modules, *heavy) = completed(here, *words)
    assert found == offered
    assert heavy == []
    assert int(modules) < MOST_MODULES


def test_a_broken_inventory_offers_nothing_and_says_nothing(here: Path) -> None:
    (here / "inventory/hosts.yml").write_text("web: [")
    assert completed(here, "deploy", "web")[0] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts(here: Path, shell: str) -> None:
    prov = Path(sys.executable).with_name("prov")
    done = subprocess.run([prov, "completion", shell], cwd=here, capture_output=True, text=True, check=True)
    assert f"_PROV_COMPLETE={shell}_complete" in done.stdout
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=True)
