"""A plugin of pytest: for which steps the pasts of a host have been drawn, and held, is kept in docs/proofs.md.

`make prove` writes the section; a run of some of the tests leaves the rows of the others as they are.
"""

from __future__ import annotations

import datetime
import os
from typing import TypedDict

import pytest
from helpers import proofspage
from helpers.matrixpage import table

#: draws of a step from which on they are a proof
PROOF = 200

#: folder and file of drawn tests -> test -> the steps that it draws pasts for
DRAWN: dict[str, dict[str, str]] = {
    "lab/test_packages.py": {
        "test_packages_of_others": "apt.packages apt.no_packages apt.hold apt.upgrade apt.autoremove"
        " package.packages package.no_packages package.upgrade",
        "test_repositories_of_others": "repository.repository repository.no_repository",
    },
    "lab/test_drawn_units.py": {
        "test_service": "systemd.service",
        "test_unit": "systemd.unit",
        "test_drop_in_and_service": "systemd.drop_in",
        "test_no_unit": "systemd.no_unit",
        "test_masked": "systemd.masked",
        "test_default_target": "systemd.default_target",
        "test_only_instances": "systemd.only_instances",
        "test_timer": "timers.timer timers.no_timer",
        "test_socket": "systemd.socket",
        "test_mount_unit": "mount_units.mount_unit mount_units.no_mount_unit",
        "test_journald_limits": "journald.limits",
        "test_units_of_a_user": "user_units.linger user_units.user_unit user_units.user_service",
    },
    "lab/test_drawn_databases.py": {
        "test_what_others_have_made": "postgres.role postgres.database postgres.extension postgres.grant"
        " postgres.default_privileges postgres.owner postgres.setting postgres.access",
    },
    "steps_past/test_past_accounts.py": {
        "test_user": "users.user",
        "test_no_user": "users.no_user",
        "test_group": "users.group users.no_group",
        "test_ageing": "users.ageing",
    },
    "steps_past/test_past_archives.py": {"test_unpack": "fetch.unpack"},
    "steps_past/test_past_checkouts.py": {"test_checkout": "git.checkout"},
    "steps_past/test_past_files.py": {
        "test_file": "files.file files.copy files.template",
        "test_directory": "files.directory",
        "test_link": "files.link",
        "test_absent": "files.absent",
    },
    "steps_past/test_past_firewalls.py": {
        "test_firewall": "nftables.firewall",
        "test_table": "nftables.table",
        "test_ufw": "ufw.ufw",
    },
    "steps_past/test_past_keys.py": {
        "test_private_key": "keys.private_key",
        "test_self_signed": "certificates.self_signed",
        "test_request": "certificates.request",
        "test_certificate": "certificates.certificate",
        "test_valid": "certificates.valid",
        "test_key_pair": "ssh_keys.key_pair",
        "test_password_file": "passwords.password_file passwords.htpasswd",
    },
    "steps_past/test_past_mounts.py": {
        "test_mount": "mounts.mount",
        "test_no_mount": "mounts.no_mount",
        "test_swap_file": "swap.swap_file",
    },
    "steps_past/test_past_services.py": {
        "test_job": "cron.job cron.no_job",
        "test_rotation": "logrotate.rotation logrotate.no_rotation",
        "test_tmpfiles": "tmpfiles.tmpfiles",
        "test_journal": "journald.settings",
    },
    "steps_past/test_past_settings.py": {
        "test_hosts_entry": "hosts.hosts_entry",
        "test_limits": "limits.limits",
        "test_locale": "locale.locale",
        "test_timezone": "system.timezone",
        "test_module": "kernel.module",
        "test_answers": "debconf.answers",
    },
    "steps_past/test_past_system.py": {
        "test_hostname": "system.hostname",
        "test_the_file_of_sysctl_that_is_read_last_wins": "kernel.sysctl",
    },
    "steps_past/test_past_texts.py": {
        "test_line": "text.line",
        "test_block": "text.block",
        "test_replace": "text.replace",
        "test_ini_value": "text.ini_value",
    },
    "steps_past/test_past_trees.py": {
        "test_tree": "tree.tree tree.sync",
        "test_permissions": "permissions.permissions",
        "test_acl": "acl.acl",
        "test_authorized_keys": "users.authorized_keys users.no_authorized_keys",
        "test_known_host": "known_hosts.known_host",
    },
    "steps_past/test_past_work.py": {
        "test_command": "command.command",
        "test_script": "script.script script.local",
        "test_download": "fetch.download",
        "test_configuration": "configuration.configuration",
        "test_sqlite_backup": "sqlite.backup",
        "test_sysusers": "sysusers.sysusers",
        "test_service_user": "service_users.service_user",
        "test_old_releases": "releases.old_releases",
        "test_releases_before": "releases.releases_before",
        "test_waits": "wait.url wait.port wait.file wait.process wait.command",
    },
}


