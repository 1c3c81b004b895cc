"""limits.d, logrotate.d and hosts, in an /etc of the agent's own."""

from __future__ import annotations

import pytest
from steps_bench import Bench, refuses

from provision.steps.base import Step
from provision.steps.hosts import HostsEntry
from provision.steps.limits import Limits
from provision.steps.locale import Locale
from provision.steps.logrotate import NoRotation, Rotation

HOSTS = "127.0.0.1\tlocalhost\n10.0.0.1 a old # first\n# end\n"


def test_limits_are_set_repaired_and_removed(bench: Bench) -> None:
    bench.over("/etc")
    at = bench.root / "etc/security/limits.d/prov-group-web.conf"
    step = Limits("@web", {"nofile": 65536, "nproc": (512, "unlimited")})
    bench.cycle(step)
    assert at.read_text().splitlines()[1:] == [
        "@web - nofile 65536",
        "@web soft nproc 512",
        "@web hard nproc unlimited",
    ]
    at.write_text("drift")
    bench.cycle(step)
    bench.cycle(Limits("@web", {"nofile": 1024}))
    bench.cycle(Limits("@web"))


def test_rotation_is_judged_by_logrotate(bench: Bench) -> None:
    bench.over("/etc", "/usr/sbin")
    (bench.root / "etc/logrotate.d").mkdir()
    tool = bench.root / "usr/sbin/logrotate"
    at = bench.root / "etc/logrotate.d/shop"
    step = Rotation("shop", ["/var/log/shop/*.log", "/var/log/b c"], keep=3, after=[["echo", "a b"]])
    if not tool.exists():
        bench.script += "rm -f /usr/sbin/logrotate && "
        bench.fails(step, "no logrotate")
        bench.script = bench.script.replace("rm -f /usr/sbin/logrotate && ", "")
        tool.unlink(missing_ok=True)
    tool.write_text('#!/bin/sh\n[ "$1" = -d ] && grep -q "rotate 3" "$2"\n')
    tool.chmod(0o755)
    bench.cycle(step)
    assert "    echo 'a b'\n" in at.read_text() and '"/var/log/b c" {' in at.read_text()
    assert "sharedscripts" in at.read_text() and at.stat().st_mode & 0o777 == 0o644
    at.chmod(0o666)
    assert [c.what for c in bench.cycle(step).diff] == ["mode"]
    bench.fails(Rotation("shop", "/var/log/x", keep=4), "judging the new")
    assert "/var/log/b c" in at.read_text()
    bench.cycle(NoRotation("shop"))


def test_hosts_entries(bench: Bench) -> None:
    bench.over("/etc")
    at = bench.root / "etc/hosts"
    at.write_text(HOSTS)
    bench.cycle(HostsEntry("10.0.0.2", ["db.internal", "db"]))
    assert at.read_text() == HOSTS + "10.0.0.2 db.internal db\n"
    bench.cycle(HostsEntry("10.0.0.2", ["db", "old"]))
    assert at.read_text() == HOSTS.replace(" old", "") + "10.0.0.2 db old db.internal\n"
    bench.cycle(HostsEntry("10.0.0.1", "new"))
    assert "10.0.0.1 new a # first\n" in at.read_text()
    bench.cycle(HostsEntry("::1", "localhost"))
    at.write_text(at.read_text().replace("10.0.0.2 db", "10.0.0.9 db"))
    bench.cycle(HostsEntry("10.0.0.2", ["db.internal", "db"]))
    assert "10.0.0.9 old\n" in at.read_text()
    bench.cycle(HostsEntry("10.0.0.2"))
    assert "10.0.0.2" not in at.read_text() and "# end" in at.read_text()
    at.unlink()
    bench.script += "rm -f /etc/hosts && "
    assert "127.0.0.1 localhost" in bench.run(HostsEntry("10.0.0.2", "x"))[0].diff[0].text


