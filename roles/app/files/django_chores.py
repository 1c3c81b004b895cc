"""A project's manage.py, as prov has its chores run. Made by prov.

What the front sees to is not a finding of `check --deploy`, and a project without a database has nothing to migrate.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from django.core.checks.messages import CheckMessage
from django.core.exceptions import ImproperlyConfigured

#: ids of Django's checks that something before the application answers for ("System check framework", "Security")
COVERED = os.environ.get("PROV_COVERED", "").split()
HINT = (
    "Settle these, or name them in SILENCED_SYSTEM_CHECKS. `django: {check_deploy: false}` in the inventory switches "
    "the check off for this application."
)


class Checks:
    """Messages of Django's checks, as they were before."""

    is_silenced = CheckMessage.is_silenced


def is_silenced(message: CheckMessage) -> bool:
    """Whether a message is none."""
    return message.id in COVERED or bool(Checks.is_silenced(message))


def has_database() -> bool:
    """Whether the project names one."""
    from django.conf import settings

    return any(
        each.get("ENGINE", "").rpartition(".")[2] != "dummy" for each in settings.DATABASES.values() if each
    )


def main(manage: str, *arguments: str) -> None:
    """Run manage.py with these arguments."""
    sys.argv = [manage, *arguments]
    sys.path.insert(0, str(Path(manage).absolute().parent))
    CheckMessage.is_silenced = is_silenced
    try:
        runpy.run_path(manage, run_name="__main__")
    except SystemExit as end:
        if end.code and arguments[0] == "check":
            raise SystemExit(HINT) from None
        raise
    except ImproperlyConfigured:
        if arguments[0] != "migrate" or has_database():
            raise


if __name__ == "__main__":
    main(*sys.argv[1:])
