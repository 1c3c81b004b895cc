"""Why a package could not be built, from what pip and uv print."""

from __future__ import annotations

import pytest

from provision.steps.support.build_errors import missing_packages, output_of

PIP = """
  error: subprocess-exited-with-error

  \u00d7 Getting requirements to build wheel did not run successfully.
  │ exit code: 1
  ╰─> [21 lines of output]
      running egg_info

      Error: pg_config executable not found.
      [end of output]

  note: This error originates from a subprocess, and is likely not a problem with pip.
error: metadata-generation-failed
"""
UV = """
  \u00d7 Failed to build `psycopg2==2.9.10`
  ├─▶ The build backend returned an error
  ╰─▶ Call to `setuptools.build_meta:__legacy__.build_wheel` failed (exit status: 1)

      [stdout]
      running egg_info

      [stderr]
      Error: pg_config executable not found.
"""


@pytest.mark.parametrize("printed", [PIP, UV])
def test_the_cause_is_what_the_build_itself_has_printed(printed: str) -> None:
    assert output_of(printed)[:2] == ["running egg_info", "Error: pg_config executable not found."]
    assert "libpq-dev" in missing_packages("\n".join(output_of(printed)))


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("error: command 'x86_64-linux-gnu-gcc' failed: No such file or directory", "gcc"),
        ("error: command 'gcc' failed: No such file or directory", "python3-dev"),
        ("fatal error: Python.h: No such file or directory", "python3-dev"),
        ("/bin/sh: 1: mysql_config: not found", "libmariadb-dev"),
        ("c/_cffi_backend.c:15:10: fatal error: ffi.h: No such file or directory", "libffi-dev"),
        ("error: can't find Rust compiler", "cargo"),
        (
            "Error: Please make sure the libxml2 and libxslt development packages are installed.",
            "libxml2-dev",
        ),
    ],
)
def test_packages_that_a_build_has_missed(line: str, package: str) -> None:
    assert package in missing_packages(line)


def test_other_failures_have_no_advice() -> None:
    assert missing_packages("ValueError: version must be a string") == []
    assert output_of("ERROR: No matching distribution found for shop") == []
