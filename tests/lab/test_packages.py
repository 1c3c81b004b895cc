"""Packages on a real host: versions, holds, upgrades, repositories of the same plan, and what goes wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hosts import Hosts, on
from helpers.repositories import Signer, Tiny, deb_repository, prepare
from hypothesis import example
from hypothesis import strategies as st

from provision.lab import openssh

sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("steps_more", "steps_past")]
from inside import Inside
from past import drawn, hold
from pictures import Picture, photographs
from steps_bench import Bench, planned_then_done

from provision.controller.outcome import Outcome
from provision.steps.apt import Autoremove, Hold, NoPackages, NoPin, PackageFile, Packages, Pin, Upgrade
from provision.steps.base import Step
from provision.steps.files import File
from provision.steps.package import NoPackages as AnyNoPackages
from provision.steps.package import Packages as AnyPackages
from provision.steps.package import Upgrade as AnyUpgrade
from provision.steps.repository import NoRepository, Repository

pytestmark = pytest.mark.lab
NAME = "t-packages"
OLD = [
    Tiny("t-app", "1.0", needs="t-lib"),
    Tiny("t-lib", "1.0"),
    Tiny("t-other", "1.0", needs="t-lib (>= 1.0)", fields={"Provides": "t-virtual, t-real"}),
    Tiny("t-real", "1.0"),
]
NEW = [*OLD, Tiny("t-app", "1.1", needs="t-lib, t-extra"), Tiny("t-lib", "1.2"), Tiny("t-extra", "1.0")]


@pytest.fixture(scope="module")
def signer(lab_hosts: Hosts) -> Signer:
    return prepare(lab_hosts, NAME)


@pytest.fixture
def bench(lab_hosts: Hosts, tmp_path: Path) -> Iterator[Bench]:
    """Runs steps on the host t-packages, whose state these tests share."""
    found = Bench(tmp_path)
    found.argv = openssh.argv(lab_hosts.one(NAME), batch=True)
    yield found


def changes(outcome: Outcome) -> list[tuple[str, str, str]]:
    return [(c.what.replace("package ", ""), c.before, c.after) for c in outcome.diff]


def test_a_repository_and_its_packages_in_one_plan(bench: Bench, signer: Signer, tmp_path: Path) -> None:
    deb_repository(tmp_path / "debs", NAME, signer, OLD, "/srv/debs")
    repository = Repository("t-tests", "file:/srv/debs", ["./"], key=signer.key)
    _, packages, conf, virtual = planned_then_done(
        bench,
        repository,
        Packages(["t-app"]),
        File("/etc/t-app.conf", "version of ours\n"),
        Packages("t-virtual"),
    )
    assert changes(packages) == [("t-app", "", "1.0"), ("t-lib", "", "1.0")]
    assert "-version 1.0" in conf.diff[0].text
    assert changes(virtual) == [("t-other", "", "1.0")]
    (again,) = bench.run(Packages(["t-app", "t-virtual"]))
    assert again.why == "installed: t-app 1.0, t-virtual (t-other 1.0)"
    assert on(NAME, "sh", "-c", "ls -d /tmp/prov-plan-* || true") == ""


def test_versions_holds_and_upgrades(bench: Bench, signer: Signer, tmp_path: Path) -> None:
    deb_repository(tmp_path / "debs", NAME, signer, NEW, "/srv/debs")
    bench.cycle(Hold("t-lib"))
    newest = planned_then_done(bench, Packages(["t-app"], latest=True, cache_age=0))
    assert changes(newest[0]) == [("t-app", "1.0", "1.1"), ("t-extra", "", "1.0")]
    assert on(NAME, "cat", "/etc/t-app.conf") == "version of ours"
    (kept,) = bench.run(Upgrade(cache_age=0), plan=True)
    assert "t-lib" not in [c[0] for c in changes(kept)]
    held = bench.fails(Packages("t-lib=1.2"), "t-lib 1.0 must change, but is on hold")
    assert held.error is not None and "apt.hold(c, 't-lib', held=False)" in held.error.hint
    bench.fails(NoPackages("t-lib"), "is on hold")
    _, exact, back = planned_then_done(
        bench, Hold("t-lib", held=False), Packages("t-lib=1.*"), Packages("t-app=1.0")
    )
    assert changes(exact) == [("t-lib", "automatic", "manual")]
    assert changes(back) == [("t-app", "1.1", "1.0")]
    (upgraded,) = planned_then_done(bench, Upgrade())
    assert {("t-app", "1.0", "1.1"), ("t-lib", "1.0", "1.2")} <= set(changes(upgraded))


def test_what_needs_it_goes_too_and_then_what_nothing_needs(bench: Bench) -> None:
    manual, gone, unneeded = planned_then_done(
        bench, Packages("t-extra"), NoPackages("t-app", purge=True), Autoremove()
    )
    assert changes(manual) == [("t-extra", "automatic", "manual")]
    assert changes(gone) == [("t-app", "1.1", "")]
    assert "t-lib" not in [c[0] for c in changes(unneeded)], "t-other needs it"
    both, rest = planned_then_done(bench, NoPackages("t-lib"), NoPackages(["t-lib", "t-other"], purge=True))
    assert changes(both) == [("t-lib", "1.2", ""), ("t-other", "1.0", "")]
    assert [c.what for c in rest.diff] == ["configuration of t-lib", "configuration of t-other"]
    assert on(NAME, "sh", "-c", "ls /etc/t-*.conf") == "/etc/t-extra.conf"
    bench.cycle(NoPackages("t-extra"))


def test_a_provider_counts_only_for_a_virtual_package_and_names_may_have_an_architecture(
    bench: Bench,
) -> None:
    own = on(NAME, "dpkg", "--print-architecture")
    bench.run(Packages(["t-other"]))
    # t-other provides its name, and there is a package of that name all the same
    bench.cycle(Packages(["t-real", "t-virtual"]))
    assert on(NAME, "dpkg-query", "-W", "-f", "${db:Status-Status}", "t-real") == "installed"
    bench.cycle(Hold(f"bash:{own}"))
    assert on(NAME, "apt-mark", "showhold") == "bash"
    bench.fails(NoPackages(f"bash:{own}"), "on hold")
    bench.cycle(Hold(f"bash:{own}", held=False))
    on(NAME, "apt-mark", "auto", "bash")
    assert [c[:3] for c in bench.cycle(Packages(f"bash:{own}")).diff] == [
        (f"package bash:{own}", "automatic", "manual")
    ]
    bench.fails(Hold("bash:sparc"), "not installed")


def test_releases_pins_and_files_of_packages(bench: Bench, signer: Signer, tmp_path: Path) -> None:
    later = [Tiny("t-real", "2.0", needs="t-later"), Tiny("t-later", "2.0")]
    later += [Tiny("t-filed"), Tiny("t-user", needs="t-filed")]
    deb_repository(tmp_path / "later", NAME, signer, later, "/srv/later", release="t-backports")
    repository = Repository("t-later", "file:/srv/later", ["./"], key=signer.key)
    bench.run(Packages("t-real"))
    _, newest = planned_then_done(bench, repository, Packages("t-real", latest=True, cache_age=0))
    assert newest.diff == [], "others are asked first"
    (backport,) = planned_then_done(bench, Packages("t-real", release="t-backports"))
    assert changes(backport) == [("t-later", "", "2.0"), ("t-real", "1.0", "2.0")]
    bench.fails(Packages("t-app", release="t-backports"), "t-backports has no package t-app")
    bench.fails(
        Packages("t-real", release="t-nothing"), "no repository of this host has the release t-nothing"
    )

    _, back = planned_then_done(
        bench, Pin("t-old", ["t-real", "t-l*"], "version 1.*", 1001), Packages("t-real", latest=True)
    )
    assert changes(back) == [("t-real", "2.0", "1.0")]
    bench.cycle(NoPin("t-old"))

    bench.run(Hold("t-real"))
    bench.fails(PackageFile("/srv/later/t-real_2.0_all.deb"), "t-real 1.0 must change, but is on hold")
    bench.run(Hold("t-real", held=False))
    (file,) = planned_then_done(bench, PackageFile("/srv/later/t-real_2.0_all.deb"))
    assert changes(file) == [("t-real", "1.0", "2.0")]
    brought = planned_then_done(
        bench, PackageFile("/srv/later/t-filed_1.0_all.deb"), PackageFile("/srv/later/t-user_1.0_all.deb")
    )
    assert [changes(outcome) for outcome in brought] == [[("t-filed", "", "1.0")], [("t-user", "", "1.0")]]
    assert on(NAME, "apt-mark", "showmanual", "t-filed", "t-user") == "t-filed\nt-user"
    bench.fails(PackageFile("/srv/none.deb"), "there is no file /srv/none.deb")
    on(NAME, "sh", "-c", "echo no package > /srv/not.deb")
    bench.fails(PackageFile("/srv/not.deb"), "reading the package in /srv/not.deb")


def test_what_is_not_there_is_said_with_what_is(bench: Bench) -> None:
    wrong = bench.fails(Packages("t-aap"), "this host's repositories have no package 't-aap'")
    assert wrong.error is not None and wrong.error.hint.startswith("Did you mean 't-app'")
    bench.fails(Packages("t.ap"), "this host's repositories have no package 't.ap'")
    version = bench.fails(Packages("t-app=7.0"), "this host's repositories have no version 7.0 of t-app")
    assert version.error is not None and version.error.hint == "They have 1.1, 1.0."
    bench.fails(Hold("t-app"), "t-app can't be held: not installed")
    bad = Repository(
        "t-bad", "file:/srv/debs", ["./"], signed_by="/usr/share/keyrings/debian-archive-keyring.gpg"
    )
    bench.fails(bad, "the repository t-bad can't be used")
    bench.settled(NoRepository("t-bad"))


def test_an_interrupted_dpkg_is_finished(bench: Bench) -> None:
    on(NAME, "sh", "-c", "dpkg --unpack /srv/debs/t-lib_1.0_all.deb")
    entry = on(NAME, "dpkg", "-s", "t-lib")
    assert "install ok unpacked" in entry
    journal = "cat > /var/lib/dpkg/updates/0001; dpkg-query -s t-lib | cat >> /var/lib/dpkg/updates/0001"
    on(NAME, "sh", "-c", journal.replace("cat >", ": >", 1))
    (outcome,) = planned_then_done(bench, Packages("t-lib"))
    assert outcome.diff[0][:3] == ("dpkg", "interrupted", "finished")
    assert changes(outcome)[1] == ("t-lib", "", "1.0")
    bench.cycle(NoPackages("t-lib", purge=True))


def test_others_who_work_with_dpkg_are_waited_for(bench: Bench) -> None:
    lock = (
        "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'r+b'); fcntl.lockf(f, 2); time.sleep(4)"
    )
    on(NAME, "systemd-run", "--quiet", "--unit=t-holder", "python3", "-c", lock)
    (outcome,) = bench.run(Packages("t-extra"))
    assert outcome.state == "changed", outcome.error
    bench.cycle(NoRepository("t-tests"))


#: what others have done with the packages, from a host that has none of them
DONE = [
    "apt-get install -qq t-app=1.0",
    "apt-get install -qq t-app t-other",
    "apt-get install -qq t-other; apt-mark -qq auto t-other",
    "apt-get install -qq t-lib; apt-mark -qq hold t-lib",
    "apt-get install -qq t-app=1.0; apt-mark -qq hold t-app",
    "apt-get install -qq t-real; echo mine >/etc/t-real.conf; apt-get remove -qq t-real",
    "apt-get install -qq t-app=1.0 t-lib=1.0; apt-mark -qq auto t-app",
]
WANTED: list[Step] = [
    Packages(["t-app"]),
    Packages(["t-app"], latest=True),
    Packages("t-app=1.0"),
    Packages(["t-real", "t-virtual"]),
    AnyPackages(["t-app", "t-other"]),
    NoPackages("t-lib"),
    NoPackages(["t-app", "t-real"], purge=True),
    AnyNoPackages("t-app"),
    Hold("t-app"),
    Hold("t-app", held=False),
    Upgrade(),
    Upgrade(full=True),
    AnyUpgrade(),
    Autoremove(),
    Autoremove(purge=True),
]


@pytest.fixture(scope="module")
def inside(lab_hosts: Hosts, signer: Signer, tmp_path_factory: pytest.TempPathFactory) -> Inside:
    """The host with both versions of the packages, and no update of its own to do."""
    folder = tmp_path_factory.mktemp("pasts") / "debs"
    deb_repository(folder, NAME, signer, NEW, "/srv/pasts")
    found = Inside(lambda *argv: on(NAME, *argv), packages)
    found.sh("rm -f /etc/apt/sources.list.d/*")
    made = found.run(Repository("t-pasts", "file:/srv/pasts", ["./"], key=signer.key))
    assert made[0].error is None, made[0].error
    return found


def packages() -> Picture:
    """What dpkg and apt have of the packages, and their files of settings."""

    def said(*argv: str) -> list[str]:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return sorted(line for line in done.stdout.splitlines() if line.startswith("t-"))

    files: Picture = {str(at): (at.read_bytes(), "") for at in sorted(Path("/etc").glob("t-*.conf"))}
    known = said("dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Abbrev}\\n")
    return {
        **files,
        "dpkg": (known, ""),
        "manual": (said("apt-mark", "showmanual"), ""),
        "held": (said("apt-mark", "showhold"), ""),
    }


@example(done=[DONE[4], DONE[6]], wanted=NoPackages("t-lib"))
@drawn(done=st.lists(st.sampled_from(DONE), max_size=2), wanted=st.sampled_from(WANTED))
def test_packages_of_others(inside: Inside, done: list[str], wanted: Step) -> None:
    inside.fresh().sh(
        "export DEBIAN_FRONTEND=noninteractive; apt-mark -qq unhold 't-*' >/dev/null 2>&1 || true;"
        "dpkg --purge --force-depends t-app t-lib t-other t-real t-extra >/dev/null 2>&1 || true; rm -f /etc/t-*.conf"
    )
    for each in done:
        inside.sh(f"export DEBIAN_FRONTEND=noninteractive; {{ {each}; }} >/dev/null 2>&1 || true")
    held = hold(inside, wanted, undone=False)
    kept = held.before["held"][0]
    if held.failed:
        assert "hold" in held.failed or "installed" in held.failed or "Hold" in type(wanted).__name__, (
            held.failed
        )
        return
    there = {
        line.split()[0]: line.split()[1:] for line in held.after["dpkg"][0] if line.endswith(("ii ", "hi "))
    }
    if isinstance(wanted, Packages | AnyPackages):
        names = [wanted.names] if isinstance(wanted.names, str) else wanted.names
        for name in names:
            bare, _, version = name.partition("=")
            assert bare == "t-virtual" or bare in there
            assert not version or there[bare][0] == version
    if isinstance(wanted, NoPackages | AnyNoPackages):
        assert not {wanted.names} & {*there} if isinstance(wanted.names, str) else True
    assert isinstance(wanted, Hold) or held.after["held"][0] == kept


@drawn(
    there=st.sampled_from(["", "broken", "other"]),
    uri=st.sampled_from(["file:/srv/pasts", "file:/srv/none"]),
)
def test_repositories_of_others(inside: Inside, signer: Signer, there: str, uri: str) -> None:
    folder = "/etc/apt/sources.list.d"
    inside.fresh().sh(f"rm -f {folder}/t-more.* /etc/apt/keyrings/t-more.*")
    if there == "broken":
        inside.write(f"{folder}/t-more.sources", "Types: deb\nURIs: file:/srv/gone\n")
    elif there:
        inside.write(f"{folder}/t-other-one.sources", "# mine\r\n")
    inside.looks(lambda: photographs(folder, "/etc/apt/keyrings"))
    step = Repository("t-more", uri, ["./"], key=signer.key)
    held = hold(inside, step)
    assert bool(held.failed) == ("none" in uri), held.failed
    other = f"{folder}/t-other-one.sources"
    assert held.before.get(other) == held.after.get(other)
    gone = hold(inside, NoRepository("t-more"))
    assert f"{folder}/t-more.sources" not in gone.after
    inside.sh(f"rm -f {other}")
    inside.looks(packages)
