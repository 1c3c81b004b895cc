"""The step `line_in_file`:  pytest steps    (no host is needed, and nothing on this machine changes)"""

from __future__ import annotations

import pytest

from provision.errors import ConfigError
from provision.steps import files
from provision.testing import StepHost
from steps.line_in_file import line_in_file

PATH = "/etc/line_in_file.conf"


def test_it_adds_the_line_once(step_host: StepHost) -> None:
    files.file(step_host, PATH, "one\n")
    assert [c.after for c in line_in_file(step_host, PATH, "two").diff] == ["two"]
    assert step_host.read(PATH) == "one\ntwo\n"
    assert not line_in_file(step_host, PATH, "two").changed


def test_a_file_that_is_missing_is_made(step_host: StepHost) -> None:
    assert not step_host.exists(PATH)
    line_in_file(step_host, PATH, "one")
    assert step_host.read(PATH) == "one\n"


@pytest.mark.parametrize(("path", "line"), [("line_in_file.conf", "one"), (PATH, "one\ntwo"), (PATH, "")])
def test_what_makes_no_sense_is_refused(step_host: StepHost, path: str, line: str) -> None:
    with pytest.raises(ConfigError):
        line_in_file(step_host, path, line)
