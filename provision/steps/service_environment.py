"""Environment files of services. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, Dict, List

from provision.secrets import MASK
from provision.steps.base import Change, Diff, step, wanted
from provision.steps.files import File

if TYPE_CHECKING:
    from provision.system.host import System

#: an assignment as systemd_environment (system/writers.py) writes it; newlines are kept in the quotes
ASSIGNMENT = re.compile(r'^([A-Za-z_][A-Za-z0-9_]*)=("(?:[^"\\]|\\.)*")$', re.MULTILINE | re.DOTALL)


@wanted()
class EnvironmentFile(File):
    """A file that systemd reads as EnvironmentFile= (systemd.exec(5)). Changes are shown by the names of variables.

    content: a Secret, with each value in double quotes.
    """

    def check(self, host: "System") -> Diff:
        diff = super().check(host)
        if not any(change.what == "content" for change in diff.changes):
            return diff
        now = host.files.stat(self.path)
        before = host.files.read(self.path) if now is not None and now.kind == "file" else b""
        return diff._replace(changes=[*diff.changes, *changed(before, host.fetch(self.source))])


def changed(before: bytes, after: bytes) -> List[Change]:
    """Return the variables that differ between two texts, without their values."""
    old, new = (entries_of(text.decode("utf-8", "surrogateescape")) for text in (before, after))
    return [
        Change("variable %s" % name, MASK if name in old else "", MASK if name in new else "")
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def entries_of(text: str) -> Dict[str, str]:
    """Return the entries of an environment file that prov has written: name -> value as written there."""
    return dict(ASSIGNMENT.findall(text))


environment_file = step(EnvironmentFile)
