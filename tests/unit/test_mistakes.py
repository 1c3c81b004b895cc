"""Unforeseen exceptions: told by the project's own line."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.run.mistakes import as_error
from provision.values import equal


def raised(action: Callable[[], object]) -> Exception:
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_a_role_is_told_by_its_own_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "roles/shop/__init__.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import json\n\n\ndef go():\n    return inner()\n\n\ndef inner():\n    return json.loads('{')\n"
    )
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("shop", path)
    assert spec is not None and spec.loader is not None
    role = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(role)
    error = as_error(raised(role.go))
    assert error.where == "roles/shop/__init__.py:9"
    assert error.message.startswith("JSONDecodeError: Expecting property name")
    assert f'File "{path}", line 5, in go' in error.hint and "decoder.py" in error.hint
    assert "JSONDecodeError" not in error.hint, "that is said already"
    assert "/provision/" not in error.hint


def test_a_mistake_of_prov_has_the_end_of_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.controller.calling.is_ours", lambda path: True)
    error = as_error(raised(lambda: equal(1, 1) and 1 / 0))
    assert error.where == "" and "ZeroDivisionError" in error.hint
