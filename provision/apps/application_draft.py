"""What is found out about an application, for its entry in an inventory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from provision.values import dataclass


@dataclass(frozen=True)
class ApplicationDraft:
    """The findings. settings: (name, value, comment) for `apps`.  roles: besides base, python and app.

    unclear: what was found but not understood, one sentence each.
    """

    name: str
    settings: Sequence[tuple[str, object, str]]
    roles: Sequence[str] = ()
    unclear: Sequence[str] = field(default_factory=list)

    def served_under(self, domain: str) -> ApplicationDraft:
        """Return the draft with another public name than NAME.test."""
        tried = f"{self.name}.test"
        changed: list[tuple[str, object, str]] = []
        for name, value, said in self.settings:
            if name == "domains":
                value = [domain]
            elif name == "environment" and isinstance(value, Mapping):
                value = {key: domain if each == tried else each for key, each in value.items()}
            changed.append((name, value, said))
        return ApplicationDraft(self.name, changed, self.roles, self.unclear)
