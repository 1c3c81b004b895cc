"""Users of the host prepare their folders for root: links, second names, records, set-ID bits. With real agents."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from agent_sessions import Agents, private_etc
from raced_steps import KEY, archive
from racing import CANARY, USER, Scene

from provision.controller import bootstrap
from provision.controller.events import UndeclaredFound
from provision.controller.outcome import Outcome, StepFailed
from provision.steps.acl import Acl
from provision.steps.authorized_keys import AuthorizedKeys
from provision.steps.base import Step
from provision.steps.command import Command
from provision.steps.fetch import Unpack
from provision.steps.files import Directory, File
from provision.steps.permissions import Permissions
from provision.steps.prune import Prune
from provision.steps.ssh_keys import KeyPair
from provision.steps.text import Block, IniValue, Line
from provision.steps.undo import Undo
from provision.system import guard, guard_watch

PLAIN = (b"[a]\nb = 1\n", f"{CANARY}\n".encode())


@pytest.fixture
def scene(root: Path) -> Scene:
    found = Scene(root, {"conf": PLAIN, "sub/conf": PLAIN, ".ssh/authorized_keys": PLAIN})
    found.build()
    return found


@pytest.fixture
def wrap(scene: Scene, tmp_path: Path) -> Callable[[str], list[str]]:
    """Has agents see the user's home in the scene."""
    (tmp_path / "upper/etc").mkdir(parents=True)
    lines = Path("/etc/passwd").read_text().splitlines(keepends=True)
    mine = f"{USER}:x:{scene.uid}:{scene.gid}::{scene.way}:/bin/sh\n"
    text = "".join(mine if line.startswith(f"{USER}:") else line for line in lines)
    (tmp_path / "upper/etc/passwd").write_text(text)
    return private_etc(tmp_path / "upper")


def words(outcome: Outcome) -> str:
    """All that a step says."""
    said = "" if outcome.error is None else f"{outcome.error.message}{outcome.error.stderr}"
    return f"{said}{outcome.why}{list(outcome.diff)}{outcome.stdout}"


def refusals(agents: Agents, step: Step, wrap: Callable[[str], list[str]]) -> list[str]:
    """What plan and deploy say when they refuse a step."""
    found = []
    for plan in (True, False):
        with agents.session(plan=plan, wrap=wrap) as session:
            outcome = session.submit(dataclasses.replace(step, ignore_errors="to be seen"))
            assert outcome.state == "failed", (step, outcome.diff)
            assert outcome.error is not None
            assert CANARY not in words(outcome)
            found.append(outcome.error.message)
    return found


def as_user(scene: Scene, script: str) -> None:
    """What the user does, with their rights alone."""
    subprocess.run(
        ["sh", "-c", script], cwd=scene.way, user=scene.uid, group=scene.gid, extra_groups=[], check=True
    )


# -- links


@pytest.mark.trust("4", "authorized-keys-reads-shadow")
@pytest.mark.parametrize(
    "make",
    [
        lambda at: Line(at, "x"),
        lambda at: Block(at, "x"),
        lambda at: IniValue(at, "a", "b", "2"),
        lambda at: File(at, "x", owner=USER),
        lambda at: Directory(at, mode=0o755),
        lambda at: Acl(at, ["u:nobody:r"]),
        lambda at: Permissions(at, owner=USER),
        lambda at: Command(["true"], creates=at),
    ],
    ids=["line", "block", "ini_value", "file", "directory", "acl", "permissions", "command"],
)
def test_plan_and_deploy_refuse_a_link_on_the_way_in_the_same_words(
    make: Callable[[str], Step], agents: Agents, scene: Scene, wrap: Callable[[str], list[str]]
) -> None:
    before = scene.locked()
    as_user(scene, f"rm -r sub; ln -s {scene.vault} sub")
    plan, deploy = refusals(agents, make(f"{scene.way}/sub/only"), wrap)
    assert plan == deploy == f"{scene.way}/sub is a link made by user {scene.uid}; refusing to follow it"
    assert scene.locked() == before


