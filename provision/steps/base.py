"""What a step is: wanted state, and what the host does about it. Shipped to hosts (Python 3.8, standard library).

A step is a frozen dataclass. The controller builds and validates it; the agent on the host decodes it and
calls `check`, then, if there is a difference, `apply`. Both act through a `System` only, which is what lets
`prov plan` run the same code without touching the host.
"""

import sys
from dataclasses import MISSING, dataclass, field, fields
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    Type,
    TypeVar,
)

from provision.system.ref import Ref as Ref

if TYPE_CHECKING:
    from typing import Concatenate, ParamSpec, dataclass_transform  # novm: for type checkers only

    from provision.steps.on_controller import Outcome, Steps
    from provision.steps.support.lockout import Guarded
    from provision.system.host import System

    P = ParamSpec("P")

T = TypeVar("T")
S = TypeVar("S", bound="Step")


class Change(NamedTuple):
    """One difference between what is and what is wanted.

    what: "mode", "content", "package nginx"...  before, after: short values, "" for nothing.
    text: a unified diff instead of the two, for contents.
    """

    what: str
    before: str = ""
    after: str = ""
    text: str = ""


class Diff(NamedTuple):
    """All differences of one step; falsy when there are none, and then `why` says what was found.

    maybe: the step can't tell without acting (a command without `creates` or `unless`).
    """

    changes: Sequence[Change]
    why: str = ""
    maybe: bool = False

    def __bool__(self) -> bool:
        return bool(self.changes)

    @classmethod
    def none(cls, why: str) -> "Diff":
        """Nothing to do, because of why ("is running", "already 0644")."""
        return cls((), why)


if TYPE_CHECKING:

    @dataclass_transform(frozen_default=True, field_specifiers=(field,))
    def wanted(*, kw_only: bool = False) -> Callable[[Type[T]], Type[T]]: ...

else:

    def wanted(*, kw_only=False):
        """Make a class a frozen dataclass of wanted state, on every Python that hosts have."""

        def decorate(cls):
            if "__file__" in globals() and sys.version_info >= (3, 10):
                # without what Step has for all: to have dataclass write it takes long for fifty of them
                return dataclass(frozen=True, kw_only=kw_only, eq=False, repr=False)(cls)  # novm
            # Shipped modules have no file. Hosts only decode steps: Step.__init__ does for that, also before
            # Python 3.10, which has no kw_only; to have dataclass write methods takes long for what they need.
            return dataclass(init=False, eq=False, repr=False)(cls)

        return decorate


@wanted(kw_only=True)
class Step:
    """Base of all steps, with the options that every step takes.

    timeout: seconds after which the step is stopped and fails; 0 takes the default of its kind.
    when: run only if one of these earlier steps changed something.
    ignore_errors: a reason; if given, a failure is reported but does not end the host's run.
    retries: how often a step that fails is tried again, each time from its check on and with all of its
    timeout.  delay: seconds before each of these.
    as_user: act as this user instead of root, in all that the step does: what the user may not read or write
    is refused, what is made is theirs, and commands are run as them.
    """

    timeout: float = 0
    when: Sequence[Ref] = ()
    ignore_errors: str = ""
    retries: int = 0
    delay: float = 1.0
    as_user: str = ""

    #: seconds allowed by default for steps of this kind
    DEADLINE = 60.0

    def __init__(self, *given: Any, **values: Any) -> None:
        # only on hosts: see `wanted`
        every = fields(self)
        own = [f.name for f in every if f.name not in Step.__dataclass_fields__]
        values.update(zip(own, given))
        for f in every:
            if f.name in values:
                value = values.pop(f.name)
            else:
                value = f.default_factory() if callable(f.default_factory) else f.default
            if value is MISSING:
                raise TypeError("%s lacks %s" % (type(self).__name__, f.name))
            object.__setattr__(self, f.name, value)
        if values:
            raise TypeError("%s takes no %s" % (type(self).__name__, ", ".join(values)))
        if hasattr(self, "__post_init__"):
            self.__post_init__()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self.label())

    def __repr__(self) -> str:
        return "%s(%s)" % (type(self).__name__, ", ".join("%s=%r" % item for item in self._values()))

    def _values(self) -> "List[Tuple[str, Any]]":
        return [(f.name, getattr(self, f.name)) for f in fields(self)]

    def label(self) -> str:
        """What the step is about, as shown to people: "file /etc/motd"."""
        raise NotImplementedError

    def validate(self) -> None:
        """Raise ValueError if the arguments make no sense. Called on the controller, before anything runs."""

    def validate_options(self) -> None:
        """Raise ValueError if the options that every step takes make no sense. Called before `validate`."""
        check_seconds(self.timeout, "timeout")
        check_seconds(self.delay, "delay")
        if not isinstance(self.retries, int) or isinstance(self.retries, bool) or self.retries < 0:
            raise ValueError("retries must be a whole number, not %r" % (self.retries,))
        if not isinstance(self.when, (list, tuple)) or not all(isinstance(r, Ref) for r in self.when):
            raise ValueError("when must be a list of outcomes, not %r" % (self.when,))
        for what, text in (("ignore_errors", self.ignore_errors), ("as_user", self.as_user)):
            if text != "":
                check_text(text, what)

    def check(self, host: "System") -> Diff:
        """Compare the host with what is wanted. Must not change anything."""
        raise NotImplementedError

    def apply(self, host: "System", diff: Diff) -> None:
        """Make it so. Called only with a diff that has changes. Raises StepError."""
        raise NotImplementedError

    def guarded(self, host: "System", diff: Diff) -> "Optional[Guarded]":
        """What to put back if no one can log in after `apply`; None if that does not depend on it."""
        return None

    @property
    def scratch(self) -> "Dict[str, Any]":
        """What one method of a step has found, for a later one, on the host only; never sent, compared or shown.

        "changes" and "why" in it are what `done` says, "stdout" and "stderr" what `streams` does.
        """
        return vars(self).setdefault("_scratch", {})  # type: ignore[no-any-return]

    def done(self, diff: Diff) -> Diff:
        """What has been applied: `diff`, but for what is in the scratch."""
        return diff._replace(
            **{name: self.scratch[name] for name in ("changes", "why") if name in self.scratch}
        )

    def fingerprint(self, host: "System") -> str:
        """What this step's state looks like now; a unit that depends on it compares (decision D5)."""
        return ""

    def units(self) -> Sequence[str]:
        """Systemd units that `check` will ask about, so that the agent can ask for all steps at once."""
        return ()

    def streams(self) -> "Tuple[str, str]":
        """What later Python code reads: `outcome.stdout` and `outcome.stderr`."""
        return self.scratch.get("stdout", ""), self.scratch.get("stderr", "")

    def deadline(self) -> float:
        """Seconds this step may take."""
        return self.timeout or self.DEADLINE


