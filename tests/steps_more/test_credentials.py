"""Credentials: encrypted with the host's key, compared by decrypting; and those that a command sees in memory."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from steps_bench import Bench, refuses

from provision.secrets import Secret
from provision.steps.command import Command
from provision.steps.credentials import HOST_KEY, Credential
from provision.steps.files import Directory

#: lines, and what ends them, as they are
CANARY = "c4n4ry\r\nof the shop\n\n"
READ = 'sha256sum <"$CREDENTIALS_DIRECTORY/KEY"; ls -ld "$CREDENTIALS_DIRECTORY" "$CREDENTIALS_DIRECTORY/KEY"; id -un'


@pytest.fixture
def keyed(bench: Bench) -> Bench:
    """A bench whose host keeps its key below the bench's root, not this machine's."""
    bench.over("/var/lib/systemd")
    return bench


def step(bench: Bench, text: str = CANARY, name: str = "KEY") -> Credential:
    return Credential(f"{bench.root}/{name}.cred", name, Secret(text))


def replace_key(bench: Bench) -> None:
    """Remove the host's key, as someone does who has systemd make another one."""
    at = bench.root / HOST_KEY.strip("/")
    at.chmod(0o600)
    at.unlink()


def test_it_is_encrypted_compared_and_changed(keyed: Bench) -> None:
    real = keyed.cycle(step(keyed))
    assert [change.what for change in real.diff] == ["new host key", "credential", "mode", "owner", "group"]
    file = keyed.root / "KEY.cred"
    blob = file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600 and b"c4n4ry" not in blob
    assert "c4n4ry" not in repr(real)
    # the host has its key
    assert [change.what for change in keyed.cycle(step(keyed, "another")).diff] == ["credential"]
    # the text alone decides: an encryption of the former text is another file
    keyed.cycle(step(keyed))
    assert file.read_bytes() != blob


def test_an_empty_secret_and_one_of_many_bytes(keyed: Bench) -> None:
    keyed.cycle(step(keyed, ""))
    keyed.cycle(step(keyed, "ü" * 409600))


def test_only_a_mode_is_mended_without_encrypting(keyed: Bench) -> None:
    keyed.cycle(step(keyed))
    file = keyed.root / "KEY.cred"
    blob = file.read_bytes()
    file.chmod(0o644)
    assert [change.what for change in keyed.cycle(step(keyed)).diff] == ["mode"]
    assert file.read_bytes() == blob


def test_another_key_of_the_host_is_noticed_and_mended(keyed: Bench) -> None:
    keyed.cycle(step(keyed))
    replace_key(keyed)
    lost = keyed.cycle(step(keyed)).diff
    assert lost[0].what == "new host key"
    assert "this host's key does not open it: " in lost[1].before and "again" in lost[1].after
    # and one that exists already
    keyed.run(step(keyed, name="OTHER"))
    blob = (keyed.root / "KEY.cred").read_bytes()
    replace_key(keyed)
    keyed.run(step(keyed, name="OTHER"))
    (replaced,) = keyed.cycle(step(keyed)).diff
    assert "incorrect key" in replaced.before, replaced
    assert (keyed.root / "KEY.cred").read_bytes() != blob


@pytest.mark.parametrize("damage", [b"", b"no credential\n", b"\xff\0"])
def test_a_damaged_file_is_written_again(keyed: Bench, damage: bytes) -> None:
    keyed.cycle(step(keyed))
    (keyed.root / "KEY.cred").write_bytes(damage)
    (change,) = keyed.cycle(step(keyed)).diff
    assert change.before.startswith("this host's key does not open it")


def test_one_of_another_name_is_not_taken(keyed: Bench) -> None:
    """systemd would refuse it when the unit starts."""
    keyed.cycle(step(keyed, name="OTHER"))
    (keyed.root / "OTHER.cred").rename(keyed.root / "KEY.cred")
    (change,) = keyed.cycle(step(keyed)).diff
    assert "does not match" in change.before


