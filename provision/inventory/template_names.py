"""The names that the templates of one host can use: its variables, and those that Ansible adds."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from provision.errors import ConfigError
from provision.expressions.bounds import LARGEST, ExpressionError
from provision.expressions.jinja_sandbox import JinjaSandbox, Missing, failures, listed
from provision.inventory.connection_settings import PASSWORDS
from provision.inventory.host_variables import HostVariables
from provision.inventory.lazy_values import LazyDict, LazyList
from provision.inventory.located import dotted
from provision.inventory.lookups import Lookups
from provision.inventory.template_text import is_template
from provision.inventory.yaml_values import Deferred, SealedTemplate, Verbatim, Written
from provision.secrets import MASK, Secret

Place = tuple[str | int, ...]
DEFAULT_HINT = "Set it for the host or one of its groups, or give it a default: {{ name | default('...') }}"
#: of a play, or facts of a host: `{{ ansible_default_ipv4.address }}`
OF_PLAYS = (
    "omit",
    "play_hosts",
    "ansible_play_hosts",
    "ansible_play_batch",
    "ansible_check_mode",
    "ansible_run_tags",
)
FACTS_HINT = "prov gathers no facts for the inventory; in a role, `c.facts` has the host's."
#: characters of a template that an error quotes
QUOTED = 120
EXPRESSIONS = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\})", re.DOTALL)


class Surroundings(Protocol):
    """What a scope needs of the inventory around its host.

    secrets_read: counts the secrets that templates have read, so that what they yield is known to be one.
    """

    hosts: Mapping[str, HostVariables]
    project: Path
    secrets_read: int

    @property
    def lookups(self) -> Lookups: ...

    @property
    def sandbox(self) -> JinjaSandbox: ...

    @property
    def groups(self) -> Mapping[str, list[str]]: ...

    def scope(self, name: str) -> TemplateNames: ...


class TemplateNames(Mapping[str, Any]):
    """What names mean in the templates of one host."""

    def __init__(self, around: Surroundings, host: HostVariables) -> None:
        self._around, self._host = around, host
        #: of each template its value, and whether it comes of a secret
        self._results: dict[Place, tuple[Any, bool]] = {}
        self._open: list[Place] = []
        self._special: dict[str, Any] = {
            "inventory_hostname": host.name,
            "inventory_hostname_short": host.name.partition(".")[0],
            "group_names": sorted(host.groups) or ["ungrouped"],
            "groups": around.groups,
            "hostvars": HostsVariables(around),
            "inventory_dir": str(host.defined.folder),
            "inventory_file": str(host.defined.folder / Path(host.defined.file).name),
            "playbook_dir": str(around.project),
            "ansible_playbook_python": sys.executable,
            "vars": self,
            "lookup": self._lookup,
            "query": self._query,
            "q": self._query,
        }

    def __contains__(self, name: object) -> bool:
        return name in self._special or name in self._host.located or name in self._around.sandbox.globals

    def __getitem__(self, name: str) -> Any:
        if name in self._special:
            return self._special[name]
        if name in self._host.located:
            part = self._host.located[name]
            # numbers of a file that is encrypted as a whole are secrets, too
            self._around.secrets_read += part.sealed
            return self.value((name,), part.value)
        return self._around.sandbox.globals[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._host.located)

    def __len__(self) -> int:
        return len(self._host.located)

    def value(self, place: Place, written: Any) -> Any:
        """Return what a written value is in an expression; what is in a list or mapping waits until it is used."""
        if place[0] in PASSWORDS or isinstance(written, (Secret, Deferred, SealedTemplate)):
            self._around.secrets_read += 1
        if isinstance(written, dict):
            return LazyDict(written, lambda key, part: self.value((*place, key), part))
        if isinstance(written, list):
            return LazyList(written, lambda index, part: self.value((*place, index), part))
        if isinstance(written, Deferred):
            return self._opened(place, written)
        if is_template(written):
            return self._worked_out(place, written)
        if isinstance(written, Secret):
            return written.reveal()
        return Written(written) if isinstance(written, str) and not isinstance(written, Verbatim) else written

    def final(self, place: Place, text: str) -> Any:
        """Return the value of a template. Raises ConfigError if it, or one that it needs, can't be worked out."""
        before = self._around.secrets_read
        try:
            with failures():
                return checked_result(
                    self.value(place, text), secret=lambda: self._around.secrets_read > before
                )
        except ExpressionError as error:
            raise self._failed(place, text, str(error), error).place or error from None

    def _opened(self, place: Place, written: Deferred) -> Any:
        """The text of a secret that is read now, or what fails when it is used."""
        try:
            return written.open().reveal()
        except ConfigError as error:
            place_of = self._host.error_as_written(place, error.message, error.hint)
            return Missing(error=ExpressionError(error.message, place=place_of))

    def _worked_out(self, place: Place, text: str) -> Any:
        """The value of a template, or what fails when it is used."""
        around = self._around
        if place not in self._results:
            if place in self._open:
                names = " > ".join(dotted(each) for each in (*self._open[self._open.index(place) :], place))
                return Missing(error=ExpressionError(f"variables refer to each other: {names}"))
            before = around.secrets_read
            self._open.append(place)
            try:
                found = plain_result(around.sandbox.render(text, self))
            except ExpressionError as error:
                reason = str(error)
                if around.secrets_read > before and error.place is None:
                    reason = "the reason is not shown, because it uses a secret"
                # not kept: a name that refers back is an error only while this one is open
                return Missing(error=self._failed(place, text, reason, error))
            finally:
                self._open.pop()
            self._results[place] = found, around.secrets_read > before
        value, secret = self._results[place]
        around.secrets_read += secret
        return value

    def _failed(
        self, place: Place, text: str, reason: str, cause: ExpressionError | None = None
    ) -> ExpressionError:
        """The error for a template, at the line where it is written; of several that need each other, the inmost."""
        if cause is not None and cause.place is not None:
            return cause
        short = quoted(text)
        message = f"{short!r} could not be worked out: {reason}" if text else reason
        undefined = cause is not None and cause.undefined
        hint = ""
        if undefined:
            hint = (
                FACTS_HINT
                if "'ansible_" in reason or any(f"{n!r}" in reason for n in OF_PLAYS)
                else DEFAULT_HINT
            )
        return ExpressionError(
            reason, undefined=undefined, place=self._host.error_as_written(place, message, hint)
        )

    def _folder(self) -> Path:
        """The folder of the file that the template is in."""
        origin = self._host.origin_as_written(self._open[-1]) if self._open else None
        return origin.folder if origin else self._around.project

    def _query(self, name: str, *terms: Any, **options: Any) -> list[Any]:
        """Ansible's `query`: a list of what a lookup finds."""
        return self._around.lookups.found(
            name, plain_result(list(terms)), plain_result(options), self, self._folder()
        )

    def _lookup(self, name: str, *terms: Any, wantlist: bool = False, **options: Any) -> Any:
        """Ansible's `lookup`: one value, several as a text with commas, or a list."""
        found = self._query(name, *terms, **options)
        if wantlist:
            return found
        if len(found) == 1:
            return found[0]
        return ",".join(map(str, found)) if all(isinstance(each, str) for each in found) else found

    def render(self, text: str) -> Any:
        """Return what a template of a file is for this host. Raises ExpressionError."""
        return self._around.sandbox.render(text, self, in_yaml=False)


