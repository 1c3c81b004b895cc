"""Answers to the questions that Debian's packages ask. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, Any, List, Mapping, Tuple, Union

from provision.secrets import MASK, Secret
from provision.steps.apt import NAME
from provision.steps.base import Change, Diff, Step, step, wanted
from provision.steps.support.debconf_store import Stored, stored
from provision.steps.support.foresight import foresee, foreseen
from provision.steps.support.package_names import check_names

if TYPE_CHECKING:
    from provision.system.host import System

#: those that debconf-set-selections takes; it passes over others
TYPES = ("boolean", "string", "select", "multiselect", "password", "text", "note", "title")
QUESTION = re.compile(r"^[a-z0-9][\w.+-]*(/[\w.+-]+)+\Z")


@wanted()
class Answers(Step):
    """Answers to the questions that a package asks when it is installed.

        debconf.answers(c, "postfix", {"postfix/main_mailer_type": ("select", "Local only")})

    package: whose questions.  answers: question -> (type, value); the types are debconf's: boolean, string,
    select, multiselect, password, text, note. A boolean is "true" or "false"; a value may be a Secret.
    Add this step before apt.packages; an installed package reads answers only with `dpkg-reconfigure`.
    An installed package may forget a password answer; that does not count as a difference. Undo takes the
    answers back, except in place of a former password, which no record has.
    Source: debconf-set-selections(1), debconf-devel(7).
    """

    package: str
    answers: "Mapping[str, Tuple[str, Union[str, Secret]]]"

    def __post_init__(self) -> None:
        if isinstance(self.answers, Mapping):
            # a password is one, also if it is given as text
            object.__setattr__(self, "answers", {q: as_secret(a) for q, a in self.answers.items()})

    def label(self) -> str:
        return "debconf answers for %s" % self.package

    def validate(self) -> None:
        check_names(self.package, NAME, versions=False)
        if not self.answers:
            raise ValueError("no question is answered")
        for question, answer in dict(self.answers).items():
            if not QUESTION.match(question):
                raise ValueError("%r is not the name of a question, such as postfix/mailname" % question)
            if not isinstance(answer, (tuple, list)) or len(answer) != 2 or answer[0] not in TYPES:
                raise ValueError("%s: the answer must be (type, value), a type one of %s" % (question, TYPES))
            text = reveal(answer[1])
            if not isinstance(text, str) or re.search(r"[\n\r\0]", text) or text != text.strip():
                raise ValueError("%s: the value must be one line, without spaces around it" % question)
            if answer[0] == "boolean" and text not in ("true", "false"):
                raise ValueError("%s: a boolean is 'true' or 'false', not %r" % (question, answer[1]))

    def check(self, host: "System") -> Diff:
        known = stored(host)
        installed = bool(host.packages.version(self.package))
        found: List[Change] = []
        for question, (kind, value) in dict(self.answers).items():
            planned = foreseen(host, question)
            now = known.get(question) if planned is None else Stored(planned, True)
            if now and now.seen and (now.value == reveal(value) or self._is_forgotten(kind, installed, now)):
                continue
            secret = kind == "password" or isinstance(value, Secret)
            before = "" if now is None else MASK if secret and now.value else now.shown()
            # an empty answer is shown as one: undo tells it from a password that a package has forgotten
            after = MASK if secret and reveal(value) else Stored(reveal(value), True).shown()
            found.append(Change(question, before, after))
        return Diff(found) if found else Diff.none("are given")

    def apply(self, host: "System", diff: Diff) -> None:
        asked = {c.what for c in diff.changes}
        lines = []
        for question, (kind, value) in dict(self.answers).items():
            if question in asked:
                lines.append("%s %s %s %s\n" % (self.package, question, kind, reveal(value)))
                foresee(host, question, reveal(value))
        # a backslash would join the next line to its own, but at the end it is the value's
        plain = [line for line in lines if not line.endswith("\\\n")]
        for text in filter(None, ["".join(plain), *(line for line in lines if line not in plain)]):
            host.run(("debconf-set-selections",), stdin=text.encode()).require(
                "setting answers for %s" % self.package, "Only hosts of the Debian family have debconf."
            )

    def _is_forgotten(self, kind: str, installed: bool, now: Stored) -> bool:
        return kind == "password" and installed and not now.value

    def fingerprint(self, host: "System") -> str:
        import hashlib

        text = "".join("%s %s\n" % (q, reveal(a[1])) for q, a in sorted(dict(self.answers).items()))
        return hashlib.sha256(text.encode()).hexdigest()


answers = step(Answers)


def as_secret(answer: Any) -> Any:
    """An answer whose value is a Secret if its type is that of passwords."""
    if isinstance(answer, (tuple, list)) and len(answer) == 2 and answer[0] == "password":
        kind, value = answer
        return (kind, Secret(value) if isinstance(value, str) else value)
    return answer


def reveal(value: "Union[str, Secret]") -> str:
    """The text of an answer, for debconf alone."""
    return value.reveal() if isinstance(value, Secret) else value
