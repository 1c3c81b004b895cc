"""A plugin of pytest: what became of those that show what prov withstands is kept for docs/security.md.

`make security-page` writes the page from it.
"""

from __future__ import annotations

import pytest

#: the key in pytest's cache (.pytest_cache) of results by the test's name
RESULTS = "trust/results"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each report say that it is of such a test: reports cross from pytest-xdist's workers, marks do not."""
    for item in items:
        if item.get_closest_marker("trust"):
            item.user_properties.append(
                ("trust", item.originalname if isinstance(item, pytest.Function) else "")
            )


class Results:
    """Gathers what became of the marked tests of a run."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.found: dict[str, list[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        names = [str(value) for key, value in report.user_properties if key == "trust"]
        if names and (report.when == "call" or report.failed):
            path = report.nodeid.split("::")[0]
            self.found.setdefault(f"{path}::{names[0]}", []).append(report.outcome)

    def pytest_sessionfinish(self) -> None:
        if not self.found:
            return
        assert self.config.cache is not None
        kept: dict[str, list[str]] = self.config.cache.get(RESULTS, {})
        self.config.cache.set(RESULTS, {**kept, **self.found})