class HostsVariables(Mapping[str, Any]):
    """Ansible's `hostvars`: the variables of each host."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def __getitem__(self, name: str) -> TemplateNames:
        if name not in self._around.hosts:
            raise KeyError(name)
        return self._around.scope(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._around.hosts)

    def __len__(self) -> int:
        return len(self._around.hosts)


def quoted(text: str) -> str:
    """Return a template as an error quotes it: without the words around its expressions, which may be secrets."""
    if isinstance(text, SealedTemplate):
        return MASK
    parts = EXPRESSIONS.split(text)
    found = "".join(part if index % 2 or len(part) < 4 else "..." for index, part in enumerate(parts))
    return found if len(found) <= QUOTED else f"{found[:QUOTED]}..."


def plain_result(value: Any, *, whole: bool = False) -> Any:
    """Return a result as plain values, which are not worked out again; undefined parts fail when they are used.

    whole: whether they fail at once.
    Raises ExpressionError: too large, or nothing that a variable can hold.
    """
    left = LARGEST

    def walk(part: Any) -> Any:
        nonlocal left
        part = listed(part)
        left -= len(part) if isinstance(part, (str, bytes)) else 1
        if left < 0:
            raise ExpressionError(f"it has more than {LARGEST:,} characters or values")
        if isinstance(part, Mapping) and not isinstance(part, (TemplateNames, HostsVariables)):
            return {walk(key): walk(each) for key, each in part.items()}
        if isinstance(part, (list, tuple)):
            return [walk(each) for each in part]
        if isinstance(part, str):
            return part if type(part) is Written else str(part)
        if whole and isinstance(part, Missing):
            with failures():
                part.fail()
        if part is None or isinstance(part, (bool, int, float, date, Missing)):
            return part
        if isinstance(part, bytes):
            return part.decode("utf-8", "backslashreplace")
        raise ExpressionError(f"a {type(part).__name__} is nothing that a variable can hold")

    return walk(value)


def checked_result(value: Any, secret: Callable[[], bool]) -> Any:
    """Return a value. Raises ExpressionError if a part is undefined. secret: says whether its texts are Secrets."""
    if isinstance(value, Missing):
        with failures():
            value.fail()
    if isinstance(value, dict):
        return {key: checked_result(part, secret) for key, part in value.items()}
    if isinstance(value, list):
        return [checked_result(part, secret) for part in value]
    if isinstance(value, str):
        return Secret(str(value)) if secret() else str(value)
    return value
