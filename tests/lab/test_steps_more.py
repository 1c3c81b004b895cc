"""Steps that need a whole host: real packages, a real kernel, systemd, real servers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hosts import Hosts, on

from provision.lab import openssh

sys.path.append(str(Path(__file__).parents[1] / "steps_more"))
from steps_bench import Bench, planned_then_done

from provision.steps.apt import NoPackages, Packages
from provision.steps.cron import Job, NoJob
from provision.steps.debconf import Answers
from provision.steps.files import File
from provision.steps.git import Checkout
from provision.steps.hosts import HostsEntry
from provision.steps.kernel import Module, Sysctl
from provision.steps.limits import Limits
from provision.steps.locale import Locale
from provision.steps.logrotate import NoRotation, Rotation
from provision.steps.mounts import Mount, NoMount
from provision.steps.nftables import Firewall
from provision.steps.repository import NoRepository, Repository
from provision.steps.services import Service
from provision.steps.swap import SwapFile
from provision.steps.ufw import Ufw
from provision.steps.users import User

pytestmark = pytest.mark.lab
NAME = "t-s1"


@pytest.fixture
def bench(lab_hosts: Hosts, tmp_path: Path) -> Iterator[Bench]:
    """Runs steps on the host t-s1, whose state these tests share."""
    found = Bench(tmp_path)
    found.argv = openssh.argv(lab_hosts.one(NAME), batch=True)
    yield found


@pytest.mark.at_length
def test_locale(bench: Bench) -> None:
    bench.cycle(Packages(["locales"]))
    bench.cycle(Locale("de_DE.UTF-8"))
    assert "de_DE.utf8" in on(NAME, "locale", "-a")
    on(NAME, "sed", "-i", "s/^LANG=.*/LANG=C/", "/etc/default/locale")
    bench.cycle(Locale("de_DE.UTF-8"))
    bench.fails(Locale("de_XX.UTF-8"), "glibc has no locale")


def test_packages_and_what_needs_them_in_one_plan(bench: Bench) -> None:
    steps = (
        Packages(["cron", "logrotate"]),
        Job("t", "*/5 * * * *", ["/usr/bin/touch", "/run/t-cron"]),
        Rotation("t", "/var/log/t.log", keep=2, create="0640 root adm", after=[["/usr/bin/true"]]),
    )
    planned = bench.run(*steps, *steps, plan=True)
    assert [o.state for o in planned] == ["changed"] * 3 + ["ok"] * 3, [o.error for o in planned]
    real = bench.run(*steps, *steps)
    assert [o.state for o in real] == ["changed"] * 3 + ["ok"] * 3, [o.error for o in real]
    assert [o.diff for o in real] == [o.diff for o in planned]
    bench.fails(Rotation("t", "/var/log/t.log", create="0640 nobody-here adm"), "judging")
    for gone in (NoJob("t"), NoRotation("t")):
        bench.cycle(gone)


def test_mount_and_sysctl_and_hosts_and_limits(bench: Bench) -> None:
    bench.cycle(Mount("/mnt/t", "tmpfs", "tmpfs", "size=1m"))
    assert on(NAME, "findmnt", "-no", "FSTYPE", "/mnt/t") == "tmpfs"
    on(NAME, "umount", "/mnt/t")
    assert [c.what for c in bench.cycle(Mount("/mnt/t", "tmpfs", "tmpfs", "size=1m")).diff] == ["mounted"]
    bench.cycle(Mount("/mnt/t", "tmpfs", "tmpfs", "size=2m"))
    assert "size=2048k" in on(NAME, "findmnt", "-no", "OPTIONS", "/mnt/t")
    bench.cycle(NoMount("/mnt/t"))
    bench.cycle(Sysctl("60-t", {"net.ipv4.ip_forward": 1}))
    assert on(NAME, "cat", "/proc/sys/net/ipv4/ip_forward") == "1"
    bench.cycle(Sysctl("60-t"))
    # no cycle: the lab itself writes the names of its hosts into /etc/hosts whenever one comes or goes
    assert [o.state for o in bench.run(HostsEntry("192.0.2.7", "seven.test"))] == ["changed"]
    assert on(NAME, "getent", "hosts", "seven.test").startswith("192.0.2.7")
    assert [o.state for o in bench.run(HostsEntry("192.0.2.7"))] == ["changed"]
    assert on(NAME, "getent", "hosts", "seven.test", check=False) == ""
    bench.cycle(Limits("root", {"nofile": 4096}))
    bench.cycle(Limits("root"))
    bench.fails(Module("no-such-module"), "loading the kernel module", plan=False)
    bench.settled(Module("no-such-module", present=False))


def test_swap_that_this_kind_of_host_cannot_use_is_said(bench: Bench) -> None:
    bench.fails(SwapFile(1), "using the swap file", plan=False)
    assert "/swapfile" not in on(NAME, "cat", "/etc/fstab")
    bench.cycle(SwapFile(0))


def test_firewalls_never_shut_us_out(bench: Bench) -> None:
    bench.cycle(Packages(["ufw"]))
    bench.cycle(Ufw(["80", "5432 from 10.0.0.0/8", "443 from 2001:db8::/32"]))
    assert "Status: active" in on(NAME, "ufw", "status")
    on(NAME, "ufw", "delete", "allow", "proto", "tcp", "from", "any", "to", "any", "port", "80")
    on(NAME, "ufw", "allow", "81/tcp")
    bench.cycle(Ufw(["80", "90-95"], exclusive=True))
    said = on(NAME, "ufw", "status")
    assert "81/tcp" not in said and "90:95/tcp" in said and "22/tcp" in said
    bench.cycle(Ufw(enabled=False))

    bench.cycle(Packages(["nftables"]))
    bench.cycle(Firewall(["80", "5432 from 10.0.0.0/8"]))
    assert "policy drop" in on(NAME, "nft", "list", "ruleset")
    on(NAME, "nft", "add", "rule", "inet", "prov", "input", "tcp", "dport", "81", "accept")
    assert [c.before for c in bench.cycle(Firewall(["80", "5432 from 10.0.0.0/8"])).diff] == ["other rules"]
    on(NAME, "systemctl", "start", "nftables")
    bench.settled(Firewall(["80", "5432 from 10.0.0.0/8"]))
    bench.fails(Firewall(rules=["tcp dport nonsense accept"]), "judging")
    bench.cycle(Firewall(present=False))


def test_debconf_and_a_repository_of_the_host_itself(bench: Bench) -> None:
    step = Answers(
        "tzdata", {"tzdata/Areas": ("select", "Europe"), "tzdata/Zones/Europe": ("select", "Rome")}
    )
    bench.cycle(step)
    on(NAME, "sh", "-c", "echo tzdata tzdata/Areas select Asia | debconf-set-selections")
    assert [c.before for c in bench.cycle(step).diff] == ["Asia"]

    uri = on(NAME, "sh", "-c", "grep -rhoE 'https?://[^ ]+' /etc/apt/sources.list* | head -n 1")
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    suite = on(NAME, "sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME") + "-backports"
    good = Repository("more", uri, [suite], ["main"], signed_by=keyring)
    bench.cycle(good)
    assert suite in on(NAME, "apt-cache", "policy")
    bench.cycle(NoRepository("more"))
    bad = Repository("more", uri, ["no-such-suite"], ["main"], signed_by=keyring)
    bench.fails(bad, "can't be used", plan=False)
    bench.settled(NoRepository("more"))
    on(NAME, "apt-get", "-q", "update")


@pytest.mark.at_length
def test_checkout_as_another_user_on_a_host_without_git(bench: Bench) -> None:
    made = "umask 022; git init -q /srv/o && cd /srv/o && git -c user.name=t -c user.email=t@t.test commit"
    steps = (Packages(["git"]), User("shop", home="/home/shop"))
    step = Checkout("/srv/o", "/home/shop/src", user="shop")
    planned = bench.run(*steps, step, step, plan=True)
    assert [o.state for o in planned] == ["changed"] * 3 + ["ok"], [o.error for o in planned]
    for each in steps:
        bench.cycle(each)
    on(NAME, "sh", "-c", f"{made} -q --allow-empty -m one && git config --system safe.directory '*'")
    bench.cycle(step)
    assert on(NAME, "stat", "-c", "%U", "/home/shop/src/.git") == "shop"
    key = File("/home/shop/key", "no key", mode=0o600, owner="shop")
    bench.run(key)
    far = Checkout("git@127.0.0.1:x.git", "/home/shop/far", user="shop", key_file="/home/shop/key")
    bench.fails(far, "Host key verification failed")


def test_a_package_starts_nothing_if_told_so(bench: Bench) -> None:
    policy = "/usr/sbin/policy-rc.d"
    on(NAME, "apt-get", "-qq", "update")
    # of a run that was killed
    on(NAME, "sh", "-c", f"printf '#!/bin/sh\\n# made by prov\\nexit 101\\n' >{policy}; chmod 755 {policy}")
    quiet, stopped = Packages("memcached", start=False), Service("memcached", running=False)
    assert [o.state for o in planned_then_done(bench, quiet, stopped)] == ["changed", "ok"]
    assert on(NAME, "ls", policy, check=False) == ""
    planned_then_done(bench, Service("memcached"))
    bench.run(NoPackages("memcached", purge=True))
    # one of the host's own holds, and stays
    on(NAME, "sh", "-c", f"printf '#!/bin/sh\\nexit 0\\n' >{policy}; chmod 755 {policy}")
    assert [o.state for o in planned_then_done(bench, quiet, Service("memcached"))] == ["changed", "ok"]
    on(NAME, "rm", policy)
    bench.run(NoPackages("memcached", purge=True))
