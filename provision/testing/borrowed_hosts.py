"""The hosts of one run of pytest: one that `prov test` has deployed, one that the user names, or new ones."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from provision import lab
from provision.errors import ProvError, UsageError
from provision.inventory import load
from provision.roles.project import resolve
from provision.testing.deployed import Deployed
from provision.testing.ownership import role_of
from provision.testing.provhost import ProvHost, authority_of
from provision.testing.trial_report import failure
from provision.testing.trial_runner import check_free
from provision.testing.trial_stages import Stages, TrialOptions
from provision.testing.trials import trial_of
from provision.values import dataclass


@dataclass(frozen=True)
class Lent:
    """A host for tests. deployed: what the deploy did; None if that is unknown."""

    host: ProvHost
    deployed: Deployed | None


class Lender:
    """Lends a host to each test file, and removes the hosts that it has booted.

    image, host, trial: see the plugin's options.
    """

    def __init__(self, *, image: str, host: str | None, trial: str | None) -> None:
        self._image = image
        self._host = host
        self._trial = trial
        self._lent: dict[str, Lent] = {}
        self._booted: list[str] = []
        self._folder = tempfile.TemporaryDirectory(prefix="prov-test-")

    def lend(self, path: Path) -> Lent:
        """Return the host for the tests in a file. Fails the requesting test if there can be none."""
        role = "" if self._trial or self._host else role_of(path)
        if role not in self._lent:
            try:
                lent = self._found(role, path)
                lent.host.open()
                self._lent[role] = lent
            except ProvError as error:
                why = f"{error}\n\n{error.hint}".strip()
            else:
                return self._lent[role]
            # outside the except clause, so that pytest shows the message without the exception behind it
            pytest.fail(why, pytrace=False)
        return self._lent[role]

    def close(self) -> None:
        """Remove the booted hosts."""
        for lent in self._lent.values():
            lent.host.close()
        there = [name for name in self._booted if lab.find(name)]
        if there:
            lab.down(there)
        self._folder.cleanup()

    def _found(self, role: str, path: Path) -> Lent:
        if self._trial:
            return on_trial(json.loads(Path(self._trial).read_text(encoding="utf-8")))
        if self._host:
            hosts = load().select(self._host)
            (assignment,) = resolve(hosts[:1])
            return Lent(ProvHost(assignment, authority_of(assignment)), None)
        if not role:
            raise UsageError(
                f"{path} is in no role's folder of tests, so there is no role to boot a host for",
                hint="Move it to roles/NAME/tests/, or name a host that is there: --prov-host NAME",
            )
        return self._booted_for(role)

    def _booted_for(self, role: str) -> Lent:
        """Boot a new host with a role on it."""
        authority = Path(self._folder.name) / "ca"
        trial = trial_of(role, self._image, authority)
        check_free([trial])
        stages = Stages(trial, TrialOptions(authority))
        for stage in (stages.boot, stages.deploy):
            done = stage()
            if stages.booted and trial.hosts[0] not in self._booted:
                self._booted += trial.hosts
            if done.state == "failed":
                pytest.fail("\n".join(line.text for line in failure(done)), pytrace=False)
        (assignment,) = trial.assignments
        host = ProvHost(assignment, authority_of(assignment))
        return Lent(host, stages.deployed[assignment.host.name])


def on_trial(about: dict[str, Any]) -> Lent:
    """Return the host under test in `prov test` (provision.testing.trials.save)."""
    trial = trial_of(
        about["subject"], about["image"], Path(about["authority"]), about["inventory"], about["seed"]
    )
    assignment = next(a for a in trial.assignments if a.host.name == about["host"])
    return Lent(ProvHost(assignment, authority_of(assignment)), Deployed.from_json(about["deployed"]))
