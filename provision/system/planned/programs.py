"""Run predicted programs, which do not exist yet, from the packages that contain them. Shipped."""

import os
import tempfile
from typing import Any, Callable, Sequence

from provision.system.command_execution import BASE_ENVIRONMENT, Result
from provision.system.packages import deb
from provision.system.planned.planned_files import PlannedFiles

#: prefix in predicted contents that are in a package: see deb.contents
FROM = "from "


def ask(files: PlannedFiles, execute: Callable[..., Result], argv: Sequence[str], **options: Any) -> Result:
    """Run a command that only reads. Its libraries must be on the host."""
    archive, _, path = foreseen(files, argv[0]).partition(" ")
    if not path:
        return execute(argv, **options)
    # not /tmp, which many hosts mount noexec
    with tempfile.TemporaryDirectory(prefix="prov-plan-", dir="/run") as folder:
        os.chmod(folder, 0o755)
        at = "%s/%s" % (folder, os.path.basename(argv[0]))
        with open(at, "wb") as f:
            f.write(deb.file(archive, path))
        os.chmod(at, 0o755)
        return execute([at, *argv[1:]], **options)._replace(argv=argv)


def foreseen(files: PlannedFiles, program: str) -> str:
    """Return "ARCHIVE PATH" of a program that does not exist yet, but is in a package; else ""."""
    folders = [""] if "/" in program else [each + "/" for each in BASE_ENVIRONMENT["PATH"].split(":")]
    for path in (each + program for each in folders):
        if os.path.exists(path):
            return ""
        if files.exists(path):
            known = files.sha256(path)
            return known[len(FROM) :] if known.startswith(FROM) else ""
    return ""