def test_several_in_one_run_make_one_key(keyed: Bench) -> None:
    steps = [step(keyed, name=name) for name in ("A", "B")]
    planned, real = keyed.run(*steps, plan=True), keyed.run(*steps)
    assert [each.diff for each in planned] == [each.diff for each in real]
    assert [[c.what for c in each.diff].count("new host key") for each in real] == [1, 0]


def test_a_host_without_the_program_says_what_it_needs(keyed: Bench) -> None:
    keyed.run(step(keyed))
    keyed.over("/usr/bin")
    keyed.script += "rm -f /usr/bin/systemd-creds && "
    for each in (step(keyed), step(keyed, name="NEW")):
        error = keyed.fails(each, "the host has no systemd-creds").error
        assert error and "systemd 250" in error.hint


def test_what_makes_no_sense_is_refused() -> None:
    refuses(Credential("/a", "a/b", Secret("x")), "name must be")
    refuses(Credential("/a", "..", Secret("x")), "name must be")
    refuses(Credential("/a", "a", "x"), "must be a Secret")  # type: ignore[arg-type]
    refuses(Credential("/a", "a", Secret("ü" * 409601)), "of more than 819200 bytes")
    refuses(Credential("/a", "a", Secret("x"), as_user="nobody"), "only root")
    refuses(Command(["true"], reason="x", credentials={"a/b": Secret("x")}), "not the name")
    refuses(Command(["true"], reason="x", credentials={"a": "x"}), "must be a Secret")  # type: ignore[dict-item]


def reachable(folder: Path) -> None:
    """Let every user pass through the folders above, as through /var/lib."""
    for each in (folder, *folder.parents[:-2]):
        each.chmod(each.stat().st_mode | 0o011)


def command(user: str = "", **options: object) -> Command:
    given = {"credentials": {"KEY": Secret(CANARY), "OTHER": Secret("b")}, "reason": "a test", **options}
    return Command(["sh", "-c", READ], user=user, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("user", ["", "nobody"])
def test_a_command_finds_its_credentials_in_memory(bench: Bench, user: str) -> None:
    reachable(bench.folder)
    bench.run(Directory(f"{bench.root}/x"))
    (real,) = bench.run(command(user))
    assert real.error is None, real.error
    digest, folder, file, who = real.stdout.splitlines()
    assert digest.split()[0] == hashlib.sha256(CANARY.encode()).hexdigest()
    assert folder.startswith("dr-x------") and file.startswith("-r--------") and who == (user or "root")
    assert folder.split()[2] == (user or "root")
    # nothing is left, and nothing was there for others
    assert not (bench.folder / "ledger/credentials").exists()
    assert not any(b"c4n4ry" in p.read_bytes() for p in bench.folder.rglob("*") if p.is_file())


def test_a_command_that_acts_as_a_user_gets_them_too(bench: Bench) -> None:
    reachable(bench.folder)
    bench.run(Directory(f"{bench.root}/x"))
    (real,) = bench.run(command(as_user="nobody"))
    assert (
        real.error is None
        and hashlib.sha256(CANARY.encode()).hexdigest() in real.stdout
        and real.stdout.endswith("nobody\n")
    )


def test_questions_of_a_plan_get_them_too(bench: Bench) -> None:
    """And write nothing."""
    reachable(bench.folder)
    bench.run(Directory(f"{bench.root}/x"))
    question = ["sh", "-c", 'test "$(cat "$CREDENTIALS_DIRECTORY/OTHER")" = b']
    for plan in (True, False):
        (asked,) = bench.run(command(unless=question), plan=plan)
        assert asked.state == "ok", asked.error
    assert not (bench.folder / "ledger/credentials").exists()


def test_only_root_can_hand_them_over(bench: Bench) -> None:
    bench.run(Directory(f"{bench.root}/x"))
    bench.argv = ["setpriv", "--bounding-set=-sys_admin", "sh", "-c"]
    (real,) = bench.run(command())
    assert real.error and "sh: not prepared, which needs root" in real.error.stderr
