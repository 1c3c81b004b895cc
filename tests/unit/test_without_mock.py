"""Invoke without unittest.mock still has what its users' tests make."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from provision.controller import connection
assert "unittest.mock" not in sys.modules and "asyncio" not in sys.modules
import invoke
c = invoke.MockContext(run=invoke.Result("hello"))
assert c.run("ls").stdout == "hello"
c.run.assert_called_once_with("ls")
import unittest.mock
assert isinstance(c.run, unittest.mock.Mock)
"""


def test_mock_contexts_are_as_ever() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
