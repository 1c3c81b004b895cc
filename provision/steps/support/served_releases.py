"""Which applications a run has turned to other releases, read from its record. Shipped to hosts (Python 3.8)."""

import re
from typing import Any, Dict, List, Sequence

#: the link to the release in service (steps/releases.py), and a release in words about it
CURRENT = re.compile(r"(?:^|link )/srv/([^/ ]+)/current\Z")
RELEASE = re.compile(r"releases/([^/ ]+)")


def turned(steps: Sequence[Dict[str, Any]]) -> List[Dict[str, str]]:
    """Return app, before and after (releases, "" for none) and why for each application. steps: as of Runs.steps."""
    found = []
    for step in steps:
        link = CURRENT.search(step["step"])
        for change in step.get("diff", ()) if step["state"] == "changed" else ():
            what, before, after = (*change, "", "")[:3]
            name = link if link and what in ("target", "new link") else CURRENT.match(what)
            if name:
                why = step.get("why", "") if name is link else ""
                found.append({"app": name.group(1), "before": one(before), "after": one(after), "why": why})
    return found


def one(text: str) -> str:
    """Return the release that a text names; "" if it names none."""
    release = RELEASE.search(text)
    return release.group(1) if release else ""


def in_words(turns: Sequence[Dict[str, str]]) -> str:
    """Return `shop da15adf -> c5fe8e1, api removed`."""
    return ", ".join(
        "%s %s"
        % (turn["app"], " -> ".join(filter(None, (turn["before"][:7], turn["after"][:7] or "removed"))))
        for turn in turns
    )