class Result(TypedDict):
    """What became of a drawn test. pasts: how many have been drawn.  held: whether it passed."""

    pasts: int
    held: bool
    day: str


class Results:
    """Gathers what became of the drawn tests of a run that draws as many as a proof needs."""

    def __init__(self, draws: int) -> None:
        self._draws = draws
        self._found: dict[str, Result] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        path, _, name = report.nodeid.removeprefix("tests/").partition("::")
        name = name.partition("[")[0]
        if (
            self._draws < PROOF
            or name not in DRAWN.get(path, {})
            or not (report.when == "call" or report.failed)
        ):
            return
        known = self._found.get(f"{path}::{name}", Result(pasts=0, held=True, day=""))
        self._found[f"{path}::{name}"] = Result(
            pasts=known["pasts"] + self._draws,
            held=known["held"] and report.passed,
            day=datetime.datetime.now(datetime.UTC).date().isoformat(),
        )

    def pytest_sessionfinish(self) -> None:
        if not self._found:
            return
        said = proofspage.sections(proofspage.PAGE.read_text(encoding="utf-8"))
        proofspage.write(proofspage.PASTS, report({**recorded(said[proofspage.PASTS]), **self._found}))


def plugin() -> Results:
    """Return the plugin for a run; DRAWS is the number of draws (tests/steps_past/past.py)."""
    return Results(int(os.environ.get("DRAWS", "0")))


def recorded(section: str) -> dict[str, Result]:
    """Return what earlier runs have written into the section, by the test's name."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()]
    cells = {row[0]: row[1:] for row in rows if len(row) == 4 and row[1].isdecimal()}
    return {
        f"{path}::{test}": Result(
            pasts=int(cells[names][0]), held=cells[names][1] == "yes", day=cells[names][2]
        )
        for path, tests in DRAWN.items()
        for test, steps in tests.items()
        if (names := listed(steps)) in cells
    }


def report(found: dict[str, Result]) -> list[str]:
    """The section for people."""
    rows = []
    for path, tests in DRAWN.items():
        for test, steps in tests.items():
            result = found.get(f"{path}::{test}")
            if result is None:
                rows.append([listed(steps), "no record yet", "", ""])
            else:
                held = "yes" if result["held"] else "no"
                rows.append([listed(steps), str(result["pasts"]), held, result["day"]])
    total = sum(result["pasts"] for result in found.values() if result["held"])
    return [
        f"{total} pasts that held. A past is what others have made of a host by hand or by other programs before prov",
        "comes: files with any line ends, owners, modes, lists and links; accounts, units, rules, mounts, databases,",
        "packages. It is drawn at random, with one wanted state. Held: the plan's states, differences and errors are",
        "those of the deploy, a step that fails has changed nothing, what was not asked about is as it was, the",
        "programs concerned read what was wanted, a second run changes nothing, and undo brings the past back, but for",
        "what it names beforehand.",
        "",
        table([["steps", "pasts", "held", "drawn on"], *rows]),
    ]


def listed(steps: str) -> str:
    """Return the first cell of a row."""
    return ", ".join(f"`{step}`" for step in steps.split())
