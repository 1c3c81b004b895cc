"""A part of what the inventory lists: by tags, and from a role onwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from provision.errors import UsageError
from provision.names import suggestion
from provision.roles.project import Assignment
from provision.roles.role_model import Role, tags_of
from provision.values import dataclass


@dataclass(frozen=True)
class Selection:
    """tags: run only tasks that have one of them. skip_tags: skip tasks that have one of them.

    Every task has its role's name and `role.task` as tags besides its own.
    start_at: leave out the roles before this one.
    """

    tags: Sequence[str] = ()
    skip_tags: Sequence[str] = ()
    start_at: str = ""

    def of(self, assignments: Sequence[Assignment]) -> list[Assignment]:
        """Return what is left; roles and hosts with no remaining tasks are dropped. Raises UsageError."""
        self._check(assignments)
        found = []
        for assignment in assignments:
            roles = [(self._part(role), params) for role, params in assignment.roles]
            names = [role.name for role, _ in roles]
            if self.start_at:
                first = names.index(self.start_at) if self.start_at in names else len(names)
                roles = roles[first:]
            remaining = tuple((role, params) for role, params in roles if role.tasks)
            if remaining:
                found.append(replace(assignment, roles=remaining))
        if assignments and not found:
            raise UsageError("nothing to do: the options select no task of these hosts")
        return found

    def _part(self, role: Role) -> Role:
        if not (self.tags or self.skip_tags):
            return role
        tasks = (
            f
            for f in role.tasks
            if (not self.tags or known_by(role, f) & set(self.tags))
            and not known_by(role, f) & set(self.skip_tags)
        )
        return replace(role, tasks=tuple(tasks))

    def _check(self, assignments: Sequence[Assignment]) -> None:
        roles = [role for assignment in assignments for role, _ in assignment.roles]
        if self.start_at and self.start_at not in {role.name for role in roles}:
            raise unknown("role", self.start_at, {role.name for role in roles})
        known = {tag for role in roles for f in role.tasks for tag in known_by(role, f)}
        for tag in (*self.tags, *self.skip_tags):
            if tag not in known:
                raise unknown("tag", tag, known)


def known_by(role: Role, function: Callable[..., None]) -> set[str]:
    """Return all tags of a task."""
    return {role.name, f"{role.name}.{function.__name__}", *tags_of(function)}


def unknown(kind: str, wrong: str, known: set[str]) -> UsageError:
    """Return the error for a role or tag that no selected host has."""
    plain = sorted(name for name in known if "." not in name)
    return UsageError(
        f"no selected host has the {kind} {wrong!r}.{suggestion(wrong, sorted(known))}",
        hint=f"They have: {', '.join(plain) or 'none'}",
    )
