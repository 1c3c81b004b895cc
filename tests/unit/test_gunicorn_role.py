"""The role gunicorn: versions of it that the application's requirements name, and its own gunicorn.conf.py."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from roles import gunicorn

REPOSITORY = Path(gunicorn.__file__).parents[2]
FILE = REPOSITORY / "roles/gunicorn/files/gunicorn_prov.py"


def settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What gunicorn reads of the file, in an application's folder."""
    package = ModuleType("gunicorn")
    vars(package).update(version_info=(20, 1, 0))
    monkeypatch.setitem(sys.modules, "gunicorn", package)
    monkeypatch.setitem(sys.modules, "gunicorn.util", ModuleType("gunicorn.util"))
    monkeypatch.chdir(folder)
    return runpy.run_path(str(FILE))


def test_script_name_of_a_request_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(tmp_path, monkeypatch)
    assert found["forwarder_headers"] == ""
    assert found["util"].set_owner_process(1, 1, initgroups=False) is None


def test_a_query_may_be_as_long_as_for_other_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(tmp_path, monkeypatch)["limit_request_line"] == 8190
    (tmp_path / "gunicorn.conf.py").write_text("limit_request_line = 2000\n")
    assert settings(tmp_path, monkeypatch)["limit_request_line"] == 2000


def test_own_gunicorn_conf_still_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "import os\nforwarder_headers = 'SCRIPT_NAME'\n"
        "def post_fork(server, worker):\n    return os.path.basename(__file__)\n"
    )
    (tmp_path / "gunicorn.conf.py").write_text(text)
    found = settings(tmp_path, monkeypatch)
    assert found["post_fork"](None, None) == "gunicorn.conf.py"
    assert found["forwarder_headers"] == ""


def test_older_gunicorn_knows_all_options(monkeypatch: pytest.MonkeyPatch) -> None:
    # gunicorn 20.1: what its command line takes; an option that it does not know ends it
    known = {
        *("--config", "--workers", "--worker-class", "--threads", "--timeout", "--graceful-timeout"),
        *("--max-requests", "--max-requests-jitter", "--worker-tmp-dir", "--error-logfile"),
    }
    app = SimpleNamespace(name="shop", workers=None, interface="wsgi", timeout=30)
    release = SimpleNamespace(app=app, instance_link=lambda here: f"/srv/shop/instances/{here}")
    host: Any = SimpleNamespace(
        facts=SimpleNamespace(cpus=2), role_file=lambda kind, name: FILE.parents[1] / kind / name
    )
    program = gunicorn.program(host, release, gunicorn.Gunicorn())  # type: ignore[arg-type]
    words = [word.partition("=")[0] for words in program.argv for word in words.split()]
    assert {word for word in words if word.startswith("--")} <= known
