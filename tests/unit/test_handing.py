"""Passwords of services on their way to applications: which hosts are asked, and when a new one may be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from test_bindings import resolved

from provision.apps.bindings import TO_BE_MADE, Binding
from provision.errors import UnreachableError
from provision.role import Host
from provision.secrets import Secret
from provision.serving.handing import hand_over, receive
from provision.steps.postgres_passwords import MadePassword

TWO_CLIENTS = """
all:
  hosts:
    db1: {roles: [postgres], ansible_host: 192.0.2.9}
    web1:
      roles: [python, app]
      ansible_host: 192.0.2.1
      apps: &apps
        shop: {source: src, target: 'shop:app', domains: [shop.test], uses: {database: {postgres: db1, auth: password}}}
    web2: {roles: [python, app], ansible_host: 192.0.2.2, apps: *apps}
"""


class Database:
    """The host of a database. has: what applications' hosts have: None if they can't be reached.

    takes: names of hosts that get their applications in this run.  says: what the step that makes passwords tells.
    """

    def __init__(
        self, has: Mapping[str, str | None], takes: Sequence[str], says: str = "", *, changed: bool = False
    ) -> None:
        self.name = "db1"
        self.said: list[str] = []
        self.submitted: list[MadePassword] = []
        self._has, self._takes, self._says, self._changed = has, takes, says, changed

    def hands_over(self, binding: Binding) -> bool:
        return binding.client.name in self._takes

    def answer_of(self, other: Any, step: Any) -> str:
        found = self._has[other.name]
        if found is None:
            raise UnreachableError("it is down")
        return found

    def emit(self, event: Any) -> None:
        self.said.append(event.text)

    def submit(self, step: MadePassword) -> Any:
        self.submitted.append(step)
        return SimpleNamespace(stdout=self._says, changed=self._changed)


def handed(folder: Path, host: Database) -> tuple[tuple[list[str], bool, bool], list[Secret | None]]:
    """What the step is given, and what applications get."""
    (db1,) = resolved(folder, "", "db1", hosts=TWO_CLIENTS)
    bindings = db1.served.provided
    assert [each.client.name for each in bindings] == ["web1", "web2"]

    def make(held: Sequence[Secret], may_make: bool, may_replace: bool) -> MadePassword:
        return MadePassword("app-shop", held, may_make, may_replace)

    hand_over(cast(Host, host), bindings, make)
    (step,) = host.submitted
    given = [each.reveal() for each in step.held], step.may_make, step.may_replace
    return given, [each.handed.secret for each in bindings]


@pytest.mark.parametrize(
    ("has", "takes", "given"),
    [
        ({"web1": "", "web2": ""}, ["web1", "web2"], ([], True, True)),
        # the other one gets it when its turn comes
        ({"web1": "", "web2": ""}, ["web1"], ([], True, True)),
        ({"web1": "", "web2": ""}, [], ([], False, False)),
        ({"web1": "", "web2": "b"}, ["web1"], (["b"], True, False)),
        ({"web1": "a", "web2": ""}, ["web1"], (["a"], True, True)),
        ({"web1": "a", "web2": "a"}, ["web1", "web2"], (["a"], True, True)),
        ({"web1": "a", "web2": "a"}, [], (["a"], False, False)),
        ({"web1": "a", "web2": None}, ["web1", "web2"], (["a"], True, False)),
    ],
)
def test_a_new_password_leaves_no_application_with_an_old_one(
    tmp_path: Path,
    has: Mapping[str, str | None],
    takes: Sequence[str],
    given: tuple[list[str], bool, bool],
) -> None:
    host = Database(has, takes)
    assert handed(tmp_path, host)[0] == given
    assert ("web2 could not be asked for the password of shop: it is down" in host.said) is (
        None in has.values()
    )


@pytest.mark.parametrize(
    ("says", "changed", "secret"),
    [
        ("held 0", False, Secret("a")),
        ("made new", True, Secret("new")),
        ("", True, TO_BE_MADE),
        ("", False, None),
    ],
)
def test_what_applications_get(tmp_path: Path, says: str, changed: bool, secret: Secret | None) -> None:
    host = Database({"web1": "a", "web2": "a"}, ["web1"], says, changed=changed)
    assert handed(tmp_path, host)[1] == [secret, secret]


@pytest.mark.parametrize(
    ("planning", "now", "hint"), [(False, True, True), (True, False, True), (True, True, False)]
)
def test_an_application_without_a_password_fails_unless_a_plan_can_not_know(
    tmp_path: Path, planning: bool, now: bool, hint: bool
) -> None:
    (db1,) = resolved(tmp_path, "", "db1", hosts=TWO_CLIENTS)
    steps: list[Any] = []

    def submit(step: Any) -> Any:
        steps.append(step)
        return SimpleNamespace(stdout="")

    host = SimpleNamespace(name="web1", planning=planning, is_provided_now=lambda binding: now, submit=submit)
    receive(cast(Host, host), db1.served.provided[0])
    assert ("prov deploy db1,web1" in steps[0].hint) is hint
