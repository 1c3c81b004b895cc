"""Write test results of roles as JUnit XML for CI servers.

Each trial is a suite, each stage and test a case.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from provision.controller.visible import visible
from provision.testing.results import Finished, StageDone, TestResult, TrialDone
from provision.testing.trial_report import failure


def write_junit(path: Path, finished: Finished) -> None:
    """Write the results to a file. Raises OSError."""
    root = ET.Element("testsuites", name="prov test")
    for trial in finished.trials:
        suite(root, trial, finished.of(trial.trial))
    ET.indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def suite(root: ET.Element, trial: TrialDone, stages: list[StageDone]) -> None:
    """Add a suite for one trial."""
    found = ET.SubElement(root, "testsuite", name=trial.trial.name, time=f"{trial.seconds:.3f}")
    where = f"{trial.trial.subject}.{trial.trial.image}"
    for stage in stages:
        # the messages of its tests are not repeated
        own = "\n".join(line.text for line in failure(stage)) if not stage.tests else stage.why
        case(found, where, stage.stage, stage.state, stage.seconds, stage.why, own)
        for test in stage.tests:
            tested(found, f"{where}.{stage.stage}", test)
    if trial.error is not None:
        case(found, where, "remove", "failed", 0.0, trial.error.message, str(trial.error))
    cases = list(found.iter("testcase"))
    found.set("tests", str(len(cases)))
    for kind, name in (("failure", "failures"), ("skipped", "skipped")):
        found.set(name, str(sum(each.find(kind) is not None for each in cases)))
    found.set("errors", "0")


def tested(parent: ET.Element, where: str, test: TestResult) -> None:
    """Add a case for one of pytest's tests."""
    case(parent, where, f"{test.name} ({test.host})", test.state, test.seconds, test.why, test.text)


def case(parent: ET.Element, where: str, name: str, state: str, seconds: float, why: str, text: str) -> None:
    """Add a case for a stage or a test."""
    found = ET.SubElement(parent, "testcase", classname=where, name=name, time=f"{seconds:.3f}")
    if state != "passed":
        kind = "skipped" if state == "skipped" else "failure"
        # XML 1.0 cannot represent control characters
        ET.SubElement(found, kind, message=visible(why)).text = visible(text)
