"""Which transport a host gets, and that -v explains one that the user did not ask for."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from provision.controller.events import Notice
from provision.controller.transport import Target
from provision.controller.transport_choice import transport_to
from provision.report.plain_lines import PlainReport
from provision.report.reporting import Style


@pytest.fixture
def no_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def program(folder: Path, version: str) -> None:
    """An ssh client of that version, as far as `ssh -V` tells."""
    (folder / "ssh").write_text(f"#!/bin/sh\necho '{version}' >&2\n")
    (folder / "ssh").chmod(0o755)


def test_without_a_client_it_is_paramiko_and_says_so(no_client: Path) -> None:
    found = transport_to(Target("192.0.2.1"))
    assert type(found).__name__ == "ParamikoTransport"
    assert "no OpenSSH client of 8.4 or newer was found" in found.instead


@pytest.mark.parametrize("version", ["OpenSSH_8.2p1 Ubuntu-4", "OpenSSH_7.4p1", "Sun_SSH_2.2", ""])
def test_a_client_that_is_too_old_or_another_one_is_none(no_client: Path, version: str) -> None:
    program(no_client, version)
    assert transport_to(Target("192.0.2.1")).instead


@pytest.mark.parametrize("version", ["OpenSSH_8.4p1 Debian-5", "OpenSSH_9.2p1", "OpenSSH_10.0p2 Debian-7"])
def test_with_a_client_there_is_nothing_to_say(no_client: Path, version: str) -> None:
    program(no_client, version)
    found = transport_to(Target("192.0.2.1"))
    assert (type(found).__name__, found.instead) == ("OpenSshTransport", "")


def test_who_asks_for_paramiko_is_told_nothing(no_client: Path) -> None:
    assert transport_to(Target("192.0.2.1", paramiko=True)).instead == ""


@pytest.mark.parametrize("verbose", [False, True])
def test_details_are_told_with_v_only(verbose: bool) -> None:
    out = io.StringIO()
    PlainReport(out, Style(verbose=verbose)).take(Notice("web1", "logs in with paramiko", detail=True))
    assert out.getvalue() == ("web1: logs in with paramiko\n" if verbose else "")
