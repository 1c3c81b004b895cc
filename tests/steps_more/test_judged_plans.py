"""A plan has new contents judged as the deploy does: it fails where that fails, and discards what judges write."""

from __future__ import annotations

from pathlib import Path

import pytest
from steps_bench import Bench, photograph

from provision.steps.command import Command
from provision.steps.cron import Job
from provision.steps.files import Absent, Directory, File
from provision.steps.ini_files import IniValue
from provision.steps.nftables import Firewall, OwnTable
from provision.steps.text import Block, Line
from provision.steps.tmpfiles import Tmpfiles
from provision.steps.users import User

UNKNOWN = "a plan can't know yet"


def judged(bench: Bench, *steps: object, plan: bool) -> tuple[str, str, str]:
    """State, error and why of the last of these steps."""
    done = bench.run(*steps, plan=plan)[-1]  # type: ignore[arg-type]
    said = f"{done.error.message}\n{done.error.stdout}\n{done.error.stderr}" if done.error else ""
    return done.state, said, done.why


def test_bad_contents_fail_in_a_plan_with_the_same_words(bench: Bench) -> None:
    at = str(bench.root / "app.conf")
    no = ["sh", "-c", "echo no good; grep -v bad $0 >&2; exit 3", "%s"]
    for step in (
        File(at, "bad\nworse\n", validate_with=no),
        Line(at, "x = 1", create=True, validate_with=no),
        Block(at, "x = 1", create=True, validate_with=no),
        IniValue(at, "a", "key", "v", create=True, validate_with=no),
    ):
        planned, real = judged(bench, step, plan=True), judged(bench, step, plan=False)
        assert planned == real and planned[0] == "failed"
        assert "no good" in planned[1]
    assert not Path(at).exists()


def test_good_contents_are_taken(bench: Bench) -> None:
    at = bench.root / "app.conf"
    done = bench.cycle(File(str(at), "good\n", validate_with=["grep", "-q", "good", "%s"]))
    assert UNKNOWN not in done.why


@pytest.mark.parametrize("where", ["/etc", "/tmp", "/opt", "/srv", "/run", "/var/tmp", "/root", "/home"])
def test_what_a_judge_writes_in_a_plan_is_discarded(bench: Bench, where: str) -> None:
    at = Path(where) / f"prov-test-{bench.folder.name}"
    conf = bench.root / "app.conf"
    judge = ["sh", "-c", f"touch {at}; cp $0 {bench.root}/left; rm -f {bench.root}/kept; ! grep bad $0", "%s"]
    (bench.root / "kept").write_text("stays")
    before = photograph(bench.root)
    try:
        assert judged(bench, File(str(conf), "new\n", validate_with=judge), plan=True)[0] == "changed"
        assert not at.exists() and photograph(bench.root) == before
        state, said, _ = judged(bench, File(str(conf), "bad\n", validate_with=judge), plan=True)
        assert state == "failed" and "bad" in said
        assert not at.exists() and photograph(bench.root) == before
    finally:
        at.unlink(missing_ok=True)


def test_a_judge_sees_what_earlier_steps_of_the_plan_leave(bench: Bench) -> None:
    part, gone, conf = (str(bench.root / name) for name in ("parts/one", "gone", "app.conf"))
    Path(gone).write_text("x")
    judge = ["sh", "-c", f"grep -q new $0 && grep -q 1 {part} && test ! -e {gone}", "%s"]
    earlier = (Directory(str(bench.root / "parts")), File(part, "1\n"), Absent(gone))
    conf_file = File(conf, "new\n", validate_with=judge)
    assert judged(bench, conf_file, plan=True)[0] == "failed"
    assert judged(bench, *earlier, conf_file, plan=True) == ("changed", "", "")
    assert judged(bench, *earlier, conf_file, plan=False)[0] == "changed"


def test_over_two_overlays_the_kernel_makes_no_third_one(bench: Bench) -> None:
    """One is enough where the root is an overlay itself, as in containers and on lab hosts."""
    bench.over("/etc")
    for name in ("up", "work"):
        (bench.folder / "second" / name).mkdir(parents=True)
    layers = f"lowerdir=/etc,upperdir={bench.folder}/second/up,workdir={bench.folder}/second/work"
    bench.script += f"{{ mount -t overlay overlay -o {layers} /etc || true; }} && "
    judge = ["sh", "-c", "touch /etc/left; grep -q root: /etc/passwd && ! grep bad $0", "%s"]
    state, said, _ = judged(bench, File("/etc/prov-test.conf", "bad\n", validate_with=judge), plan=True)
    assert state == "failed" and "bad" in said
    good = File("/etc/prov-test.conf", "good\n", validate_with=judge)
    assert judged(bench, good, plan=True) == ("changed", "", "")
    assert (
        judged(bench, Command(["test", "!", "-e", "/etc/left"], reason="a test"), plan=False)[0] == "changed"
    )