@pytest.mark.trust("4", "roots-link-in-a-users-folder")
def test_a_link_of_roots_that_a_user_can_rename_is_refused(
    agents: Agents, scene: Scene, wrap: Callable[[str], list[str]]
) -> None:
    """Root has linked one folder; the user gives that link the name of another one."""
    (scene.way / "data").symlink_to(scene.vault)
    as_user(scene, "rm -r sub; mv data sub")
    plan, deploy = refusals(agents, File(f"{scene.way}/sub/only", "new"), wrap)
    assert plan == deploy
    assert "is a link in a folder that other users can change" in plan


def test_links_that_root_made_where_only_root_can_are_followed(agents: Agents, root: Path) -> None:
    (root / "available").mkdir()
    (root / "enabled").mkdir()
    (root / "available/site").write_text("old\n")
    (root / "enabled/site").symlink_to("../available/site")
    with agents.session() as session:
        assert session.submit(Line(f"{root}/enabled/site", "new")).changed
    assert (root / "available/site").read_text() == "old\nnew\n"
    assert (root / "enabled/site").is_symlink()


# -- second names, and files that only root may read


@pytest.mark.trust("4", "hard-link-to-roots-file")
@pytest.mark.parametrize(
    "make",
    [
        lambda at: Line(at, "x"),
        lambda at: File(at, CANARY, mode=0o644),
        lambda at: File(at, CANARY, owner=USER),
        lambda at: Permissions(at.rpartition("/")[0], owner=USER),
    ],
    ids=["line", "mode", "owner", "permissions"],
)
def test_a_second_name_of_roots_file_is_refused(
    make: Callable[[str], Step], agents: Agents, scene: Scene, wrap: Callable[[str], list[str]]
) -> None:
    """Where fs.protected_hardlinks is off a user can make one; here root does it for them."""
    (scene.way / "sub/conf").unlink()
    os.link(scene.vault / "only", scene.way / "sub/conf")
    before = scene.locked()
    with agents.session(wrap=wrap) as session:
        outcome = session.submit(dataclasses.replace(make(f"{scene.way}/sub/conf"), ignore_errors="seen"))
        assert outcome.state == "failed"
        assert "has another name elsewhere" in words(outcome)
    assert scene.locked() == before


@pytest.mark.trust("4", "authorized-keys-reads-shadow")
@pytest.mark.parametrize(
    "make",
    [
        lambda way: AuthorizedKeys(USER, [KEY]),
        lambda way: Block(f"{way}/.ssh/authorized_keys", "x", owner=USER),
        lambda way: Line(f"{way}/.ssh/authorized_keys", "x", mode=0o644),
    ],
    ids=["authorized_keys", "owner", "mode"],
)
def test_an_edit_hands_nothing_over_that_its_owner_alone_may_read(
    make: Callable[[Path], Step], agents: Agents, scene: Scene, wrap: Callable[[str], list[str]]
) -> None:
    """Root keeps something in a folder of the user's, who gives it the name of a file of theirs."""
    shutil.copy(scene.vault / "only", scene.way / "roots")
    (scene.way / "roots").chmod(0o600)
    as_user(scene, "mv -f roots .ssh/authorized_keys")
    plan, deploy = refusals(agents, make(scene.way), wrap)
    assert plan == deploy
    assert "refusing to pass on what is in it" in plan
    assert scene.won() == []


@pytest.mark.trust("4", "key-pair-tells-shadow")
@pytest.mark.parametrize("public", ["link", "text"])
def test_a_public_key_is_a_public_key_or_is_not_shown(
    public: str, agents: Agents, scene: Scene, wrap: Callable[[str], list[str]]
) -> None:
    as_user(scene, "cd .ssh; ssh-keygen -q -t ed25519 -N '' -f id_ed25519; chmod 644 id_ed25519; rm *.pub")
    if public == "link":
        as_user(scene, f"ln -s {scene.vault}/only .ssh/id_ed25519.pub")
    else:
        (scene.way / ".ssh/id_ed25519.pub").write_text(CANARY)
    for plan in (True, False):
        with agents.session(plan=plan, wrap=wrap) as session:
            outcome = session.submit(KeyPair(USER, ignore_errors="to be seen"))
            assert CANARY not in words(outcome)
            assert outcome.state == ("failed" if public == "link" else "changed"), words(outcome)
    assert scene.won() == []


# -- set-ID bits


