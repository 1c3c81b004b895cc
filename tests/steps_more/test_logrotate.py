"""Rotations beside those that other files of logrotate's have, as logrotate itself reads them."""

from __future__ import annotations

import shutil

import pytest
from steps_bench import Bench

from provision.steps.logrotate import NoRotation, Rotation


@pytest.fixture
def host(bench: Bench) -> Bench:
    """A host with a package's file, one that logrotate passes over, and one in the main file."""
    assert shutil.which("logrotate"), "sh tests/install logrotate"
    logs = bench.folder / "logs"
    logs.mkdir()
    for name in ("one.log", "two.log"):
        (logs / name).write_text("x")
    bench.over("/etc")
    folder = bench.root / "etc/logrotate.d"
    folder.mkdir()
    main = f"weekly\n{logs}/main.log {{\n  daily\n}}\ninclude /etc/logrotate.d\n"
    (bench.root / "etc/logrotate.conf").write_text(main)
    (folder / "package").write_text(f"{logs}/one.log\n{logs}/gone.log\n{{\n  weekly\n  missingok\n}}\n")
    (folder / "package.dpkg-old").write_text(f"{logs}/two.log {{\n  weekly\n}}\n")
    return bench


@pytest.mark.parametrize("name", ["a", "z"])
@pytest.mark.parametrize("log", ["one.log", "gone.log", "*.log", "main.log"])
def test_a_log_of_another_file_is_refused_with_that_files_name(host: Bench, name: str, log: str) -> None:
    where = "/etc/logrotate.conf" if log == "main.log" else "/etc/logrotate.d/package"
    failed = host.fails(Rotation(name, f"{host.folder}/logs/{log}"), f"{where} has {host.folder}/logs/")
    assert failed.error is not None and "take the log out of the other one" in failed.error.hint.lower()
    assert not (host.root / f"etc/logrotate.d/{name}").exists()


def test_a_log_that_two_patterns_match_is_refused_in_the_plan_too(host: Bench) -> None:
    logs = f"{host.folder}/logs"
    host.fails(Rotation("mine", [f"{logs}/two*.log", f"{logs}/two.log"]), "paths name a log twice")


def test_a_duplicate_that_comes_later_is_no_more_ok(host: Bench) -> None:
    step = Rotation("mine", f"{host.folder}/logs/two.log")
    host.cycle(step)
    shutil.copy(host.root / "etc/logrotate.d/package.dpkg-old", host.root / "etc/logrotate.d/two")
    host.fails(step, f"/etc/logrotate.d/two has {host.folder}/logs/two.log")


def test_a_plan_sees_what_comes_and_goes_before(host: Bench) -> None:
    log = f"{host.folder}/logs/two.log"
    first, other = Rotation("first", log), Rotation("other", [f"{host.folder}/logs/new.log", log])
    for plan in (True, False):
        done, failed = host.run(first, other, plan=plan)
        assert done.state == "changed", done.error
        assert failed.error is not None and f"/etc/logrotate.d/first has {log}" in failed.error.message
    for plan in (True, False):
        steps = host.run(NoRotation("first"), other, other, plan=plan)
        assert [o.state for o in steps] == ["changed", "changed", "ok"], [o.error for o in steps]
