"""Passwords of PostgreSQL that are made on its host, for applications. Shipped to hosts (Python 3.8)."""

from typing import TYPE_CHECKING, Sequence

from provision.secrets import Secret
from provision.steps.base import Change, Diff, Step, wanted
from provision.steps.held_password import HELD, MADE
from provision.steps.support.psql import (
    ITERATIONS,
    ask,
    check_identifier,
    check_server,
    execute,
    identifier,
    literal,
    matches,
    scram,
)

if TYPE_CHECKING:
    from provision.system.host import System


@wanted()
class MadePassword(Step):
    """The password of a role that an application logs in with: made here, and kept by the application's hosts.

    name: of the role.  held: the passwords that the application's hosts have.
    may_make: whether one of these hosts gets a new one in this run.
    may_replace: whether all hosts that have one do. If not, the role is given the one they have.
    outcome.stdout is "held 0" for the first of `held`, or "made " and a new password, if the role then has it; "" in
    a plan that would make one, or if it is left without one. What is held would be masked in it.
    port, user: as of postgres.role.
    The server stores a SCRAM verifier (RFC 5803), which tells no one the password: not prov either.
    """

    name: str
    held: Sequence[Secret] = ()
    may_make: bool = False
    may_replace: bool = False
    port: int = 5432
    user: str = "postgres"

    def label(self) -> str:
        return "postgres password of %s" % self.name

    def validate(self) -> None:
        check_server(self.port, self.user)
        check_identifier(self.name)
        if not all(isinstance(each, Secret) for each in self.held):
            raise ValueError("held must be Secrets")

    def check(self, host: "System") -> Diff:
        query = "SELECT coalesce(rolpassword, '') FROM pg_authid WHERE rolname = %s"
        rows = ask(host, self, "postgres", query % literal(self.name))
        stored = rows[0][0] if rows else ""
        for number, each in enumerate(self.held):
            if stored and matches(each.reveal(), self.name, stored):
                self.scratch["stdout"] = "%s%d" % (HELD, number)
                return Diff.none("is the one that its applications have")
        new = self.may_replace or (self.may_make and not self.held and not stored)
        if not new and not self.held:
            return Diff.none("is left as it is")
        self.scratch["new"] = new
        if not new:
            self.scratch["stdout"] = "%s0" % HELD
        return Diff([Change("password", "********" if stored else "", "********")])

    def apply(self, host: "System", diff: Diff) -> None:
        import os
        import secrets

        if host.planned:
            return
        new = self.scratch["new"]
        password = secrets.token_urlsafe(32) if new else self.held[0].reveal()
        stored = scram(password, os.urandom(16), ITERATIONS)
        execute(
            host, self, "postgres", "ALTER ROLE %s PASSWORD %s" % (identifier(self.name), literal(stored))
        )
        if new:
            self.scratch["stdout"] = MADE + password
