"""Accounts that are someone's: a service never takes them over, and nobody's home changes under them."""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from agent_sessions import Agents, private_etc
from test_cases import submit

from provision.controller.outcome import Outcome
from provision.steps.base import Step
from provision.steps.prune import Prune
from provision.steps.service_users import MARK, ServiceUser
from provision.steps.undo import Undo
from provision.steps.users import User

NOBODY = pwd.getpwnam("nobody")


class Accounts:
    """Steps on a copy of this machine's /etc, with further lines of passwd."""

    def __init__(self, agents: Agents, root: Path) -> None:
        self.agents, self.root = agents, root
        (root / "etc").mkdir(mode=0o755)

    def are(self, *lines: str) -> None:
        passwd = Path("/etc/passwd").read_text()
        (self.root / "etc/passwd").write_text(passwd + "".join(line + "\n" for line in lines))

    def line(self, name: str) -> str:
        lines = (self.root / "etc/passwd").read_text().splitlines()
        return next((line for line in lines if line.startswith(name + ":")), "")

    def run(self, *steps: Step, plan: bool = False) -> list[Outcome]:
        with self.agents.session(plan=plan, wrap=private_etc(self.root)) as session:
            return [submit(session, step) for step in steps]

    def refused(self, step: Step) -> tuple[str, str]:
        """The message and the hint of a step that plan and deploy refuse alike."""
        (planned,), before = self.run(step, plan=True), self.line("bob")
        (real,) = self.run(step)
        assert planned.error is not None
        assert real.error is not None
        assert (planned.error.message, planned.error.hint) == (real.error.message, real.error.hint)
        assert self.line("bob") == before
        return real.error.message, real.error.hint


@pytest.fixture
def accounts(agents: Agents, root: Path) -> Accounts:
    return Accounts(agents, root)


@pytest.mark.trust("10", "same-user")
@pytest.mark.parametrize(
    "line",
    [
        "bob:x:60001:60001:Bob:/home/bob:/bin/bash",
        # a package's, which has its data there; and root by another name
        "bob:x:998:998::/var/lib/bob:/usr/sbin/nologin",
        "bob:x:0:0::/var/lib/bob:/usr/sbin/nologin",
        f"bob:x:60001:60001:{MARK}:/var/lib/bob:/usr/sbin/nologin",
        f"bob:x:998:998:{MARK}:/var/lib/bob:/bin/sh",
    ],
)
def test_an_account_that_is_somebodys_is_not_taken(accounts: Accounts, line: str) -> None:
    accounts.are(line)
    message, hint = accounts.refused(ServiceUser("bob", home="/var/lib/bob", said_in="inventory.yml:12"))
    assert message.startswith(
        "inventory.yml:12: bob is an account of this host already, and not one for this"
    )
    assert "leave out `user`" in hint


@pytest.mark.trust("10", "same-user")
def test_an_account_of_the_same_run_is_a_persons_too(accounts: Accounts) -> None:
    accounts.are()
    for plan in (True, False):
        person, service = accounts.run(
            User("bob", home=f"{accounts.root}/bob", make_home=False),
            ServiceUser("bob", home="/var/lib/bob"),
            plan=plan,
        )
        assert (person.state, service.state) == ("changed", "failed")


def test_what_prov_made_earlier_goes_on_working(accounts: Accounts) -> None:
    accounts.are()
    step = ServiceUser("shop", home="/var/lib/shop")
    (planned,), (made,) = accounts.run(step, plan=True), accounts.run(step)
    assert planned.diff == made.diff
    assert accounts.line("shop").split(":")[4:] == [MARK, "/var/lib/shop", "/usr/sbin/nologin"]
    assert accounts.run(step)[0].state == "ok"
    # as an older prov made it, and someone gave it a shell
    passwd = accounts.root / "etc/passwd"
    passwd.write_text(passwd.read_text().replace(MARK, "").replace("shop:/usr/sbin/nologin", "shop:/bin/sh"))
    assert accounts.run(step)[0].state == "ok"
    assert accounts.line("shop").endswith(":/bin/sh")


def test_a_host_without_records_still_knows_them(accounts: Accounts) -> None:
    accounts.are(
        f"shop:x:998:998:{MARK}:/var/lib/shop:/usr/sbin/nologin",
        "app-news:x:997:997::/var/lib/app-news:/usr/sbin/nologin",
    )
    steps = [ServiceUser("shop", home="/var/lib/shop"), ServiceUser("app-news", home="/var/lib/app-news")]
    assert [outcome.state for outcome in accounts.run(*steps)] == ["ok", "ok"]


# -- homes in use; the ids of these people are none of those that builds run as (system/builds/build_user.py)


@contextmanager
def process_of(uid: int) -> Iterator[int]:
    """A process of a user that has no others."""
    with subprocess.Popen(["sleep", "60"], user=uid, group=uid, extra_groups=[]) as started:
        yield started.pid
        started.kill()


@pytest.mark.trust("10", "home-in-use")
def test_a_home_does_not_change_under_its_processes(accounts: Accounts) -> None:
    accounts.are("bob:x:60600:60600::/srv/bob:/bin/sh")
    step = User("bob", home="/srv/robert")
    with process_of(60600) as pid:
        message, hint = accounts.refused(step)
        # where systemd is init, the unit is named too
        assert message.startswith(
            f"the home of bob can't be changed while their processes run: sleep (process {pid}"
        )
        assert "/srv/bob" in hint
    time.sleep(0.05)
    (planned,), (real,) = accounts.run(step, plan=True), accounts.run(step)
    assert planned.diff == real.diff, real.error
    assert accounts.line("bob").endswith(":/srv/robert:/bin/sh")


@pytest.mark.trust("10", "home-with-keys")
def test_nobody_is_locked_out_by_another_home(accounts: Accounts) -> None:
    home = accounts.root / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh/authorized_keys").touch()
    for path in (home, home / ".ssh", home / ".ssh/authorized_keys"):
        os.chown(path, 60600, 60600)
    accounts.are(f"bob:x:60600:60600::{home}:/bin/sh")
    new = f"{accounts.root}/new"
    message, hint = accounts.refused(User("bob", home=new))
    assert message == f"bob logs in by keys in {home}/.ssh, and {new} would no longer let them in"
    assert "move_home=True" in hint
    assert accounts.run(User("bob", home=new, move_home=True))[0].state == "changed"
    assert Path(new, ".ssh/authorized_keys").exists()
    assert accounts.run(User("bob", home=f"{home}2", move_home=False))[0].state == "changed"


@pytest.mark.trust("9", "prune-removes-home")
def test_what_a_person_has_made_outlives_the_account(accounts: Accounts) -> None:
    accounts.are()
    home = accounts.root / "home/ann"
    home.parent.mkdir()
    (made,) = accounts.run(User("ann", home=str(home)))
    assert made.state == "changed", made.error
    (home / "src").mkdir()
    (home / "src/thesis.txt").write_text("a year of work")
    # a run of its own, so that the one that made the account is not the last
    assert [outcome.state for outcome in accounts.run(User("ann", home=str(home)))] == ["ok"]
    for step, there in ((Prune(), False), (Undo(), True)):
        (done,) = accounts.run(step)
        assert done.state == "changed", done.error
        assert bool(accounts.line("ann")) is there
        assert (home / "src/thesis.txt").read_text() == "a year of work"
