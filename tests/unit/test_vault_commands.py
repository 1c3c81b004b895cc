"""prov vault: what it writes ansible-vault reads, and the other way round; the text reaches no disk."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from vaults import by_ansible, library, password_file

from provision.cli.main import cli
from provision.inventory import load
from provision.vault.given import COMMAND_LINE
from provision.vault.hidden_folder import PREFIX, SHARED_MEMORY, in_memory, place

TEXT = b"word: c4nary-Wort\r\n\xff\x00binary"


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A folder with a password file that the environment names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", password_file(tmp_path))
    monkeypatch.delenv("ANSIBLE_VAULT_IDENTITY_LIST", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)
    yield
    COMMAND_LINE.ids, COMMAND_LINE.files, COMMAND_LINE.ask = [], [], False


def prov(*words: str, given: bytes = b"") -> Result:
    return CliRunner().invoke(cli, ["vault", *words], input=given, catch_exceptions=True)


def done(*words: str, given: bytes = b"") -> bytes:
    result = prov(*words, given=given)
    assert result.exception is None, (result.output, result.exception)
    return result.stdout_bytes


def refused(*words: str) -> str:
    result = prov(*words)
    assert result.exception is not None
    return str(result.exception)


def editor(folder: Path, program: str) -> str:
    """An editor: a Python program that gets the file as sys.argv[1]."""
    (folder / "editor.py").write_text(f"import os, sys\nfile = sys.argv[1]\n{program}\n")
    return f"{sys.executable} {folder}/editor.py"


@pytest.mark.parametrize("text", [TEXT, b"", "grüße 🔑\n".encode()])
def test_files_go_there_and_back(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "f.yml"
    file.write_bytes(text)
    file.chmod(0o640)
    done("encrypt", "f.yml")
    assert library().decrypt(file.read_bytes()) == text and stat.S_IMODE(file.stat().st_mode) == 0o640
    assert done("view", "f.yml") == text
    assert done("decrypt", "f.yml", "--output", "-") == text
    done("decrypt", "f.yml")
    assert file.read_bytes() == text
    file.write_bytes(by_ansible(text, "prod"))
    assert done("view", "f.yml") == text


def test_pipes(tmp_path: Path) -> None:
    sealed = done("encrypt", "-", given=TEXT)
    assert library().decrypt(sealed) == TEXT
    assert done("decrypt", "-", given=sealed) == TEXT == done("view", "-", given=sealed)


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(TEXT)
    (tmp_path / "link").symlink_to("real")
    done("encrypt", "link")
    assert (tmp_path / "link").is_symlink() and library().decrypt((tmp_path / "real").read_bytes()) == TEXT


def test_one_of_several_ids(tmp_path: Path) -> None:
    password_file(tmp_path, "p", "prod")
    (tmp_path / "f").write_bytes(TEXT)
    ids = ("--vault-id", "dev@word", "--vault-id", "prod@prod")
    assert "passwords of several vault ids are given: dev, prod" in refused("encrypt", "f", *ids)
    assert "no vault password with the id 'test'" in refused(
        "encrypt", "f", *ids, "--encrypt-vault-id", "test"
    )
    done("encrypt", "f", *ids, "--encrypt-vault-id", "prod")
    assert (tmp_path / "f").read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert library(prod="p").decrypt((tmp_path / "f").read_bytes()) == TEXT


def test_rekey_opens_all_before_it_writes(tmp_path: Path) -> None:
    new = password_file(tmp_path, "new", "new")
    files = [tmp_path / "a", tmp_path / "b"]
    for file in files:
        file.write_bytes(by_ansible(TEXT))
    (tmp_path / "c").write_bytes(by_ansible(TEXT, password="other"))
    before = files[0].read_bytes()
    assert "is wrong" in refused("rekey", "a", "c", "--new-vault-password-file", new)
    assert files[0].read_bytes() == before
    done("rekey", "a", "b", "--new-vault-id", f"prod@{new}")
    assert [library(prod="new").decrypt(file.read_bytes()) for file in files] == [TEXT, TEXT]


def test_values_for_yaml(tmp_path: Path) -> None:
    said = done("encrypt-string", "c4nary: 'x'", "--name", "word").decode()
    assert said.startswith("word: !vault |\n          $ANSIBLE_VAULT;1.1;AES256\n") and "c4nary" not in said
    text = yaml.compose(said)
    assert isinstance(text, yaml.MappingNode)
    assert library().decrypt(text.value[0][1].value) == b"c4nary: 'x'"
    event = json.loads(done("encrypt-string", "--json", given=TEXT).splitlines()[0])
    assert library().decrypt(event["value"]) == TEXT and event["id"] == "default"


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("a")
    (tmp_path / "sealed").write_bytes(by_ansible("a"))
    assert "plain: is not encrypted" in refused("view", "plain")
    assert "sealed: is encrypted already" in refused("encrypt", "sealed")
    assert "nothing: cannot be read: No such file or directory" in refused("edit", "nothing")
    assert "sealed: already exists" in refused("create", "sealed")
    assert "none/x: its folder does not exist" in refused("create", "none/x")
    assert "takes one file only" in refused("decrypt", "sealed", "plain", "-o", "x")
    assert "cannot be combined" in refused("decrypt", "sealed", "-o", "-", "--json")


def test_json_says_what_was_done(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(TEXT)
    lines = [json.loads(line) for line in done("encrypt", "f", "--json").splitlines()]
    assert lines[0] == {"event": "vault", "file": "f", "id": "default", "did": "encrypted"}
    assert lines[-1]["event"] == "summary"


# -- editing


def test_create_and_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note = tmp_path / "note"
    program = (
        "import json, pathlib\n"
        "p = pathlib.Path(file)\n"
        f"pathlib.Path({str(note)!r}).write_text(json.dumps([str(p), oct(p.stat().st_mode), "
        "oct(p.parent.stat().st_mode), os.environ['TMPDIR']]))\n"
        "p.write_bytes(p.read_bytes() + b'a: 1\\n')"
    )
    monkeypatch.setenv("EDITOR", editor(tmp_path, program))
    done("create", "v.yml")
    file = tmp_path / "v.yml"
    assert library().decrypt(file.read_bytes()) == b"a: 1\n" and stat.S_IMODE(file.stat().st_mode) == 0o600
    name, mode, folder_mode, temporary = json.loads(note.read_text())
    assert Path(name).name == "v.yml" and mode == "0o100600" and folder_mode == "0o40700"
    assert Path(name).parent == Path(temporary) and not Path(temporary).exists()
    assert in_memory(Path(temporary).parent)
    file.write_bytes(by_ansible(b"b: 2\n", "prod"))
    done("edit", "v.yml")
    assert file.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert library().decrypt(file.read_bytes()) == b"b: 2\na: 1\n"


def test_an_unchanged_file_and_a_failed_editor_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "v"
    file.write_bytes(by_ansible(TEXT))
    before = file.read_bytes()
    monkeypatch.setenv("EDITOR", editor(tmp_path, ""))
    assert b"unchanged" in done("edit", "v")
    monkeypatch.setenv("EDITOR", editor(tmp_path, "open(file, 'w').write('x'); sys.exit(3)"))
    assert "ended with status 3; nothing was written" in refused("edit", "v")
    monkeypatch.setenv("EDITOR", editor(tmp_path, "os.remove(file)"))
    assert "has left no file" in refused("edit", "v")
    monkeypatch.setenv("EDITOR", "no-such-editor --wait")
    assert "the editor 'no-such-editor' did not start" in refused("edit", "v")
    changing = f"open(file, 'w').write('x'); open({str(file)!r}, 'ab').write(b'\\n')"
    monkeypatch.setenv("EDITOR", editor(tmp_path, changing))
    assert "has changed while you edited it" in refused("edit", "v")
    assert file.read_bytes() == before + b"\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_killed_edit_leaves_no_text(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "v").write_bytes(by_ansible(TEXT))
    waits = f"open({str(tmp_path / 'started')!r}, 'w').write(file)\nimport time\ntime.sleep(20)"
    program = "from provision.cli.main import entry; entry()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "vault", "edit", "v"],
        env={**os.environ, "EDITOR": editor(tmp_path, waits)},
        start_new_session=True,
    )
    try:
        started = tmp_path / "started"
        wait_for(lambda: started.exists() and started.read_text() != "")
        folder = Path(started.read_text()).parent
        assert folder.name.startswith(PREFIX) and folder.parent == place()
        os.kill(process.pid, number)
        process.wait(timeout=10)
        wait_for(lambda: not folder.exists())
    finally:
        if group_lives(process.pid):
            os.killpg(process.pid, signal.SIGKILL)


def wait_for(true: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something is so. Raises AssertionError if it takes longer."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def group_lives(group: int) -> bool:
    """Return whether a process group has a process: the editor, which the killed prov has left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_folder_in_memory_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_memory(SHARED_MEMORY)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert not in_memory(tmp_path) and place() == SHARED_MEMORY
    monkeypatch.setattr("provision.vault.hidden_folder.SHARED_MEMORY", tmp_path)
    (tmp_path / "v").write_bytes(by_ansible(TEXT))
    assert "no folder in memory" in refused("edit", "v")


def test_a_value_of_encrypt_string_works_in_an_inventory(tmp_path: Path) -> None:
    said = done("encrypt-string", "c4nary", "--name", "word").decode().replace("\n", "\n    ").rstrip()
    (tmp_path / "inv.yml").write_text(f"web:\n  vars:\n    {said}\n  hosts: {{web1: }}\n")
    assert load(["inv.yml"]).hosts["web1"].vars["word"].reveal() == "c4nary"
