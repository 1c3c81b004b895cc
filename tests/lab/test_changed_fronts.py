"""While one front takes over from another, no connection is refused or reset, even if something fails.

More of it: `make prove`, tests/prove/test_every_change.py.
"""

from __future__ import annotations

import os
import signal
import time

import pytest
from helpers.changing_fronts import WELL, Changing
from helpers.cli import finish, prov, start
from helpers.cutting import running_agent
from helpers.exactness import judge
from helpers.hosts import Hosts, on
from helpers.samples import sample

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

NAME = "t-turn"


@pytest.fixture(scope="module")
def changing(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Changing:
    return Changing(lab_hosts, tmp_path_factory.mktemp("changing"), NAME)


@pytest.mark.parametrize("nth", sample(["there", "back"], 2))
def test_no_connection_is_refused_while_the_front_changes(changing: Changing, nth: str) -> None:
    old, new = changing.turn()
    with changing.asked() as said:
        verdict = judge(changing.project.folder, NAME, f"{old} to {new}")
    assert (verdict.exact, verdict.failed) == (True, ""), verdict
    assert set(said) == WELL, said
    assert (changing.active(old), changing.active(new)) == (False, True)


def test_the_plan_says_so(changing: Changing) -> None:
    old, new = changing.turn()
    planned = prov("plan", NAME, cwd=changing.project.folder, status=3)
    (step,) = [step for step in planned.steps(NAME) if step["step"] == f"service {new}"]
    said = {change["what"]: (change["before"], change["after"]) for change in step["diff"]}
    assert said["connections to 80, 443"] == ("accepted", "accepted throughout")
    assert (changing.active(old), changing.active(new)) == (True, False), "a plan changes nothing"


def test_the_old_front_serves_on_if_the_new_one_does_not_start(changing: Changing) -> None:
    old, new = changing.turn()
    folder = f"/etc/systemd/system/{new}.service.d"
    broken = f"{folder}/broken.conf"
    on(NAME, "mkdir", "-p", folder)
    on(
        NAME,
        "sh",
        "-c",
        f"printf '[Service]\\nExecStartPre=/bin/false\\n' >{broken}; systemctl daemon-reload",
    )
    with changing.asked() as said:
        run = changing.deploy(status=1)
        assert f"{new}.service" in str(run.errors)
        assert (changing.active(old), changing.active(new)) == (True, False)
        on(NAME, "sh", "-c", f"rm {broken}; systemctl daemon-reload")
        changing.deploy(status=0)
    assert set(said) == WELL, said
    assert (changing.active(old), changing.active(new)) == (False, True)


@pytest.mark.parametrize("after", sample([0.0, 0.02, 0.05, 0.1, 0.3], 5))
def test_a_deploy_that_is_killed_leaves_a_front(changing: Changing, after: float) -> None:
    """Killed once both run: the next deploy ends what this one has begun."""
    old, new = changing.turn()
    with changing.asked() as said:
        running = start("deploy", NAME, cwd=changing.project.folder)
        on(NAME, "timeout", "60", "sh", "-c", f"until systemctl -q is-active {new}; do sleep 0.01; done")
        time.sleep(after)
        agent = running_agent(NAME)
        if agent:
            os.kill(agent, signal.SIGKILL)
        finish(running)
        assert changing.active(new)
        changing.deploy(status=0)
    assert set(said) == WELL, said
    assert (changing.active(old), changing.active(new)) == (False, True)
    assert prov("plan", NAME, cwd=changing.project.folder).status == 0