def test_mounts_below_are_seen_and_keep_what_they_have(bench: Bench) -> None:
    at, apart = bench.root / "mounted", bench.root / "apart"
    at.mkdir()
    apart.mkdir()
    (bench.root / "own").write_text("mounted over")
    (bench.root / "conf").write_text("old")
    bench.script += f"mount --bind {apart} {at} && mount --bind {bench.root}/own {bench.root}/conf && "
    (apart / "part").write_text("of the mount")
    judge = [
        "sh",
        "-c",
        f"grep -q new $0 && grep -q of {at}/part && touch {bench.root}/left && grep -q too {at}/more",
        "%s",
    ]
    before = photograph(bench.root)
    for conf in (at / "app.conf", bench.root / "conf"):
        step = File(str(conf), "new\n", validate_with=judge)
        assert judged(bench, step, plan=True)[::2] == ("failed", "")
        assert judged(bench, File(str(at / "more"), "too\n"), step, plan=True) == ("changed", "", "")
    assert photograph(bench.root) == before


def test_the_plan_says_where_only_the_deploy_can_tell(bench: Bench) -> None:
    at, made = str(bench.root / "app.conf"), bench.root / "made"
    judge = ["test", "-e", str(made), "-a", "-e", "%s"]
    step = File(at, "new\n", validate_with=judge)
    assert judged(bench, step, plan=True)[::2] == ("failed", "")
    maker = Command(["touch", str(made)], creates=str(made))
    assert UNKNOWN in judged(bench, maker, step, plan=True)[2]
    assert judged(bench, User("prov-nobody-yet"), step, plan=True)[::2] == (
        "changed",
        "test judges it in the deploy: a plan can't know yet what it says",
    )
    line = Line(at, "x", create=True, validate_with=judge)
    assert UNKNOWN in judged(bench, maker, line, plan=True)[2]
    state, _, why = judged(bench, maker, step, plan=False)
    assert state == "changed" and UNKNOWN not in why


def test_contents_too_large_for_a_plan_are_for_the_deploy(bench: Bench) -> None:
    step = File(str(bench.root / "big"), "x" * 1_500_000, validate_with=["grep", "-q", "y", "%s"])
    assert judged(bench, step, plan=True)[0] == "changed"
    assert UNKNOWN in judged(bench, step, plan=True)[2]
    assert judged(bench, step, plan=False)[0] == "failed"


def test_a_judge_that_is_missing(bench: Bench) -> None:
    step = File(str(bench.root / "conf"), "x", validate_with=["no-such-judge", "%s"])
    planned, real = judged(bench, step, plan=True), judged(bench, step, plan=False)
    assert planned == real and "not found" in planned[1]


def test_judges_that_apply_what_they_read_do_not_in_a_plan(bench: Bench) -> None:
    bench.over("/etc")
    made = bench.root / "made"
    step = Tmpfiles("prov-test", [f"d {made} 0755"])
    assert judged(bench, step, plan=True)[::2] == (
        "changed",
        "systemd-tmpfiles judges it in the deploy: a plan can't know yet what it says",
    )
    assert not made.exists()


def test_rules_of_nftables_are_judged_in_a_plan(bench: Bench) -> None:
    bench.over("/etc")
    (bench.root / "etc/nftables.conf").write_text("#!/usr/sbin/nft -f\nflush ruleset\n")
    good = Firewall(["80"])
    for step in (
        Firewall(rules=["tcp dport no-such-service accept"]),
        OwnTable("a", "chain x { ip saddr @missing drop; }"),
        OwnTable("a", "chain x { tcp sport 1 udp dport 2 accept; }"),
    ):
        planned, real = judged(bench, good, step, plan=True), judged(bench, good, step, plan=False)
        assert planned == real and planned[0] == "failed", planned
    assert judged(bench, Job("x", "@daily", ["true"]), good, plan=True)[1:] == ("", "")
