"""Run pytest on the tests of a host, and parse the results."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from provision.testing.results import TestResult
from provision.testing.trials import Trial, save
from provision.values import dataclass

#: for all tests of one host
SECONDS = 1800
#: pytest's ExitCode
NOTHING_COLLECTED = 5


@dataclass(frozen=True)
class TestResults:
    """The results of pytest.

    tests: one by one.  output: pytest's whole output, if it could not run the tests.
    """

    tests: Sequence[TestResult]
    output: str = ""


def verify(
    trial: Trial,
    host: str,
    authority: Path,
    deployed: Sequence[Mapping[str, Any]],
    only: str = "",
    started: Callable[[subprocess.Popen[str]], None] = lambda _process: None,
) -> TestResults:
    """Run the tests of one host.

    only: pytest's -k.  started: called with the process, so that it can be ended early.
    """
    with tempfile.TemporaryDirectory(prefix="prov-test-") as folder:
        about, found = Path(folder) / "trial.json", Path(folder) / "found.xml"
        save(about, trial, host, authority, deployed)
        argv = [sys.executable, "-m", "pytest", "-q", "-p", "prov", "-p", "no:cacheprovider"]
        argv += [f"--prov-trial={about}", f"--junitxml={found}", "-o", "junit_family=xunit2"]
        argv += [*(["-k", only] if only else [])]
        process = subprocess.Popen(
            [*argv, *map(str, trial.tests[host])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        started(process)
        try:
            output, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            return TestResults((), f"the tests did not end within {SECONDS} s\n{output}")
        if process.returncode in (0, 1, 2, NOTHING_COLLECTED) and found.is_file():
            tests = parse(found.read_text(encoding="utf-8"), host)
            if tests or process.returncode == NOTHING_COLLECTED:
                return TestResults(tests)
        return TestResults((), output)


def parse(xml: str, host: str) -> list[TestResult]:
    """Return the tests in pytest's JUnit XML. A test whose teardown fails too is listed once."""
    tests: dict[tuple[str, str], TestResult] = {}
    for case in ET.fromstring(xml).iter("testcase"):
        state, why, text = "passed", "", ""
        for kind in ("failure", "error", "skipped"):
            for said in case.findall(kind):
                state = "skipped" if kind == "skipped" else "failed"
                why, text = said.get("message", "").split("\n")[0], said.text or ""
        key = case.get("classname", ""), case.get("name", "")
        if state != "passed" or key not in tests:
            tests[key] = TestResult(host, key[1], state, float(case.get("time", 0)), why, text)
    return list(tests.values())
