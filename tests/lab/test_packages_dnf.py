"""dnf's packages, repositories and modules, by the real dnf and rpm, on a host that has them beside its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hosts import Hosts, on
from helpers.repositories import Signer, Tiny, index_rpms, prepare, rpm_repository

from provision.lab import openssh

sys.path.append(str(Path(__file__).parents[1] / "steps_more"))
from steps_bench import Bench, planned_then_done
from test_packages import changes

from provision.steps import package
from provision.steps.dnf import Autoremove, Module, NoPackages, Packages, Upgrade
from provision.steps.dnf_repository import NoRepository, Repository
from provision.steps.files import File
from provision.steps.services import Service

pytestmark = pytest.mark.lab

NAME = "t-dnf"
OLD = [
    Tiny("app", "1.0", needs="lib"),
    Tiny("lib", "1.0"),
    Tiny("small", "1.0", preset=True, fields={"Provides": "large = 1.0"}),
    Tiny("a-package-whose-name-is-longer-than-the-column-of-dnf", "1.0"),
    Tiny("httpd", "2.4"),
]
NEW = [*OLD, Tiny("app", "1.1", needs="lib, extra"), Tiny("lib", "1.2"), Tiny("extra", "1.0")]
STREAMS = """
document: modulemd
version: 2
data:
  name: tool
  stream: "{stream}"
  version: 1
  context: abcd
  arch: x86_64
  summary: a test
  description: a test
  license: {{module: [MIT]}}
"""


@pytest.fixture(scope="module")
def signer(lab_hosts: Hosts) -> Signer:
    return prepare(lab_hosts, NAME)


@pytest.fixture
def bench(lab_hosts: Hosts, tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path)
    found.argv = openssh.argv(lab_hosts.one(NAME), batch=True)
    yield found


def test_a_repository_and_its_packages_in_one_plan(bench: Bench, signer: Signer) -> None:
    rpm_repository(NAME, signer, OLD, "/srv/rpms")
    repository = Repository("t-tests", baseurl="file:///srv/rpms", key=signer.key)
    steps = (repository, Packages(["app"]), File("/etc/app.conf", "ours\n"), Service("app"))
    _, packages, conf, service = planned_then_done(bench, *steps)
    assert changes(packages) == [("app", "", "1.0-1"), ("lib", "", "1.0-1")]
    assert "-version 1.0" in conf.diff[0].text
    assert on(NAME, "systemctl", "is-active", "app") == "active", service
    _, preset = planned_then_done(bench, Packages(["small", OLD[3].name]), Service("small"))
    assert [c.what for c in preset.diff] == ["running"]
    (stands,) = bench.run(Packages("large"))
    assert (stands.state, stands.why) == ("ok", "installed: large (small 1.0-1)")
    assert on(NAME, "sh", "-c", "ls -d /tmp/prov-plan-* || true") == ""


def test_versions_and_upgrades(bench: Bench, signer: Signer) -> None:
    rpm_repository(NAME, signer, NEW, "/srv/rpms")
    on(NAME, "dnf", "-q", "clean", "expire-cache")
    (newest,) = planned_then_done(bench, Packages("app", latest=True))
    assert changes(newest) == [("app", "1.0-1", "1.1-1"), ("extra", "", "1.0-1")]
    assert on(NAME, "cat", "/etc/app.conf") == "ours"
    bench.cycle(Packages(["app=1.0"]))
    bench.settled(Packages(["app=1.0-1", "lib=1.*"]))
    (upgraded,) = planned_then_done(bench, Upgrade())
    assert changes(upgraded) == [("app", "1.0-1", "1.1-1"), ("lib", "1.0-1", "1.2-1")]


def test_what_needs_it_goes_too(bench: Bench) -> None:
    (gone,) = planned_then_done(bench, NoPackages("lib"))
    assert ("app", "1.1-1", "") in changes(gone) and ("lib", "1.2-1", "") in changes(gone)
    bench.settled(Autoremove())


def test_what_is_not_there_is_said_with_what_is(bench: Bench) -> None:
    wrong = bench.fails(Packages("smal"), "this host's repositories have no package 'smal'")
    assert wrong.error is not None and wrong.error.hint.startswith("Did you mean 'small'")
    version = bench.fails(Packages("app=7.0"), "this host's repositories have no version 7.0 of app")
    assert version.error is not None and version.error.hint == "They have 1.1-1, 1.0-1."
    bench.fails(Repository("t-bad", baseurl="file:///srv/nothing", key=signer_key()), "can't be used")
    bench.settled(NoRepository("t-bad"))


def signer_key() -> str:
    return on(NAME, "cat", "/etc/pki/rpm-gpg/RPM-GPG-KEY-t-tests") + "\n"


def test_a_package_that_nobody_signed_is_refused(bench: Bench) -> None:
    on(NAME, "sh", "-c", "cp -r /srv/rpms /srv/unsigned; rpmsign --delsign /srv/unsigned/noarch/lib-*.rpm")
    index_rpms(NAME, "/srv/unsigned")
    on(NAME, "dnf", "-q", "clean", "all")
    bench.cycle(Repository("t-tests", baseurl="file:///srv/unsigned", key=signer_key()))
    bench.fails(Packages("lib"), "is not signed with its repository's key", plan=False)
    bench.cycle(Repository("t-tests", baseurl="file:///srv/rpms", key=signer_key()))


def test_streams_of_modules(bench: Bench) -> None:
    streams = "".join(f"---{STREAMS.format(stream=s)}..." + "\n" for s in ("1", "2"))
    on(NAME, "sh", "-ec", f"cat > /tmp/modules.yaml <<'END'\n{streams}END\n")
    on(NAME, "modifyrepo_c", "--mdtype=modules", "/tmp/modules.yaml", "/srv/rpms/repodata")
    on(NAME, "dnf", "-q", "clean", "expire-cache")
    bench.cycle(Module("tool", "1"))
    bench.cycle(Module("tool", "2"))
    missing = bench.fails(Module("tool", "9"), "no stream 9 of tool")
    assert missing.error is not None and missing.error.hint == "It has 1, 2."
    bench.cycle(Module("tool", enabled=False))


def test_one_name_for_all_families(bench: Bench) -> None:
    (debian,) = bench.run(package.Packages("dpkg"))
    assert debian.why.startswith("installed: dpkg 1.")
    on(NAME, "sh", "-c", "rm /etc/os-release; printf 'ID=fedora\\nVERSION_ID=41\\n' > /etc/os-release")
    (packages,) = planned_then_done(bench, package.Packages("apache2"))
    assert changes(packages) == [("httpd", "", "2.4-1")]
    bench.cycle(package.NoPackages("apache2"))
    on(NAME, "ln", "-sf", "../usr/lib/os-release", "/etc/os-release")
