"""The lab's state, its command line's errors, and what it asks of the machine; no host is booted."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from provision import lab as labs
from provision.commands.lab import lab as command
from provision.errors import LabError, ProvError, UsageError
from provision.lab import cgroup, images, machine, openssh, programs_run, store
from provision.lab.lab_host import HostRecord, LabHost
from provision.locks import locked

WEB1 = HostRecord(
    "web1", "192.0.2.11", "debian-12", "sudo-password", True, ("debian-12-r1",), "ssh-ed25519 AAAA"
)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> store.Lab:
    monkeypatch.setenv("PROV_LAB_DIR", str(tmp_path / "lab"))
    return store.current()


def keep(lab: store.Lab, record: HostRecord) -> None:
    lab.host(record.name).path.mkdir(parents=True)
    store.write_record(lab, record)


def fails(*arguments: str) -> ProvError:
    with pytest.raises(ProvError) as caught:
        CliRunner().invoke(command, arguments, catch_exceptions=False)
    return caught.value


def test_finding_a_host_is_cheap() -> None:
    code = (
        "import sys, provision.lab; provision.lab.find('web1'); "
        "print([m for m in ('subprocess', 'paramiko', 'click', 'provision.lab.nspawn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_host_is_found_with_all_that_a_login_takes(lab: store.Lab) -> None:
    keep(lab, WEB1)
    lab.host("web1").password.write_text("s3cret\n")
    found = labs.find("web1")
    assert found
    assert (found.address, found.user, found.port, found.state) == ("192.0.2.11", "admin", 22, "stopped")
    assert (found.key, found.known_hosts) == (lab.key, lab.known_hosts)
    assert found.password == "s3cret"
    assert "s3cret" not in repr(found)
    assert labs.hosts() == [found]


@pytest.mark.parametrize(
    "name", ["", "web9", "../hosts/web1", "web1.example.com", "WEB1", "a" * 64, "web1\n", "-"]
)
def test_other_names_are_not_found(lab: store.Lab, name: str) -> None:
    keep(lab, WEB1)
    assert labs.find(name) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"name": "web1"}', '{"colour": "red", "layers": []}', "\xff"]
)
def test_a_damaged_record_is_as_good_as_none(lab: store.Lab, text: str) -> None:
    lab.host("web1").path.mkdir(parents=True)
    lab.host("web1").record.write_text(text, encoding="latin-1")
    assert labs.find("web1") is None
    assert labs.hosts() == []
    assert lab.names() == ["web1"], "but down finds it"


def test_tags_fit_an_interface_name_and_differ() -> None:
    tags = {store.Lab(Path(path)).tag for path in ("/var/lib/prov-lab", "/srv/a", "/srv/b")}
    assert len(tags) == 3
    assert all(len(f"{tag}-254") <= 15 for tag in tags)


def test_a_folder_that_mount_options_cannot_carry_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROV_LAB_DIR", "/srv/a,b")
    with pytest.raises(LabError, match="PROV_LAB_DIR"):
        labs.hosts()


def test_one_process_at_a_time_holds_a_lock_also_over_a_removal(tmp_path: Path) -> None:
    folder = tmp_path / "lock"
    waited = threading.Event()
    inside: list[int] = []

    def second() -> None:
        with locked(folder, waiting=waited.set):
            inside.append(folder.stat().st_ino)

    with locked(folder) as held:
        assert held
        with locked(folder, wait=False) as again:
            assert not again
        thread = threading.Thread(target=second)
        thread.start()
        assert waited.wait(5)
        assert inside == []
        folder.rmdir()
    thread.join(5)
    assert len(inside) == 1
    assert folder.is_dir(), "the second one made it again, and holds the lock of that"


def test_not_being_root_is_said_with_the_way_out(lab: store.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for arguments in (["up", "web1"], ["down", "--all"], ["up", "web1", "--install"]):
        error = fails(*arguments)
        assert "root" in error.message
        assert "sudo" in error.hint
    assert not lab.path.exists()


def test_all_missing_packages_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(
        programs_run, "NEEDS", {"no-such-a": "alpha", "no-such-b": "alpha", "/no/such": "beta", "sh": "dash"}
    )
    error = fails("up", "web1")
    assert error.message == "the lab needs alpha, beta"
    assert "apt-get install -y alpha beta" in error.hint


def test_install_without_apt_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(programs_run, "NEEDS", {"/no/such": "beta"})
    monkeypatch.setattr(programs_run, "PATH", "/nonexistent")
    assert "beta" in fails("up", "web1", "--install").message


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["up", "Web1"], "'Web1'"),
        (["up", "web1."], "'web1.'"),
        (["up", "-", "--image", "debian-12"], "'-'"),
        (["up", "localhost"], "localhost"),
        (["up", "web1", "--image", "debian-14"], "Did you mean 'debian-13'?"),
        (["up", "web1", "--login", "sudo-pasword"], "Did you mean 'sudo-password'?"),
        (["down"], "--all"),
        (["down", "web1", "--all"], "--all"),
        (["down", "web1", "--images"], "--all"),
        (["down", "web"], "Did you mean 'web1'?"),
        (["ssh", "web"], "Did you mean 'web1'?"),
    ],
)
def test_bad_usage(lab: store.Lab, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    keep(lab, WEB1)
    error = fails(*arguments)
    assert isinstance(error, UsageError)
    assert says in str(error)
    assert error.hint


def test_a_misspelt_subcommand_gets_the_nearest() -> None:
    result = CliRunner().invoke(command, ["lst"])
    assert result.exit_code == 2
    assert "Did you mean 'list'?" in result.output


@pytest.mark.parametrize("name", ["up", "down", "list", "ssh"])
def test_every_help_has_an_example(name: str) -> None:
    assert "Example:  prov lab" in CliRunner().invoke(command, [name, "--help"]).output


def test_a_stopped_host_has_no_shell(lab: store.Lab) -> None:
    keep(lab, WEB1)
    error = fails("ssh", "web1")
    assert error.message == "web1 is stopped"
    assert error.hint == "prov lab up web1"


def test_ssh_hands_words_over_as_they_are() -> None:
    host = LabHost(
        *("web1", "192.0.2.11", "debian-12", "running", "root", "root", 22, Path("/k"), Path("/kh"), "nspawn")
    )
    assert openssh.argv(host, ["ls", "a b", "*"])[-2:] == ["--", "ls 'a b' '*'"]
    assert openssh.argv(host)[-1] == "root@192.0.2.11"
    assert "-oStrictHostKeyChecking=yes" in openssh.argv(host)


def test_a_command_that_fails_is_quoted() -> None:
    with pytest.raises(LabError, match="status 3: out of luck"):
        programs_run.run(["sh", "-c", "echo out of luck >&2; exit 3"])
    with pytest.raises(LabError, match="not installed"):
        programs_run.run(["no-such-program"])
    with pytest.raises(LabError, match="did not end within"):
        programs_run.run(["sleep", "5"], timeout=0.1)


def test_too_little_room_for_an_image_is_said_before_it_is_built(
    lab: store.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "ROOM_MB", 2**40)
    with pytest.raises(LabError, match="MB free") as caught:
        images.ensure(lab, "debian-12", False, lambda _line: None)
    assert "PROV_LAB_DIR" in caught.value.hint
    assert list(lab.images.iterdir()) == []


def test_a_full_disk_is_recognised_in_what_the_build_says() -> None:
    error = images._failure("debian-12", "mmdebstrap", 1, ["E: tar: write: No space left on device"])
    assert error.message.startswith("the disk is full")
    assert "status 7" in images._failure("debian-12", "mmdebstrap", 7, ["E: 404"]).message


def test_the_console_is_shown_without_its_colours(tmp_path: Path) -> None:
    console = tmp_path / "console.log"
    console.write_bytes(b"\x1b[0;32m  OK  \x1b[0m Started \x1b[0;1;39msshd\x1b[0m\r\n\n\x1b]0;x\x07last\r\n")
    assert machine.console_tail(console) == "  OK   Started sshd\nlast"
    assert machine.console_tail(tmp_path / "absent") == ""


@pytest.mark.parametrize(("allowed", "hinted"), [(2, True), (3, False)])
def test_a_host_that_hangs_for_want_of_inotify_is_told_so(tmp_path: Path, allowed: int, hinted: bool) -> None:
    (tmp_path / "sys/fs/inotify").mkdir(parents=True)
    (tmp_path / "sys/fs/inotify/max_user_instances").write_text(f"{allowed}\n")
    for process in ("1", "20"):
        (tmp_path / process / "fd").mkdir(parents=True)
        (tmp_path / process / "fd/5").symlink_to("anon_inode:inotify")
        (tmp_path / process / "fd/6").symlink_to("/dev/null")
    assert machine._inotify_is_used_up(tmp_path) is hinted


def test_groups_that_are_not_there_hold_no_process(tmp_path: Path) -> None:
    assert not cgroup.populated(tmp_path / "none")
    cgroup.end(tmp_path / "none", remove=True)
