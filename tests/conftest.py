"""For all tests: what they need of this machine, checked before the first one runs."""

from __future__ import annotations

import os
from pathlib import Path

import drawnresults
import mounts
import needs
import pytest
import trustresults
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent

# how long a busy machine takes to draw or to run an example says nothing of prov
settings.register_profile("prov", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("prov")


def folders(arguments: list[str]) -> set[str]:
    """The folders of tests that pytest was asked for, by their names."""
    found: set[str] = set()
    for argument in arguments:
        path = Path(argument.partition("::")[0]).absolute()
        if path.is_relative_to(TESTS) and path != TESTS:
            found.add(path.relative_to(TESTS).parts[0])
        elif TESTS.is_relative_to(path):
            found.update(child.name for child in TESTS.iterdir())
    return found & set(needs.NEEDS)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to begin where a program or root is missing: thousands of failures would hide the reason."""
    if hasattr(config, "workerinput"):
        return  # a process of pytest-xdist: the first one has looked, and gets its reports
    config.pluginmanager.register(drawnresults.plugin(), "prov-drawn-results")
    config.pluginmanager.register(trustresults.Results(config), "prov-trust-results")
    wanted = folders(config.args)
    complaint = needs.complaint(wanted, os.geteuid())
    if complaint:
        raise pytest.UsageError(complaint)
    if wanted & {"agent", "steps_more", "steps_past"}:
        config.add_cleanup(mounts.room_for_overlays())
    if wanted & {"lab", "prove", "vagrant"}:
        mounts.off_overlays()


pytest_collection_modifyitems = trustresults.pytest_collection_modifyitems
