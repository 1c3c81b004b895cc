"""The program of an agent is named by its hash where the host has it, and never believed for its name."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hostile_host import BYE, HELLO, Liar, frames

from provision.controller import agent_program, bootstrap
from provision.controller.agent_program import AgentProgram, packed_program, program_for, remember_program
from provision.controller.bootstrap import AGENT, FIRST_WORDS, LOADER, PLAN, needed, program_text
from provision.controller.login import Login
from provision.controller.run_options import RunOptions
from provision.controller.session import Session
from provision.system.frames import MARKER

HOST = "root@web1"
TEXT = json.dumps({"loader": "print('ran', program['modules'], ledger)", "modules": {"a": None}}).encode()
SAYS = zlib.compress(TEXT)
DIGEST = hashlib.sha256(TEXT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def bootstrapped(folder: Path, said: bytes) -> subprocess.CompletedProcess[bytes]:
    """What the first words do with this input, where programs are kept in that folder."""
    words = FIRST_WORDS.replace("/var/cache/prov/programs", str(folder))
    assert words != FIRST_WORDS
    argv = [sys.executable, "-ISc", words]
    return subprocess.run(argv, input=said, capture_output=True, timeout=30, check=False)


def test_a_program_that_is_sent_runs(tmp_path: Path) -> None:
    done = bootstrapped(tmp_path, b"%d \n/ledger\n" % len(SAYS) + SAYS)
    assert done.stdout == b"ran {'a': None} /ledger\n", done.stderr


def test_a_program_that_was_kept_runs(tmp_path: Path) -> None:
    (tmp_path / DIGEST).write_bytes(SAYS)
    assert bootstrapped(tmp_path, f"0 {DIGEST}\n\n".encode()).stdout == b"ran {'a': None} \n"


@pytest.mark.parametrize("kept", ["nothing", "other", "damaged", "link", "empty", "fifo"])
def test_a_program_that_is_not_the_one_named_does_not_run(tmp_path: Path, kept: str) -> None:
    path = tmp_path / DIGEST
    if kept == "other":
        path.write_bytes(zlib.compress(TEXT.replace(b"ran", b"evil")))
    elif kept == "damaged":
        path.write_bytes(SAYS[:-9])
    elif kept == "link":
        (tmp_path / "elsewhere").write_bytes(SAYS)
        path.symlink_to(tmp_path / "elsewhere")
    elif kept == "empty":
        path.touch()
    elif kept == "fifo":
        subprocess.run(["mkfifo", str(path)], check=True)
    done = bootstrapped(tmp_path, f"0 {DIGEST}\n\n".encode())
    assert (done.stdout, done.stderr) == (b"", b"PROV:lacks\n")


def test_the_host_makes_the_same_text_of_what_it_was_sent(tmp_path: Path) -> None:
    """By the loader, of all modules that have come: those of a project are not in it, as they are judged each time."""
    modules = [*needed(AGENT), "provision.steps.cron"]
    first = program_text(needed(AGENT))
    head, _, _ = LOADER.partition("shipped = Shipped()")
    namespace = {"program": json.loads(first), "json": json, "digest": ""}
    exec(head, namespace)
    namespace["MODULES"] |= {"steps.own": "x = 1", "provision.steps.cron": bootstrap.source(modules[-1])}
    assert namespace["Shipped"]().text() == program_text(modules)


def test_it_is_named_by_its_hash_once_the_host_has_it() -> None:
    first = program_for(HOST, plan=False)
    assert first.modules == needed(AGENT)
    assert first.first_input().startswith(b"%d \n\n" % len(packed_program(first.modules)))
    sent = {*first.modules, *needed(PLAN), "provision.steps.files", "steps.of_a_project"}
    remember_program(HOST, first, sent)

    wanted = sorted(sent - {"steps.of_a_project"})
    for plan in (False, True):
        second = program_for(HOST, plan=plan)
        assert second.first_input() == f"0 {hashlib.sha256(program_text(wanted)).hexdigest()}\n\n".encode()
        assert zlib.decompress(second.whole().first_input().split(b"\n", 2)[2]) == program_text(wanted)

    remember_program(HOST, second, {*second.modules, "provision.steps.cron"})
    third = program_for(HOST, plan=False)
    assert "provision.steps.cron" in third.modules
    assert third.digest not in ("", second.digest)


def test_nothing_is_noted_of_a_host_without_a_name_or_with_a_ledger_of_its_own() -> None:
    remember_program("", AgentProgram(needed(AGENT)), needed(AGENT))
    assert not program_for("", plan=False).digest
    remembered_program(HOST)
    assert program_for(HOST, plan=False).digest
    assert not program_for(HOST, plan=False, ledger="/elsewhere").digest


def test_another_version_of_a_module_is_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / "frames.py"
    own.write_text(bootstrap.source("provision.system.frames"))
    real = bootstrap.file_of
    monkeypatch.setattr(
        agent_program, "file_of", lambda name: str(own) if name == "provision.system.frames" else real(name)
    )
    remembered_program(HOST)
    assert program_for(HOST, plan=False).digest
    own.write_text(own.read_text() + "\n")
    assert not program_for(HOST, plan=False).digest


def test_another_installation_of_prov_has_notes_of_its_own(tmp_path: Path) -> None:
    """By the notes of an older one, it would not send its new modules."""
    package = Path(agent_program.__file__).parents[1]
    other = tmp_path / "other/provision"
    shutil.copytree(package, other, ignore=shutil.ignore_patterns("__pycache__"))
    (other / "steps/support/more.py").write_text("x = 1\n")
    frames_of_other = other / "system/frames.py"
    frames_of_other.write_text(frames_of_other.read_text() + "\nfrom provision.steps.support.more import x\n")
    remembered_program(HOST)
    asked = f"""
from provision.controller.agent_program import program_for
found = program_for({HOST!r}, plan=True)
print(found.digest, "provision.steps.support.more" in found.modules)
"""
    shown = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=other.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert shown.stdout == " True\n"


def remembered_program(host: str) -> AgentProgram:
    """Note that a host has a program; return it."""
    found = AgentProgram(sorted({*needed(AGENT), *needed(PLAN)}))
    remember_program(host, found, found.modules)
    return found


class Forgetful(Liar):
    """A host that has lost the program, and runs what is sent whole."""

    def send(self, data: bytes) -> None:
        super().send(data)
        if b"\n0 " in self.sent:
            self._err, self._says = iter([b"PROV:shell\nPROV:lacks\n"]), iter(())
        else:
            self._err, self._says = iter([b"PROV:shell\n"]), iter([MARKER + frames(HELLO, BYE)])


def test_a_host_that_has_lost_it_gets_it_whole() -> None:
    whole = remembered_program(HOST)
    opened: list[Forgetful] = []

    def open_channel(command: str) -> Forgetful:
        opened.append(Forgetful([], greets=False))
        return opened[-1]

    found = Session("web1", open_channel, Login(host=HOST), RunOptions(who="test"))
    assert found.facts.cpus == 1
    found.finish()
    assert len(opened) == 2
    first, second = (bytes(channel.sent) for channel in opened)
    assert len(first) < 2000 and packed_program(whole.modules) in second
    # what was said to the first one is said to the second one
    start = first.split(b"\n", 3)[3]
    assert start and start in second
