"""Which applications a run has turned to other releases, or built some for, read from its record. Shipped to hosts
(Python 3.8)."""

import re
from typing import Any, Dict, List, Sequence

#: the link to the release in service (steps/releases.py), and a release in words about it
CURRENT = re.compile(r"(?:^|link )/srv/([^/ ]+)/current\Z")
RELEASE = re.compile(r"releases/([^/ ]+)")
#: the step that records what is in service (steps/releases_served.py), and its `why` if an earlier release is
SERVED = re.compile(r"release of /srv/([^/ ]+) in service\Z")
BACK = "went back"
#: the step that marks a release as built (steps/built_releases.py)
BUILT = re.compile(r"built release ([^/ ]+) in /srv/([^/ ]+)\Z")


def turned(steps: Sequence[Dict[str, Any]]) -> List[Dict[str, str]]:
    """Return app, before and after (releases, "" for none), why and how for each application.

    steps: as of Runs.steps.  how: "rollback"; "built" for a release that did not come into service; or "".
    """
    found = []
    back = {served.group(1) for served in map(SERVED.match, with_why(steps, BACK)) if served}
    for step in steps:
        link = CURRENT.search(step["step"])
        built = BUILT.match(step["step"])
        if built and step["state"] == "changed":
            turn = {"app": built.group(2), "before": "", "after": built.group(1), "why": "", "how": "built"}
            found.append(turn)
        for change in step.get("diff", ()) if step["state"] == "changed" else ():
            what, before, after = (*change, "", "")[:3]
            name = link if link and what in ("target", "new link") else CURRENT.match(what)
            if name:
                why = step.get("why", "") if name is link else ""
                app, how = name.group(1), "rollback" if name.group(1) in back else ""
                turn = {"app": app, "before": one(before), "after": one(after), "why": why, "how": how}
                found.append(turn)
    return found


def with_why(steps: Sequence[Dict[str, Any]], why: str) -> List[str]:
    """Return the names of the steps that have changed something for that reason."""
    return [step["step"] for step in steps if step["state"] == "changed" and step.get("why") == why]


def one(text: str) -> str:
    """Return the release that a text names; "" if it names none."""
    release = RELEASE.search(text)
    return release.group(1) if release else ""


def in_words(turns: Sequence[Dict[str, str]]) -> str:
    """Return `shop da15adf -> c5fe8e1, api removed`."""
    return ", ".join(
        "%s %s%s"
        % (
            turn["app"],
            " -> ".join(filter(None, (turn["before"][:7], turn["after"][:7] or "removed"))),
            " built" if turn["how"] == "built" else "",
        )
        for turn in turns
    )