@pytest.mark.trust("4", "set-user-id-of-a-users-program")
def test_a_users_program_does_not_become_roots(agents: Agents, scene: Scene) -> None:
    as_user(scene, "cp /bin/true sub/tool; chmod 6755 sub/tool; cp /bin/true edited; chmod 6755 edited")
    with agents.session() as session:
        assert session.submit(Permissions(f"{scene.way}/sub", owner="root", group="root")).changed
        assert session.submit(Block(f"{scene.way}/edited", "x", owner="root")).changed
    for name in ("sub/tool", "edited"):
        st = (scene.way / name).stat()
        assert (st.st_uid, st.st_mode & 0o7777) == (0, 0o755)


# -- records


@pytest.mark.trust("4", "unpack-stamp-deletes-anything")
@pytest.mark.parametrize("named", ["../../vault", "/etc", "sub/../../../vault"])
def test_what_a_user_says_was_unpacked_is_not_removed(
    named: str, agents: Agents, scene: Scene, tmp_path: Path
) -> None:
    before, to = scene.locked(), f"{scene.way}/sub"
    for data in (b"one", b"two"):
        path, digest = archive(tmp_path, {"tool/run": data})
        with agents.session() as session:
            assert session.submit(Unpack(path, to, digest, owner=USER)).changed
        assert not list(Path(to).glob(".prov-*")), "nothing is remembered where the user can write"
        record = json.dumps({"sha256": digest, "strip": 0, "members": ["tool/run", named]})
        (scene.way / "sub/.prov-archive.json").write_text(record)
        os.chown(scene.way / "sub/.prov-archive.json", scene.uid, scene.gid)
    assert scene.locked() == before
    assert (scene.way / "conf").exists()


@pytest.mark.trust("4", "record-that-leads-outside")
def test_a_record_of_roots_own_is_judged_as_well(agents: Agents, scene: Scene, tmp_path: Path) -> None:
    before, to = scene.locked(), f"{scene.way}/sub"
    path, digest = archive(tmp_path, {"run": b"one"})
    with agents.session() as session:
        session.submit(Unpack(path, to, digest)).wait()
    (record,) = agents.ledger.glob("remembered-*")
    assert record.stat().st_mode & 0o777 == 0o600
    text = json.loads(record.read_text())
    record.write_text(json.dumps({**text, "members": ["../../vault", "/etc/hostname", 7, ""]}))
    path, digest = archive(tmp_path, {"other": b""})
    with agents.session() as session:
        assert session.submit(Unpack(path, to, digest)).changed
    assert scene.locked() == before
    assert Path("/etc/hostname").exists()


def test_an_undo_takes_back_what_is_remembered(agents: Agents, root: Path, tmp_path: Path) -> None:
    one, two = (Unpack(*place(archive(tmp_path, {name: b""}), root)) for name in ("one", "two"))
    for step in (one, two, Undo()):
        with agents.session() as session:
            assert session.submit(step).changed
    assert [at.name for at in (root / "opt").iterdir()] == ["one"]
    with agents.session() as session:
        assert session.submit(one).state == "ok"
        session.submit(Undo(1)).wait()
    assert list(root.iterdir()) == list(agents.ledger.glob("remembered-*")) == []


def place(made: tuple[str, str], root: Path) -> tuple[str, str, str]:
    """The arguments of an Unpack into a folder below root."""
    return made[0], f"{root}/opt", made[1]


def test_a_former_record_counts_where_only_root_can_write(agents: Agents, root: Path, tmp_path: Path) -> None:
    path, digest = archive(tmp_path, {"run": b"one"})
    (root / "opt").mkdir()
    (root / "opt/run").write_bytes(b"one")
    former = {"sha256": digest, "strip": 0, "members": ["run"]}
    (root / "opt/.prov-archive.json").write_text(json.dumps(former))
    with agents.session() as session:
        assert session.submit(Unpack(path, f"{root}/opt", digest)).state == "ok"
    path, digest = archive(tmp_path, {"walk": b"two"})
    with agents.session() as session:
        assert session.submit(Unpack(path, f"{root}/opt", digest)).changed
    assert [at.name for at in (root / "opt").iterdir()] == ["walk"]


