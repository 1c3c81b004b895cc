"""What the names in a playbook mean while a function of the role is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from provision.playbooks.not_carried import NotCarried
from provision.playbooks.playbook_facts import FACTS, ONLY_ANSIBLE
from provision.playbooks.playbook_reading import Variable
from provision.playbooks.python_layout import identifier, quoted
from provision.values import dataclass

#: names that functions of a role already have
TAKEN = frozenset(
    """c p task joined os re json shlex command files apt systemd users text python git cron fetch kernel mounts
    known_hosts ssh_keys locale system wait script tree package dnf ufw permissions repository postgres debconf
    sudoers passwords limits reboot each key value part acl""".split()  # noqa: SIM905 - shorter than a list
)
NAME = re.compile(r"\{\{\s*(\w+)\s*\}\}")
#: `joined` of these is left to f-strings
PLAIN_TYPES = (int, float, bool)


class MakesPython(Protocol):
    """What makes Python of a value."""

    def value(self, value: Any) -> str: ...


@dataclass(frozen=True)
class Registered:
    """What a task registered. name: of the list of outcomes, or of the only one. many: which of these."""

    name: str
    many: bool

    def read(self, part: str) -> str:
        """Return the source of a part of it. Raises NotCarried."""
        parts = {
            "changed": "changed",
            "stdout": "stdout",
            "stderr": "stderr",
            "failed": "failed",
            "rc": "rc",
            "stdout_lines": "stdout.splitlines()",
            "stderr_lines": "stderr.splitlines()",
        }
        if part not in parts:
            raise NotCarried(f"{part} of a result")
        if not self.many:
            return f"{self.name}.{parts[part]}"
        if part in ("changed", "failed"):
            return f"any(each.{part} for each in {self.name})"
        if part == "rc":
            raise NotCarried("the exit status of one of several results")
        return f"{self.name}[-1].{parts[part]}"


class PlaybookScope:
    """Names of one function. variables: of its play or role.  secret_free: whether texts may be formatted."""

    def __init__(self, variables: Mapping[str, Variable]) -> None:
        self.variables = variables
        #: lines at the function's top
        self.prologue: list[str] = []
        #: names of tasks and loops -> Python
        self.local: dict[str, str] = {}
        self.registered: dict[str, Registered] = {}
        self.lost: dict[str, str] = {}
        #: Python names that hold no secret
        self.plain: set[str] = set()
        self.names: set[str] = set()
        #: whether what is written now may run several times, or not at all
        self.branched = False
        self._declared: dict[str, str] = {}
        self._declaring: list[str] = []

    def new_name(self, wanted: str) -> str:
        """Return a name for Python that the function does not have yet."""
        found = identifier(wanted, {*TAKEN, *self.names})
        self.names.add(found)
        return found

    def plain_names(self, names: list[str]) -> set[str]:
        """Note names that hold no secret; return those that are new."""
        added = set(names) - self.plain
        self.plain |= added
        return added

    def defined(self, name: str) -> bool:
        """Return whether the playbook itself defines a name."""
        return name in self.local or name in self.variables or name in FACTS

    def constant(self, value: Any) -> Any:
        """Return a text with the variables replaced that the play sets to plain texts."""

        def replaced(match: re.Match[str]) -> str:
            found = self.variables.get(match[1])
            known = found is not None and found.fixed and isinstance(found.value, (str, int))
            if found is None or not known or match[1] in self.local or match[1] in self.lost:
                return match[0]
            return str(self.constant(found.value)) if match[1] not in str(found.value) else match[0]

        return NAME.sub(replaced, value) if isinstance(value, str) else value

    def refuse_lost(self, name: str) -> None:
        """Raise NotCarried if what defines a name was not carried over."""
        if name in self.lost:
            raise NotCarried(f"{name}, which {self.lost[name]} sets")

    def variable(self, name: str, values: MakesPython) -> str:
        """Return the source of a variable. Raises NotCarried."""
        self.refuse_lost(name)
        if name in self.local:
            return self.local[name]
        if name in FACTS and name not in self.variables:
            return FACTS[name]
        if name in self.variables:
            return self._declare(name, values)
        if name in ONLY_ANSIBLE:
            raise NotCarried(ONLY_ANSIBLE[name])
        if name.startswith("ansible_") and not name.endswith(("_pass", "_password")):
            raise NotCarried(f"the fact {name}")
        return f"c.vars[{quoted(name)}]"

    def _declare(self, name: str, values: MakesPython) -> str:
        if name in self._declared:
            return self._declared[name]
        if name in self._declaring:
            raise NotCarried(f"{name} refers to itself")
        found = self.variables[name]
        self._declaring.append(name)
        with self.without_locals():
            try:
                source = values.value(found.value)
            finally:
                self._declaring.pop()
        python = self._declared[name] = self.new_name(name)
        if not found.fixed:
            source = f"c.vars.get({quoted(name)}, {source})"
        elif isinstance(found.value, PLAIN_TYPES) or (
            isinstance(found.value, str) and "{{" not in found.value
        ):
            self.plain.add(python)
        typed = ": Any" if isinstance(found.value, (list, dict)) else ""
        self.prologue.append(f"{python}{typed} = {source}")
        return python

    @contextmanager
    def without_locals(self) -> Iterator[None]:
        """Leave out names of loops and tasks: a variable of the play does not see them at the function's top."""
        before, self.local = self.local, {}
        results_before, self.registered = self.registered, {}
        lost = self.lost
        self.lost = {**lost, **dict.fromkeys({*before, *results_before}, "a task")}
        try:
            yield
        finally:
            self.local, self.registered, self.lost = before, results_before, lost

    @contextmanager
    def undone_if_not_carried(self) -> Iterator[None]:
        """Forget what has been declared since, if the task is not carried over."""
        before = (
            list(self.prologue),
            dict(self._declared),
            set(self.names),
            dict(self.local),
            set(self.plain),
        )
        results = dict(self.registered)
        try:
            yield
        except NotCarried:
            self.prologue, self._declared, self.names, self.local, self.plain = before
            self.registered = results
            raise

    @contextmanager
    def within(self, names: Mapping[str, str]) -> Iterator[None]:
        """Have further names for a while."""
        before = self.local
        self.local = {**before, **names}
        try:
            yield
        finally:
            self.local = {
                **{key: each for key, each in self.local.items() if key not in names},
                **{key: before[key] for key in names if key in before},
            }
