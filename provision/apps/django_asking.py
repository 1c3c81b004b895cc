"""Asks a Django project for its settings, in its own environment: some are only known by running its code.

The code is a stranger's: root does not run it (decision D15), and only an environment in the folder is used.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from provision.apps.django_reading import ROOT

#: seconds
ASKING = 30
QUESTION = """
import json, sys
from django.conf import settings
sys.stdout.write("\\n" + json.dumps({name: str(getattr(settings, name, "") or "") for name in sys.argv[1:]}))
"""


def environment_of(folder: Path) -> Path | None:
    """Return the Python of an environment in a project's folder; None if there is none."""
    found = (folder / name / "bin/python" for name in (".venv", "venv", "env"))
    return next((path for path in found if path.exists()), None)


def asked(folder: Path, settings: str, names: Sequence[str]) -> dict[str, str]:
    """Return settings of a project; empty if they can't be asked for. folder: of manage.py.

    Paths below the folder begin with ROOT, as those that were read.
    """
    python = environment_of(folder)
    if python is None or os.geteuid() == 0:
        return {}
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": settings, "PYTHONPATH": str(folder)}
    try:
        answered = subprocess.run(
            [str(python), "-c", QUESTION, *names],
            cwd=folder,
            env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASKING,
            check=True,
        )
        found = json.loads(answered.stdout.decode(errors="replace").rpartition("\n")[2])
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    return {name: below(folder, str(value)) for name, value in found.items() if value}


def below(folder: Path, value: str) -> str:
    """Return a path below the folder as one below ROOT; other texts unchanged."""
    return f"{ROOT}/{os.path.relpath(value, folder)}" if value.startswith(f"{folder}/") else value