def step(cls: "Callable[P, Step]") -> "Callable[Concatenate[Steps, P], Outcome]":
    """The function that roles call: `service = step(Service)` gives `service(c, "nginx") -> Outcome`."""

    def submit(c: "Steps", /, *args: "P.args", **kwargs: "P.kwargs") -> "Outcome":
        wanted_state = cls(*args, **kwargs)
        if not hasattr(type(c), "submit"):
            # a fabric.Connection, in someone's own fabfile
            from provision.steps.on_controller import submit_and_wait

            return submit_and_wait(c, wanted_state)
        return c.submit(wanted_state)

    submit.__doc__ = cls.__doc__
    # where the name that people call stands: not always the module of the class
    submit.__module__ = sys._getframe(1).f_globals["__name__"]
    submit.__name__ = submit.__qualname__ = getattr(cls, "__name__", "step").lower()
    submit.step_class = cls  # type: ignore[attr-defined]
    return submit


def check_path(path: str, what: str = "path") -> None:
    """Raise ValueError unless path is absolute, without `..`, newline or NUL."""
    if not isinstance(path, str):
        raise ValueError("%s must be text, not %r" % (what, path))
    if "\n" in path or "\0" in path:
        raise ValueError("%s must be one line without NUL: %r" % (what, path))
    if not path.startswith("/"):
        raise ValueError("%s must be absolute, not %r" % (what, path))
    parts = path.split("/")[1:]
    if ".." in parts:
        raise ValueError("%s must not contain '..': %r" % (what, path))
    if path != "/" and ("" in parts or "." in parts):
        raise ValueError("%s must be written without '//', '/./' or '/' at its end: %r" % (what, path))


def check_text(value: str, what: str) -> None:
    """Raise ValueError unless value is a non-empty single line."""
    if not isinstance(value, str):
        raise ValueError("%s must be text, not %r" % (what, value))
    if not value:
        raise ValueError("%s must not be empty" % what)
    # what ends a line for one program is a character for another: none of them gets in
    if any(ord(character) in (*range(9), *range(10, 32), 127, 0x85, 0x2028, 0x2029) for character in value):
        raise ValueError("%s must be one line without NUL and other control characters: %r" % (what, value))


def check_seconds(value: float, what: str) -> None:
    """Raise ValueError unless value is a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ValueError("%s must be a number of seconds, not %r" % (what, value))


def check_names(step: Any, *names: str) -> None:
    """Raise ValueError unless these fields of a step, names of users or groups, are None or one line each."""
    for name in names:
        if getattr(step, name) is not None:
            check_text(getattr(step, name), name)


def check_mode(mode: Optional[int]) -> None:
    """Raise ValueError unless mode is a permission number such as 0o644."""
    from provision.steps.modes import check

    check(mode)


def mode_text(mode: int) -> str:
    """0o644 as "0644"."""
    return "%04o" % mode


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names for a sentence: "a, b and 7 more"."""
    shown = list(names[:most])
    return ", ".join(shown) + (" and %d more" % (len(names) - most) if len(names) > most else "")


def changes(*found: Optional[Change]) -> List[Change]:
    """The changes that are not None."""
    return [c for c in found if c is not None]
