"""The arguments of a module while a step is made of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from provision.playbooks.copied_files import CopiedFiles
from provision.playbooks.jinja_python import Omitted, PythonExpressions
from provision.playbooks.not_carried import NotCarried
from provision.playbooks.python_layout import Call

TRUE = {True, "yes", "true", "on", "1", "True", "Yes", "y"}
FALSE = {False, "no", "false", "off", "0", "False", "No", "n"}
#: options that are numbers, which playbooks often quote
NUMBERS = {"uid", "gid", "port", "depth", "connection_limit", "within", "check_order"}
OWNED = {"owner": "owner", "group": "group"}


def is_one_of(value: Any, words: set[Any]) -> bool:
    """Return whether a value is one of TRUE or FALSE; conditions may be lists."""
    return isinstance(value, (str, int)) and value in words


class Arguments:
    """Arguments that are taken one by one; what remains has no counterpart.

    written: as in the playbook.  folder: of the role or playbook.  copied: takes files along.
    """

    def __init__(
        self,
        module: str,
        written: Mapping[str, Any],
        values: PythonExpressions,
        folder: Path,
        copied: CopiedFiles,
    ) -> None:
        self.module = module
        self.values = values
        self.folder = folder
        self.copied = copied
        self._left = dict(written)

    def has(self, name: str) -> bool:
        """Return whether an argument is given and not taken yet."""
        return self._left.get(name) is not None

    def raw(self, *names: str) -> Any:
        """Take an argument by any of its names; None if none is given."""
        found = None
        for name in names:
            value = self._left.pop(name, None)
            found = value if found is None else found
        return found

    def code(self, *names: str) -> str:
        """Take an argument, and return its source; "" if it is not given. Raises NotCarried."""
        value = self.raw(*names)
        return "" if value is None else self.values.value(value)

    def required(self, *names: str) -> str:
        """Take an argument that must be given, and return its source. Raises NotCarried."""
        found = self.code(*names)
        if not found:
            raise NotCarried(f"{self.module} without {names[0]}")
        return found

    def literal(self, *names: str, default: str = "") -> str:
        """Take a text without templates. Raises NotCarried."""
        value = self.raw(*names)
        if value is None:
            return default
        value = self.values.scope.constant(value)
        if isinstance(value, (dict, list)) or "{{" in str(value):
            raise NotCarried(f"{names[0]} from a variable")
        return str(value)

    def flag(self, *names: str, default: bool | None = None) -> bool | None:
        """Take a truth value. Raises NotCarried."""
        value = self.raw(*names)
        if value is None:
            return default
        if is_one_of(value, TRUE):
            return True
        if is_one_of(value, FALSE):
            return False
        raise NotCarried(f"{names[0]} from a variable")

    def items(self, *names: str) -> str:
        """Take a list, or a text with commas, and return the source of a list; "" if it is not given."""
        value = self.raw(*names)
        if value is None:
            return ""
        if isinstance(value, list):
            return self.values.value(value)
        if isinstance(value, str) and "{{" not in value:
            return self.values.value([part.strip() for part in value.split(",") if part.strip()])
        if isinstance(value, str) and re.fullmatch(r"\s*\{\{[^{}]*\}\}\s*", value):
            # Ansible takes a text with commas as well
            return self.values.value(value)
        return f"[{self.values.value(value)}]"

    def ignore(self, *names: str) -> None:
        """Take arguments that need no counterpart."""
        for name in names:
            self._left.pop(name, None)

    def mode(self, name: str = "mode") -> str:
        """Take a mode, and return the source of a number; "" if it is not given. Raises NotCarried."""
        value = self.raw(name)
        if value is None or value == "preserve":
            return ""
        if isinstance(value, int):
            # YAML 1.1 reads 0644 as octal; 644 without the 0 is a fault that Ansible does not see
            return f"0o{value:o}"
        if re.fullmatch("0?[0-7]{3,4}", str(value)):
            return f"0o{int(value, 8):o}"
        if "{{" in str(value):
            try:
                return f"int({self.values.value(value)}, 8)"
            except Omitted:
                raise NotCarried("a mode that may be omitted") from None
        return symbolic(str(value))

    def options(self, **names: str) -> dict[str, str]:
        """Take arguments that are options of the step: option -> argument. An omitted one is None."""
        found = {}
        for option, name in names.items():
            try:
                source = self.code(name)
            except Omitted as omitted:
                source = omitted.source
            if source:
                number = re.fullmatch(r'"(\d+)"', source) if option in NUMBERS else None
                found[option] = number[1] if number else source
        return found

    def owned(self) -> dict[str, str]:
        """Take owner, group and mode."""
        mode = self.mode()
        return {**({"mode": mode} if mode else {}), **self.options(**OWNED)}

    def edited(self) -> dict[str, str]:
        """Take what steps that write files have in common."""
        check = self.literal("validate")
        self.ignore("force", "follow", "unsafe_writes", "selevel", "serole", "setype", "seuser", "decrypt")
        self.ignore("checksum", "encoding", "output_encoding", "directory_mode", "local_follow", "remote_src")
        backup = self.flag("backup", default=False)
        found = self.owned()
        if check:
            found["validate_with"] = self.values.value(check.split())
        return {**found, **({"backup": "True"} if backup else {})}

    def done(self) -> None:
        """Raise NotCarried if an argument is left."""
        left = [name for name, value in self._left.items() if value is not None]
        if left:
            raise NotCarried(f"the option {left[0]} of {self.module}")


#: module -> what makes steps of its arguments
Translator = Callable[[Arguments], list[Call]]
TRANSLATORS: dict[str, Translator] = {}


def module(*names: str) -> Callable[[Translator], Translator]:
    """Note what makes steps of a module."""

    def noted(function: Translator) -> Translator:
        TRANSLATORS.update(dict.fromkeys(names, function))
        return function

    return noted


def symbolic(text: str) -> str:
    """Return the number of a mode such as u=rw,g=r,o=. Raises NotCarried."""
    bits = {"r": 4, "w": 2, "x": 1}
    shifts = {"u": 6, "g": 3, "o": 0}
    number, seen = 0, set()
    for part in text.split(","):
        match = re.fullmatch("([ugoa]+)=([rwx]*)", part)
        if match is None:
            raise NotCarried(f"the mode {text}, which depends on the one before")
        for who in match[1].replace("a", "ugo"):
            number |= sum(bits[each] for each in match[2]) << shifts[who]
            seen.add(who)
    if seen != set("ugo"):
        raise NotCarried(f"the mode {text}, which depends on the one before")
    return f"0o{number:o}"
