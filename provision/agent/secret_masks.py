"""Secrets are taken out of whatever is said, by their text and its usual encodings (decision D10, D17). Shipped."""

import base64
import json
import re
from typing import Any, Iterable, Iterator, List, Optional, Pattern, Set, Union

from provision.secrets import MASK, Secret, logins, without_logins
from provision.system.shapes import Record

#: shorter texts than this are not looked for: hiding them would garble everything
SHORTEST = 4
#: shorter ones that are a plain word or number are hidden only where they stand alone: "shop" not in "shopping"
LONG = 8
#: bytes from which on a text can be told in base64
ENCODED = 6
UNRESERVED = re.compile(r"[^A-Za-z0-9_.~-]")


class Masks:
    """The secrets of a run, as far as they are known. texts: of the first ones."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._known: Set[str] = set()
        self._needles: Optional[List[Union[str, Pattern[str]]]] = None
        self.update(texts)

    def __bool__(self) -> bool:
        return bool(self._known)

    def add(self, text: str) -> None:
        """Take in a secret: its text, each of its lines, and the logins of its URLs."""
        parts = [text, *text.splitlines(), *passwords(text)]
        for part in [*parts, *(each.strip() for each in parts)]:
            if len(part.strip()) >= SHORTEST and part.strip("*") and part not in self._known:
                self._known.add(part)
                self._needles = None

    def update(self, texts: Iterable[str]) -> None:
        """Take in several secrets."""
        for text in texts:
            self.add(text)

    def learn(self, fields: Any) -> None:
        """Take in the secrets in a step's message."""
        if isinstance(fields, list):
            for item in fields:
                self.learn(item)
        elif isinstance(fields, dict):
            if isinstance(fields.get("$secret"), str):
                self.add(fields["$secret"])
            self.learn(list(fields.values()))

    def within(self, data: bytes) -> List[str]:
        """The secrets whose text is in some data, as it is or as JSON has it."""
        return sorted(
            known
            for known in self._known
            if any(form.encode("utf-8", "surrogatepass") in data for form in (known, *as_json(known)))
        )

    def hide(self, text: str) -> str:
        """The text without the secrets, and without the logins of URLs."""
        if self._needles is None:
            # a secret that is a part of another one must not spoil it for the search
            forms = {form for part in self._known for form in encodings(part)}
            self._needles = [needle(form) for form in sorted(forms, key=lambda form: (-len(form), form))]
        for each in self._needles:
            text = text.replace(each, MASK) if isinstance(each, str) else each.sub(MASK, text)
        return without_logins(text)

    def hide_in(self, answer: Any) -> Any:
        """A message without the secrets."""
        if isinstance(answer, str):
            return self.hide(answer)
        if isinstance(answer, tuple) and hasattr(answer, "_make"):
            return answer._make(self.hide_in(item) for item in answer)
        if isinstance(answer, (list, tuple)):
            return [self.hide_in(item) for item in answer]
        if isinstance(answer, Record):
            return answer.replace(**self.hide_in(vars(answer)))
        if isinstance(answer, dict):
            return {key: self.hide_in(value) for key, value in answer.items()}
        return str(answer) if isinstance(answer, Secret) else answer


def passwords(text: str) -> Iterator[str]:
    """What of the logins of URLs in a text must not be seen by itself: all, and the password."""
    for login in logins(text):
        user, colon, word = login.partition(":")
        # a name alone may be a token, which is long; "git" and "shop" are not
        if colon or len(user) > LONG:
            yield login
        if word:
            yield word
            yield re.sub("%([0-9A-Fa-f]{2})", lambda found: chr(int(found.group(1), 16)), word)


def needle(form: str) -> Union[str, Pattern[str]]:
    """What is looked for."""
    if len(form) < LONG and (form.isalpha() or form.isdigit()):
        return re.compile(r"(?<![A-Za-z0-9])%s(?![A-Za-z0-9])" % re.escape(form))
    return form


def encodings(text: str) -> Iterator[str]:
    """The text as it is, and as JSON, Python, shells, unit files, URLs and base64 have it."""
    yield text
    yield from as_json(text)
    yield repr(text)[1:-1]
    yield text.replace("'", "'\"'\"'")
    yield re.sub(r'([\\"`$])', r"\\\1", text)
    data = text.encode("utf-8", "surrogatepass")
    for safe in ("", "/"):
        quoted = "".join(c if c in safe else UNRESERVED.sub(percent, c) for c in text)
        yield quoted
        yield quoted.replace("%20", "+")
    if len(data) >= ENCODED:
        for before in range(3):
            form = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
            # without the characters that have bits of what stands before and after
            form = form[(0, 2, 3)[before] : len(form) - bool((before + len(data)) % 3)]
            yield form
            yield form.replace("+", "-").replace("/", "_")


def as_json(text: str) -> Iterator[str]:
    """The text as JSON has it, in ASCII and in Unicode."""
    for ascii_only in (True, False):
        yield json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def percent(found: "re.Match[str]") -> str:
    """A character as URLs have it (RFC 3986, 2.1)."""
    return "".join("%%%02X" % byte for byte in found.group().encode("utf-8", "surrogatepass"))
