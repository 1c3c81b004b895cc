"""Units of applications: hardened, restarted after a crash, back after a reboot."""

from __future__ import annotations

import time

import pytest
from helpers.hosts import on, reboot
from helpers.journeys import TITLES, TWO, Journey
from helpers.web import Site

pytestmark = pytest.mark.lab


def back_within(site: Site, seconds: float) -> bool:
    """Whether a site answers as it should before that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if site.get(timeout=5).status == 200:
                return True
        except OSError:
            pass
        time.sleep(0.1)
    return False


def services() -> list[str]:
    listed = on(TWO, "systemctl", "list-units", "--plain", "--no-legend", "--state=active", "app-*@*.service")
    return [line.split()[0] for line in listed.splitlines()]


@pytest.mark.parametrize("app", ["hello", "polls"])
def test_units_are_hardened(two: Journey, app: str) -> None:
    (unit,) = [name for name in services() if name.startswith(f"app-{app}@")]
    report = on(TWO, "systemd-analyze", "security", "--no-pager", unit)
    exposure = float(report.rsplit("Overall exposure level for", 1)[1].split(":")[1].split()[0])
    assert exposure <= 2.0, report


def test_a_user_sees_nothing_of_another_application(two: Journey) -> None:
    peek = ["su", "-s", "/bin/sh", "app-hello", "-c"]
    for path in (
        "/var/lib/app-polls/db.sqlite3",
        "/etc/prov/hello.env",
        "/etc/prov/polls.env",
        "/etc/prov/tls/hello.key",
    ):
        assert on(TWO, "ls", path) == path
        assert on(TWO, *peek, f"cat {path} >/dev/null && echo seen", check=False) == ""
    sockets = on(TWO, "sh", "-c", "echo /run/app-polls/*.sock").split()
    assert len(sockets) == 1
    assert on(TWO, "stat", "-c", "%a %U %G", *sockets) == "660 root www-data"


@pytest.mark.parametrize("app", ["hello", "polls"])
def test_a_crash_is_mended(two: Journey, app: str) -> None:
    (unit,) = [name for name in services() if name.startswith(f"app-{app}@")]
    pid = on(TWO, "systemctl", "show", "-P", "MainPID", unit)
    on(TWO, "kill", "-9", pid)
    assert back_within(two.site(TWO, app), 20)
    # workers that the crash has left may answer before systemd has begun again
    end = time.monotonic() + 10
    while (now := on(TWO, "systemctl", "show", "-P", "MainPID", unit)) in ("0", pid):
        assert time.monotonic() < end, now
        time.sleep(0.1)
    assert back_within(two.site(TWO, app), 20)


def test_everything_is_back_after_a_reboot(two: Journey) -> None:
    before = services()
    reboot(TWO)
    for site in two.sites(TWO):
        assert back_within(site, 30)
        assert site.get().title
    assert services() == before
    assert set(TITLES) == {site.domain for site in two.sites(TWO)}
