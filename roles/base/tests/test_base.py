"""The role `base`: a name, a time zone, people, a careful sshd, automatic updates."""

from __future__ import annotations

from provision.testing import Host, ProvHost


def test_name_and_time_zone(host: Host, prov_host: ProvHost) -> None:
    assert prov_host.facts.hostname == "tested"
    assert host.file("/etc/hostname").content_string == "tested\n"
    assert host.file("/etc/localtime").linked_to.endswith("/Europe/Berlin")


def test_people(host: Host, prov_host: ProvHost) -> None:
    for name in ("ada", "bob"):
        assert host.user(name).shell == "/bin/bash"
        keys = host.file(f"/home/{name}/.ssh/authorized_keys")
        assert (keys.user, keys.mode) == (name, 0o600)
        assert host.file(f"/home/{name}/.ssh").mode == 0o700
    may = {
        name: prov_host.run(["runuser", "-u", name, "--", "sudo", "-n", "true"]).status
        for name in ("ada", "bob")
    }
    assert may["ada"] == 0
    assert may["bob"] != 0


def test_sshd(prov_host: ProvHost) -> None:
    said = dict(line.split(" ", 1) for line in prov_host.run(["sshd", "-T"]).stdout.splitlines())
    assert said["passwordauthentication"] == "no"
    assert said["permitrootlogin"] in ("prohibit-password", "without-password")
    assert said["x11forwarding"] == "no"
    with prov_host.connected(22) as connection:
        assert connection.recv(64).startswith(b"SSH-2.0-")


def test_updates(host: Host) -> None:
    assert host.package("unattended-upgrades").is_installed
    said = host.check_output("apt-config dump APT::Periodic")
    assert 'APT::Periodic::Unattended-Upgrade "1"' in said
    for timer in ("apt-daily.timer", "apt-daily-upgrade.timer"):
        assert host.service(timer).is_enabled
        assert host.service(timer).is_running