@pytest.mark.parametrize(
    ("past", "after"),
    [
        # the first name that the file has for an address is the canonical one
        ("10.0.0.7 db db.internal\n", "10.0.0.7 db.internal db\n"),
        ("10.0.0.7\tdb.internal  db\t# as wanted\n", "10.0.0.7\tdb.internal  db\t# as wanted\n"),
        ("10.0.0.7 x # one\n10.0.0.7 db.internal y\n", "10.0.0.7 db.internal db x # one\n10.0.0.7 y\n"),
        ("10.0.0.7 db.internal\n10.0.0.7 db\n", "10.0.0.7 db.internal\n10.0.0.7 db\n"),
        ("1.1.1.1 a\r\n10.0.0.7 db\r\n", "1.1.1.1 a\r\n10.0.0.7 db.internal db\r\n"),
        ("1.1.1.1 a\r\n", "1.1.1.1 a\r\n10.0.0.7 db.internal db\r\n"),
        ("1.1.1.1 a\x0bb # \x85\n10.0.0.7\n", "1.1.1.1 a\x0bb # \x85\n10.0.0.7 db.internal db\n"),
    ],
)
def test_the_first_name_of_an_address_is_the_canonical_one(bench: Bench, past: str, after: str) -> None:
    bench.over("/etc")
    at = bench.root / "etc/hosts"
    at.write_bytes(past.encode("latin-1"))
    planned, again = bench.run(step := HostsEntry("10.0.0.7", ["db.internal", "db"]), step, plan=True)
    (real,) = bench.run(step)
    assert (real.state, real.diff) == (planned.state, planned.diff) and again.state == "ok"
    assert at.read_bytes() == after.encode("latin-1")
    bench.settled(step)
    bench.run(HostsEntry("10.0.0.7", None))
    assert b"db" not in at.read_bytes()


def test_locale_with_a_generator_that_pretends(bench: Bench) -> None:
    bench.over("/etc", "/usr/sbin")
    (bench.root / "etc/default").mkdir(exist_ok=True)
    (bench.root / "etc/locale.gen").write_text("# en_US.UTF-8 UTF-8\n# xx_YY.UTF-8 UTF-8\n")
    (bench.root / "etc/default/locale").write_text("LC_TIME=C\n")
    tool = bench.root / "usr/sbin/locale-gen"
    tool.write_text("#!/bin/sh\ngrep -v '^#' /etc/locale.gen > /etc/made\n")
    tool.chmod(0o755)
    bench.tool("locale", "echo C; echo C.utf8; sed 's/UTF-8 .*/utf8/' /etc/made 2>/dev/null || true")
    bench.cycle(Locale("C.UTF-8"))
    assert (bench.root / "etc/default/locale").read_text() == "LC_TIME=C\nLANG=C.UTF-8\n"
    real = bench.cycle(Locale("en_US.UTF-8"))
    assert [c.what for c in real.diff] == ["content", "locale", "content"]
    assert (bench.root / "etc/locale.gen").read_text().startswith("en_US.UTF-8 UTF-8\n# xx")
    (bench.root / "etc/default/locale").write_text("LANG=drift\n")
    bench.cycle(Locale("en_US.UTF-8"))
    bench.settled(Locale("C.UTF-8", default=False))
    # where the file is a link, as from Debian 13 on, that stays
    at = bench.root / "etc/default/locale"
    at.unlink()
    at.symlink_to("../locale.conf")
    bench.cycle(Locale("en_US.UTF-8"))
    assert at.is_symlink() and (bench.root / "etc/locale.conf").read_text() == "LANG=en_US.UTF-8\n"
    tool.write_text("#!/bin/sh\nexit 1\n")
    bench.fails(Locale("de_DE.UTF-8"), "generating the locale", plan=False)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Limits("a b", {"nofile": 1}), "neither a user"),
        (Limits("web", {"files": 1}), "not one of"),
        (Limits("web", {"nofile": "many"}), "neither a number"),
        (Limits("web", {"nofile": (2, 1)}), "above the hard"),
        (Limits("web", {"nofile": 1}, name="a/b"), "not a name"),
        (Rotation("a.b", "/x"), "not a name"),
        (Rotation("a", "x"), "absolute"),
        (Rotation("a", []), "at least one"),
        (Rotation("a", "/x", every="often"), "one of"),
        (Rotation("a", "/x", size="big"), "not a size"),
        (Rotation("a", "/x", create="rw"), "like"),
        (Rotation("a", "/x", create="0640", copy=True), "cannot be combined"),
        (Rotation("a", "/x", user="www"), "must be given together"),
        (Rotation("a", "/x", after=["reload"]), "list of words"),
        (HostsEntry("10.0.0.300", "x"), "not an address"),
        (HostsEntry("10.0.0.3", "x y"), "not a host name"),
        (HostsEntry("10.0.0.3", "localhost"), "must be this host"),
        (HostsEntry("127.0.0.1"), "own address"),
        (HostsEntry("10.0.0.3", ["x", "x"]), "twice"),
        (Locale("german"), "not the name"),
        (Locale("de_DE.UTF-8\n"), "not the name"),
    ],
)
def test_bad_arguments_are_refused(step: Step, message: str) -> None:
    refuses(step, message)
