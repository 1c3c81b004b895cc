"""Which logrotate file handles a log, in logrotate's own reading. Shipped to hosts (Python 3.8).

If two files name the same log, logrotate reports an error for the second file, and skips all that is in it
(logrotate(8); config.c, "duplicate log entry").
"""

import glob
import re
from typing import TYPE_CHECKING, Dict, List, Sequence, Set

from provision.errors import StepError
from provision.steps.base import listed

if TYPE_CHECKING:
    from provision.system.host import System

PROGRAM = "/usr/sbin/logrotate"
MAIN = "/etc/logrotate.conf"
FOLDER = "/etc/logrotate.d"
#: output of `logrotate -d`: a folder, then names of files in it; and each log of a file
READ = re.compile(r"(?m)^(including|reading config file) (.*)$")
LOG = re.compile(r"(?m)^considering log (.*)$")
#: a path in the head of a block
QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|\S+")


def refuse_duplicates(host: "System", path: str, patterns: Sequence[str]) -> None:
    """Raise StepError that names the other file, if one already handles a log that `path` is to handle."""
    every = expanded(patterns)
    ours = set(every)
    if len(every) > len(ours):
        raise StepError(
            "paths name a log twice, and logrotate would skip the file: %s"
            % listed(sorted(log for log in ours if every.count(log) > 1)),
            hint="Give each log, or a pattern that matches it, once.",
        )
    files = [name for name in files_read(host) if name != path and host.files.exists(name)]
    coming = [name for name in predicted(host) if name != path]
    known = logs_of(host, [name for name in files if name not in coming])
    twice = dict.fromkeys(sorted(ours & known), "")
    for name in [*coming, MAIN]:
        twice.update(dict.fromkeys(ours & set(expanded(heads(host, name))), name))
    if not twice:
        return
    found: Dict[str, List[str]] = {}
    for log, where in sorted(twice.items()):
        where = where or next(name for name in files if log in logs_of(host, [name]))
        found.setdefault(where, []).append(log)
    said = "; ".join("%s has %s" % (where, listed(logs)) for where, logs in sorted(found.items()))
    raise StepError(
        "a log must be in one file of logrotate's only: %s" % said,
        hint="logrotate would skip one of the files as a whole. Take the log out of the other one, or remove that.",
    )


def expanded(patterns: Sequence[str]) -> List[str]:
    """Return the logs that patterns match; the pattern itself if it matches none (glob(3), GLOB_NOCHECK)."""
    return [log for pattern in patterns for log in glob.glob(pattern) or [pattern]]


def files_read(host: "System") -> List[str]:
    """Return paths of the files that the main file includes, in reading order."""
    said = host.ask((PROGRAM, "-d", MAIN))
    folder, found = "", []
    for what, name in READ.findall(said.stdout + said.stderr):
        if what == "including":
            folder = name
        elif name != MAIN:
            found.append(name if name.startswith("/") else "%s/%s" % (folder.rstrip("/"), name))
    return found


def logs_of(host: "System", files: Sequence[str]) -> Set[str]:
    """Return the logs that files name: existing ones, and patterns that match none."""
    if not files:
        return set()
    said = host.ask((PROGRAM, "-d", *files))
    return set(LOG.findall(said.stdout + said.stderr))


def predicted(host: "System") -> List[str]:
    """In a plan: return the files that only the plan has, so that logrotate cannot be asked about them."""
    if not host.planned:
        return []
    from provision.system.planned.planned_files import PlannedFiles

    assert isinstance(host.files, PlannedFiles)
    paths = ["%s/%s" % (FOLDER, name) for name in host.files.list(FOLDER)]
    return [path for path in paths if host.files.predicted(path)]


def heads(host: "System", path: str) -> List[str]:
    """Return the patterns in a file, each block of which begins with patterns: \"/var/log/a.log {\"."""
    found: List[str] = []
    inside = False
    text = host.files.read(path).decode(errors="replace") if host.files.exists(path) else ""
    for line in map(str.strip, text.splitlines()):
        if inside:
            inside = not line.startswith("}")
        elif line.startswith(("/", '"', "'", "{")):
            found += [word.strip("\"'") for word in QUOTED.findall(line.partition("{")[0])]
            inside = "{" in line
    return found
