"""What the host remembers of runs. Shipped to hosts (Python 3.8, standard library)."""

import contextlib
import json
from typing import TYPE_CHECKING, Any, Dict

from provision.errors import StepError
from provision.steps.base import Diff, Step, step, wanted
from provision.steps.support.served_releases import turned
from provision.system.memory.past_runs import Runs

if TYPE_CHECKING:
    from provision.system.host import System


@wanted()
class History(Step):
    """The runs that changed something on the host, as JSON in the outcome's stdout. Changes nothing.

    Each run has, besides what its record says, `apps` (which releases it turned applications to) and `roles`.

    run: the number of one, to have its steps and differences as well; 0 lists all.
    """

    run: int = 0

    def label(self) -> str:
        return "history of run %d" % self.run if self.run else "history"

    def check(self, host: "System") -> Diff:
        runs = Runs(host.ledger.home)
        ids = runs.ids()
        if self.run and self.run not in ids:
            near = ", ".join(str(id) for id in sorted(ids, key=lambda id: abs(id - self.run))[:10])
            raise StepError(
                "there is no run %d on this host" % self.run, hint="The nearest are: %s" % (near or "none")
            )
        answer: Dict[str, Any] = {"runs": [runs.read(id) for id in ids if self.run in (0, id)]}
        for each in answer["runs"]:
            # a damaged record of steps does not hide the rest
            with contextlib.suppress(StepError):
                steps = runs.steps(each["id"])
                each["apps"] = turned(steps)
                each["roles"] = sorted({step["role"] for step in steps if step.get("role")})
                if not each.get("ended") and "damaged" not in each:
                    # it has not come to say so itself
                    each["changed"] = [step["step"] for step in steps]
        if answer["runs"] and answer["runs"][-1]["id"] == ids[-1] and host.ledger.busy():
            answer["runs"][-1].setdefault("state", "running")
        if self.run:
            answer["steps"] = runs.steps(self.run)
        self.scratch["stdout"] = json.dumps(answer)
        return Diff.none("%d runs" % len(ids))

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("reading changes nothing")


history = step(History)
