"""Jobs of cron, in an /etc of the agent's own."""

from __future__ import annotations

import pytest
from steps_bench import Bench, refuses

from provision.secrets import Secret
from provision.steps.base import Step
from provision.steps.cron import Job, NoJob, check_schedule


def test_job_is_made_repaired_and_removed(bench: Bench) -> None:
    bench.over("/etc")
    (bench.root / "etc/cron.d").mkdir()
    at = bench.root / "etc/cron.d/clean"
    step = Job("clean", "17 3 * * mon-fri", ["/bin/echo", "a b", "100%"], environment={"X": "1 "}, mail="")
    bench.cycle(step)
    assert at.read_text().splitlines()[1:] == [
        'MAILTO=""',
        'X="1 "',
        "17 3 * * mon-fri root /bin/echo 'a b' 100\\%",
    ]
    assert at.stat().st_mode & 0o777 == 0o644
    at.write_text("drift")
    at.chmod(0o666)
    assert [c.what for c in bench.cycle(step).diff] == ["content", "mode"]
    bench.cycle(NoJob("clean"))
    assert "clean" not in [p.name for p in (bench.root / "etc/cron.d").iterdir() if p.is_file()]


def test_secrets_are_for_root_alone(bench: Bench) -> None:
    bench.over("/etc")
    (bench.root / "etc/cron.d").mkdir()
    real = bench.cycle(Job("x", "@daily", ["true"], environment={"TOKEN": Secret("geheim")}))
    at = bench.root / "etc/cron.d/x"
    assert 'TOKEN="geheim"' in at.read_text() and at.stat().st_mode & 0o777 == 0o600
    assert "geheim" not in repr(real.diff)


def test_what_the_host_lacks_is_said(bench: Bench) -> None:
    bench.over("/etc")
    bench.script += "mkdir -p /etc/cron.d && "
    bench.fails(Job("x", "@daily", ["true"], user="nobody-here"), "no user 'nobody-here'")
    bench.script += "rm -rf /etc/cron.d && "
    bench.fails(Job("x", "@daily", ["true"]), "cron is not installed")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Job("a.b", "@daily", ["true"]), "named with letters"),
        (Job("a", "@always", ["true"]), "not one of"),
        (Job("a", "* * * *", ["true"]), "five fields"),
        (Job("a", "60 * * * *", ["true"]), "not a minute"),
        (Job("a", "* * * 0 *", ["true"]), "not a month"),
        (Job("a", "* * * * 5-1", ["true"]), "not a day of week"),
        (Job("a", "*/0 * * * *", ["true"]), "not a minute"),
        (Job("a", "@daily", "true"), "list of words"),
        (Job("a", "@daily", ["a\nb"]), "cannot express"),
        (Job("a", "@daily", ["true"], user="ro:ot"), "not a name"),
        (Job("a", "@daily", ["true"], environment={"A B": "1"}), "variable"),
        (Job("a", "@daily", ["true"], environment={"A": "1\n2"}), "cannot express"),
        (Job("a", "@daily", ["sh", "-c", ": " + "x" * 1200]), "Put it into a script"),
        (Job("a", "@daily", ["true"], environment={"A": "x" * 995}), "cron takes 998 bytes"),
        (Job("a", "@daily", ["true"], environment={"A": Secret("x" * 995)}), "variable A: cron takes 998"),
        (Job("a", "@daily", ["true"], mail="x" * 990), "mail: cron takes 998"),
        (NoJob("../passwd"), "named with letters"),
    ],
)
def test_bad_arguments_are_refused(step: Step, message: str) -> None:
    refuses(step, message)


@pytest.mark.parametrize(
    "schedule", ["* * * * *", "*/5 0-6,22-23 1-31/2 jan-mar,12 sun,7", "@reboot", "0 0 29 2 *"]
)
def test_schedules_of_crontab_5(schedule: str) -> None:
    check_schedule(schedule)
