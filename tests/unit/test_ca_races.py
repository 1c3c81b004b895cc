"""Processes that make or use one private authority at the same moment, or die while they make it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from provision.apps import authority as authorities
from provision.apps import certificate_files as ca
from provision.apps.authority import Authority
from provision.errors import ProvError
from provision.locks import locked

TOGETHER = multiprocessing.get_context("fork")
ROUNDS, PROCESSES = 15, 4


def fits(authority: Authority) -> bool:
    """Whether the key is the one of the certificate."""
    return ca.key_of(authority).public_key() == ca.certificate_of(authority).public_key()


def request() -> bytes:
    """What a host sends."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.test")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def deploy(folder: Path, ready: Barrier, told: Path) -> None:
    """What each of several first deploys does."""
    authority = Authority(folder)
    ready.wait(20)
    authority.make()
    told.write_text(authority.key_id())


def at_once(folder: Path, told: Path) -> set[str]:
    """Several first deploys; returns the key ids that they saw."""
    ready = TOGETHER.Barrier(PROCESSES)
    told.mkdir()
    processes = [
        TOGETHER.Process(target=deploy, args=(folder, ready, told / str(number)))
        for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    return {path.read_text() for path in told.iterdir()}


@pytest.mark.trust("8", "ca-race")
def test_first_deploys_at_the_same_moment_make_one_authority(tmp_path: Path) -> None:
    for number in range(ROUNDS):
        folder = tmp_path / f"project{number}/.prov/ca"
        seen = at_once(folder, tmp_path / f"told{number}")
        assert fits(Authority(folder))
        assert seen == {ca.key_id(Authority(folder))}
        assert sorted(path.name for path in folder.iterdir()) == ["ca.crt", "ca.id", "ca.key"]
        assert folder.stat().st_mode & 0o777 == 0o700


def made(folder: Path) -> Authority:
    authority = Authority(folder)
    authority.make()
    return authority


@pytest.mark.trust("8", "ca-killed")
@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_run_that_is_killed_while_it_makes_one_leaves_nothing_in_the_way(
    tmp_path: Path, after: int
) -> None:
    """It dies at each of the moments at which a file is opened or put in place."""
    folder = tmp_path / "ca"

    def dies() -> None:
        calls = 0
        real_open, real_replace = os.open, Path.replace

        def count() -> None:
            nonlocal calls
            calls += 1
            if calls == after:
                os.kill(os.getpid(), signal.SIGKILL)

        def opened(path: Path, flags: int, mode: int = 0o777, **more: int) -> int:
            found = real_open(path, flags, mode, **more)
            if flags & os.O_CREAT:
                count()
            return found

        def replaced(self: Path, target: Path) -> Path:
            found = real_replace(self, target)
            count()
            return found

        os.open = opened  # type: ignore[assignment]
        Path.replace = replaced  # type: ignore[assignment,method-assign]
        Authority(folder).make()

    process = TOGETHER.Process(target=dies)
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    authority = made(folder)
    assert fits(authority)
    authority.sign(request(), ["a.test"], 90)
    assert {path.name for path in folder.iterdir()} == {"ca.key", "ca.crt"}


def test_a_key_without_a_certificate_is_kept(tmp_path: Path) -> None:
    authority = made(tmp_path / "ca")
    key, before = authority.key_path.read_bytes(), authority.key_id()
    authority.certificate_path.unlink()
    authority.make()
    assert authority.key_path.read_bytes() == key
    assert authority.key_id() == before, "what it has signed stays good"


@pytest.mark.trust("8", "ca-mismatch")
def test_a_key_that_is_not_the_certificates_is_said(tmp_path: Path) -> None:
    authority, other = made(tmp_path / "ca"), made(tmp_path / "other")
    authority.key_id()
    shutil.copy(other.key_path, authority.key_path)
    for use in (authority.key_id, lambda: authority.sign(request(), ["a.test"], 90)):
        with pytest.raises(ProvError, match="not the key of") as raised:
            use()
        assert raised.value.where == str(authority.folder)
        assert "Restore both from one backup" in raised.value.hint


def test_an_authority_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    authority, other = made(tmp_path / "ca"), made(tmp_path / "other")
    assert authority.key_id() != other.key_id()
    for name in ("ca.key", "ca.crt"):
        shutil.copy(other.folder / name, authority.folder / name)
    assert authority.key_id() == other.key_id()


@pytest.mark.parametrize("text", ["", "0badc0de", "0badc0de 0badc0de\n", "a b c", "\xff"])
def test_an_identifier_that_is_damaged_or_older_is_made_again(tmp_path: Path, text: str) -> None:
    authority = made(tmp_path / "ca")
    before = authority.key_id()
    (authority.folder / "ca.id").write_text(text, encoding="latin-1")
    assert authority.key_id() == before


def test_who_may_only_read_learns_the_identifier(tmp_path: Path) -> None:
    authority = made(tmp_path / "ca")
    (authority.folder / "ca.id").mkdir()  # nothing can be written there
    assert authority.key_id() == ca.key_id(authority)
    assert sorted(path.name for path in authority.folder.iterdir()) == ["ca.crt", "ca.id", "ca.key"]


def test_another_process_that_never_ends_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorities, "_WAIT_SECONDS", 0.1)
    with locked(tmp_path / "ca"), pytest.raises(ProvError, match="has held the lock of") as raised:
        Authority(tmp_path / "ca").make()
    assert "run again" in raised.value.hint


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ProvError, match="cannot be written: Not a directory") as raised:
        Authority(tmp_path / "file/ca").make()
    assert raised.value.where == str(tmp_path / "file/ca")
