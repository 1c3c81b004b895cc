"""Units that were on a host before prov came: linked, static, generated, under two names, instances by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hosts import Hosts, Kind, on
from helpers.samples import sample
from helpers.stepping import exact

from provision.lab import openssh

sys.path.append(str(Path(__file__).parents[1] / "steps_more"))
from steps_bench import Bench

from provision.steps.services import Service
from provision.steps.undo import LAST, Undo
from provision.steps.unit_files import NoUnit

pytestmark = pytest.mark.lab

PAST = r"""
set -e
mkdir -p /srv/units; cd /etc/systemd/system
sleeps='[Service]\nExecStart=/bin/sleep infinity\n'
install='[Install]\nWantedBy=multi-user.target\n'
printf "$sleeps$install" >/srv/units/t-linked.service
systemctl -q enable /srv/units/t-linked.service
printf "$sleeps" >t-static.service
printf "$sleeps[Install]\nAlso=t-indirect.socket\n" >t-indirect.service
printf "[Socket]\nListenStream=/run/t-indirect\n[Install]\nWantedBy=sockets.target\n" >t-indirect.socket
printf "$sleeps$install" >t-runtime.service
printf "$sleeps${install}Alias=t-alias.service\n" >t-named.service
printf "$sleeps$install" >t-many@.service
printf '#!/bin/sh\n### BEGIN INIT INFO\n# Provides: t-old\n# Required-Start: $local_fs\n# Required-Stop: $local_fs
# Default-Start: 2 3 4 5\n# Default-Stop: 0 1 6
# Short-Description: old\n### END INIT INFO\nexit 0\n' >/etc/init.d/t-old
chmod +x /etc/init.d/t-old
mkdir -p /srv/t-generated
echo 'tmpfs /srv/t-generated tmpfs size=1m 0 0' >>/etc/fstab
systemctl daemon-reload
systemctl -q enable --runtime t-runtime
systemctl -q enable t-named t-old t-many@one t-many@two
systemctl start t-many@one srv-t\\x2dgenerated.mount
mkdir t-many@two.service.d t-many@.service.d
printf '[Service]\nNice=3\n' | tee t-many@two.service.d/nice.conf >t-many@.service.d/nice.conf
printf "$sleeps$install" >t-many@three.service
ln -s /dev/null t-many@four.service
systemctl daemon-reload
systemd-run -q --unit t-transient sleep infinity
"""


@pytest.fixture(params=sample(["debian-13", "debian-12"], 2))
def host(request: pytest.FixtureRequest) -> str:
    return f"t-past-{request.param[-2:]}"


@pytest.fixture
def bench(host: str, lab_hosts: Hosts, tmp_path: Path) -> Iterator[Bench]:
    new = host not in lab_hosts.known
    found = lab_hosts.up({host: Kind("debian-" + host[-2:])})
    if new:
        on(host, "sh", "-c", PAST)
    bench = Bench(tmp_path)
    bench.argv = openssh.argv(found[host], batch=True)
    yield bench


def undo(bench: Bench) -> None:
    """Take back the last run, as the plan of that says."""
    (planned,), (real,) = bench.run(Undo(LAST), plan=True), bench.run(Undo(LAST))
    assert real.state == "changed", real.error or real.why
    assert planned.diff == real.diff


def word(host: str, unit: str) -> str:
    """What systemd says of a unit, without what it says of scripts on the way."""
    return on(host, "systemctl", "is-enabled", unit, check=False).rpartition("\n")[2]


def test_what_neither_is_nor_can_be_enabled_is_as_well_as_disabled(bench: Bench, host: str) -> None:
    for unit in ("t-static", "dpkg-db-backup", "t-indirect", "t-transient"):
        bench.settled(Service(unit, running=None, enabled=False))
    bench.settled(Service("t-static", running=None, enabled=True))
    bench.fails(Service("t-transient"), "t-transient.service can't be enabled: it is transient")
    mount = r"srv-t\x2dgenerated.mount"
    bench.settled(Service(mount))
    bench.fails(Service(mount, running=None, enabled=False), "a generator makes it at each boot")
    assert word(host, mount) == "generated"


def test_what_a_unit_names_is_enabled_in_its_place(bench: Bench, host: str) -> None:
    (real,) = exact(bench, [Service("t-indirect", running=None)])
    assert [c[:3] for c in real.diff] == [("enabled", "indirect", "enabled")]
    assert word(host, "t-indirect.socket") == "enabled"


def test_a_linked_unit_is_disabled_and_still_linked(bench: Bench, host: str) -> None:
    assert word(host, "t-linked") == "enabled"
    exact(bench, [Service("t-linked", enabled=False)])
    assert word(host, "t-linked") == "linked"
    assert on(host, "systemctl", "is-active", "t-linked") == "active"
    assert on(host, "readlink", "/etc/systemd/system/t-linked.service") == "/srv/units/t-linked.service"
    exact(bench, [Service("t-linked", running=False)])
    assert word(host, "t-linked") == "enabled"


def test_enabled_until_the_next_boot_is_not_enabled(bench: Bench, host: str) -> None:
    exact(bench, [Service("t-runtime", running=None)])
    assert word(host, "t-runtime") == "enabled"
    exact(bench, [Service("t-runtime", running=None, enabled=False)])
    assert word(host, "t-runtime") == "disabled"
    undo(bench)
    assert word(host, "t-runtime") == "enabled"


def test_a_unit_goes_by_its_own_name(bench: Bench, host: str) -> None:
    bench.settled(Service("t-alias", running=None))
    bench.fails(Service("t-alias", running=None, enabled=False), "another name of t-named.service")
    exact(bench, [Service("t-named", running=None, enabled=False)])
    assert word(host, "t-named") == "disabled"


def test_a_script_of_sysv_is_enabled_and_disabled(bench: Bench, host: str) -> None:
    assert word(host, "t-old") == "enabled"
    exact(bench, [Service("t-old", running=None, enabled=False)])
    assert word(host, "t-old") == "disabled"
    undo(bench)
    assert word(host, "t-old") == "enabled"
    bench.settled(Service("t-old", running=None))


def test_a_template_goes_with_all_of_its_instances(bench: Bench, host: str) -> None:
    left = "cd /etc/systemd/system; ls -d t-many* *.wants/t-many* 2>/dev/null || true"
    before = on(host, "sh", "-c", left)
    exact(bench, [NoUnit("t-many@")])
    # a mask is the administrator's word
    assert on(host, "sh", "-c", left) == "t-many@four.service"
    assert on(host, "systemctl", "is-active", "t-many@one", check=False) in ("inactive", "unknown")
    undo(bench)
    assert on(host, "sh", "-c", left) == before
    assert on(host, "systemctl", "is-active", "t-many@one") == "active"


def test_instances_of_a_packages_template_stay(bench: Bench, host: str) -> None:
    assert word(host, "getty@tty1") == "enabled"
    bench.settled(NoUnit("getty@"))