@pytest.mark.trust("4", "link-stops-every-run")
def test_a_link_of_a_user_ends_neither_a_whole_run_nor_a_prune(agents: Agents, scene: Scene) -> None:
    """What prov made is behind it now: it is named, and stays; what else is no longer declared goes."""
    with agents.session() as session:
        session.submit(File(f"{scene.way}/sub/made", "x"))
        session.submit(File(f"{scene.base}/made", "x"))
    before = scene.locked()
    as_user(scene, f"mv sub mine; ln -s {scene.vault} sub")
    with agents.session() as session:
        session.whole = True
    found = [event for event in agents.events if isinstance(event, UndeclaredFound)]
    assert {(event.what.split()[-1], event.stays) for event in found} == {
        (f"{scene.way}/sub/made", True),
        (f"{scene.base}/made", False),
    }
    for plan in (True, False):
        with agents.session(plan=plan) as session:
            outcome = session.submit(Prune())
            assert outcome.changed
            assert f"{scene.way}/sub/made" in outcome.why
    assert not (scene.base / "made").exists()
    assert (scene.way / "mine/made").exists()
    assert scene.locked() == before


# -- commands


@pytest.mark.trust("4", "working-directory")
def test_a_command_begins_nowhere_else(
    agents: Agents, scene: Scene, wrap: Callable[[str], list[str]]
) -> None:
    scene.vault.chmod(0o755)
    (scene.base / "closed").mkdir(mode=0o700)
    scene.vault.rename(scene.base / "closed/open")
    as_user(scene, f"rm -r sub; ln -s {scene.base}/closed/open sub")
    for user in ("", USER):
        with agents.session(wrap=wrap) as session, pytest.raises(StepFailed):
            session.submit(Command(["ls"], cwd=f"{scene.way}/sub", user=user, reason="a test")).wait()


# -- the guard


def test_the_guard_brings_what_its_program_imports() -> None:
    assert bootstrap.needed("provision.system.guard_watch")[:-1] == guard.MODULES


def test_the_guard_leaves_alone_what_is_behind_a_users_link(scene: Scene, tmp_path: Path) -> None:
    """People keep ~/.ssh elsewhere, with a link: a change of their account is guarded all the same."""
    as_user(scene, "mv .ssh dotfiles; ln -s dotfiles .ssh")
    paths = [str(scene.way / name) for name in (".ssh", ".ssh/authorized_keys")]
    files = [guard_watch.look(str(tmp_path), path, str(n)) for n, path in enumerate(paths)]
    assert [each["kind"] for each in files] == ["link", "hidden"]
    guard_watch.save(str(tmp_path), "former.json", {"files": files, "commands": []})
    guard_watch.restore(str(tmp_path))
    assert json.loads((tmp_path / "restored").read_text())["left"] == []
    assert (scene.way / ".ssh/authorized_keys").read_bytes() == PLAIN[0]


@pytest.mark.trust("4", "guard-restores-through-links")
@pytest.mark.parametrize("exchanged", ["link", "directory"])
def test_the_guards_program_gives_nothing_away(exchanged: str, scene: Scene, tmp_path: Path) -> None:
    folder, ssh = tmp_path / "guard", scene.way / ".ssh"
    folder.mkdir(mode=0o700)
    paths = [str(at) for at in (scene.way / "conf", ssh, ssh / "authorized_keys")]
    files = [guard_watch.look(str(folder), path, str(n)) for n, path in enumerate(paths)]
    guard_watch.save(str(folder), "former.json", {"files": files, "commands": []})
    guard_watch.save(str(folder), "armed", {"token": "t", "until": 0})
    (scene.way / "conf").write_text("changed")
    (scene.way / "roots").mkdir(mode=0o700)
    as_user(
        scene, "mv .ssh mine; " + (f"ln -s {scene.vault} .ssh" if exchanged == "link" else "mv roots .ssh")
    )
    before = scene.locked()
    program = guard.write_program(str(folder), bootstrap.source)
    subprocess.run([sys.executable, "-B", program, str(folder)], check=True, env={"PATH": ""})
    assert scene.locked() == before
    assert (scene.way / "conf").read_bytes() == PLAIN[0], "the rest is put back"
    left = json.loads((folder / "restored").read_text())["left"]
    if exchanged == "link":
        assert left == []
        assert not ssh.is_symlink()
        assert (ssh / "authorized_keys").read_bytes() == PLAIN[0]
    else:
        assert left == [f"{ssh} ({ssh} was exchanged for another directory)"]
        assert (ssh.stat().st_uid, ssh.stat().st_mode & 0o777) == (0, 0o700)
