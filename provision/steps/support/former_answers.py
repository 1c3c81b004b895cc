"""Answers to questions of packages that a run gave: taken back by debconf itself. Shipped for undo (Python
3.8, standard library)."""

from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from provision.errors import StepError
from provision.secrets import MASK
from provision.steps.base import Change
from provision.steps.support.debconf_store import Stored, read_back, stored

if TYPE_CHECKING:
    from provision.system.host import System

#: what labels of debconf.answers begin with
LABEL = "debconf answers for "


class Given(NamedTuple):
    """An answer that a run gave. before, after: as differences have them."""

    package: str
    question: str
    before: str
    after: str

    def change(self) -> Change:
        return Change("answer to %s" % self.question, self.after, self.before)


def given(steps: Sequence[Dict[str, Any]]) -> List[Given]:
    """Return the answers of a run's steps, each from first to last. steps: as of Runs.steps."""
    found: Dict[Tuple[str, str], Given] = {}
    for step in steps:
        if not step["step"].startswith(LABEL) or step["state"] != "changed":
            continue
        package = step["step"][len(LABEL) :]
        for question, before, after in (change[:3] for change in step.get("diff", ())):
            first = found.get((package, question))
            found[package, question] = Given(package, question, first.before if first else before, after)
    return list(found.values())


class FormerAnswers:
    """Answers to take back.  stays: those that can't be, and why."""

    def __init__(self, host: "System", steps: Sequence[Dict[str, Any]]) -> None:
        self.host = host
        self.stays: List[str] = []
        self.work: List[Given] = []
        self._all = given(steps)
        known = stored(host) if self._all else {}
        for each in self._all:
            self._judge(each, known.get(each.question))

    def labels(self) -> List[str]:
        """Return the steps whose commands are all undone: what stays is named for itself."""
        return [LABEL + each.package for each in self._all]

    def put_back(self) -> None:
        """Take back the answers. Raises StepError."""
        for package in dict.fromkeys(each.package for each in self.work):
            lines = [line for each in self.work if each.package == package for line in commands(each)]
            text = "".join(line + "\n" for line in ["CAPB escape", *lines])
            environment = {"DEBIAN_FRONTEND": "noninteractive"}
            argv = ("debconf-communicate", package)
            done = self.host.run(argv, stdin=text.encode(), environment=environment)
            refused = [said for said in done.stdout.splitlines() if not said.startswith("0")]
            if refused:
                raise StepError("taking back answers for %s: debconf says %r" % (package, refused[0]))

    def _judge(self, each: Given, now: "Optional[Stored]") -> None:
        """Sort an answer into work and stays."""
        if now is None or now.shown() == each.before:
            # the package has gone with its questions, or it was put back by hand
            return
        hidden = MASK in each.after
        if hidden and not now.value:
            # an installed package forgets a password
            return
        if not hidden and now.shown() != each.after:
            self.stays.append("the answer to %s (changed since)" % each.question)
        elif MASK in each.before:
            self.stays.append("the answer to %s (the former one is secret)" % each.question)
        else:
            self.work.append(each)


def commands(each: Given) -> List[str]:
    """Return what debconf has to be told (debconf-devel(7))."""
    if not each.before:
        return ["UNREGISTER %s" % each.question]
    was = read_back(each.before)
    value = was.value.replace("\\", "\\\\").replace(" ", "\\ ")
    seen = "true" if was.seen else "false"
    return ["SET %s %s" % (each.question, value), "FSET %s seen %s" % (each.question, seen)]
