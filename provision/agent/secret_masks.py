"""Mask secrets in all output, by their text and its usual encodings (decisions D10, D17). Shipped."""

import base64
import json
import re
from typing import Any, Iterable, Iterator, List, Optional, Pattern, Set, Union

from provision.secrets import MASK, Secret, logins, without_logins
from provision.system.shapes import Record

#: characters; shorter texts are not masked, because that would garble everything
SHORTEST = 4
#: characters; a shorter plain word or number is masked only as a whole word: "shop" not in "shopping"
LONG = 8
#: bytes; shorter texts cannot be recognised in base64
ENCODED = 6
#: base64 in several lines: of base64(1), openssl(1), PEM (RFC 7468). It begins where a word does: tried from each
#: character, a long line would take the square of its length
WRAPPED = re.compile(r"(?<![\w+/-])(?:[\w+/-]{60,}\r?\n)+[\w+/=-]*")
UNRESERVED = re.compile(r"[^A-Za-z0-9_.~-]")


class Masks:
    """The known secrets of a run. texts: the initial ones."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._known: Set[str] = set()
        self._needles: Optional[List[Union[str, Pattern[str]]]] = None
        self.update(texts)

    def __bool__(self) -> bool:
        return bool(self._known)

    def add(self, text: str) -> None:
        """Add a secret: its text, each of its lines, and the logins in its URLs."""
        parts = [text, *text.splitlines(), *passwords(text)]
        for part in [*parts, *(each.strip() for each in parts)]:
            if len(part.strip()) >= SHORTEST and part.strip("*") and part not in self._known:
                self._known.add(part)
                self._needles = None

    def update(self, texts: Iterable[str]) -> None:
        """Add several secrets."""
        for text in texts:
            self.add(text)

    def learn(self, fields: Any) -> None:
        """Add the secrets in a step's message."""
        if isinstance(fields, list):
            for item in fields:
                self.learn(item)
        elif isinstance(fields, dict):
            if isinstance(fields.get("$secret"), str):
                self.add(fields["$secret"])
            self.learn(list(fields.values()))

    def within(self, data: bytes) -> List[str]:
        """Return the secrets whose text occurs in the data, plain or as JSON."""
        return sorted(
            known
            for known in self._known
            if any(form.encode("utf-8", "surrogatepass") in data for form in (known, *as_json(known)))
        )

    def hide(self, text: str) -> str:
        """Return the text without the secrets, and without the logins in URLs."""
        if self._needles is None:
            # hiding a part of another secret first must not break the search for the whole
            forms = {form for part in self._known for form in encodings(part)}
            self._needles = [needle(form) for form in sorted(forms, key=lambda form: (-len(form), form))]
        return without_logins(self._replaced(WRAPPED.sub(self._in_one_line, text)))

    def _replaced(self, text: str) -> str:
        for each in self._needles or ():
            text = text.replace(each, MASK) if isinstance(each, str) else each.sub(MASK, text)
        return text

    def _in_one_line(self, found: "re.Match[str]") -> str:
        """Return wrapped base64 as it is, or in one line and without the secrets in it."""
        joined = "".join(found.group().split())
        hidden = self._replaced(joined)
        return found.group() if hidden == joined else hidden

    def hide_in(self, answer: Any) -> Any:
        """Return a message without the secrets."""
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
    """Return the parts of URL logins in a text that must be masked: the whole login, and its password."""
    for login in logins(text):
        user, colon, word = login.partition(":")
        # a lone user name may be a token, which is long; "git" and "shop" are not
        if colon or len(user) > LONG:
            yield login
        if word:
            yield word
            yield re.sub("%([0-9A-Fa-f]{2})", lambda found: chr(int(found.group(1), 16)), word)


def needle(form: str) -> Union[str, Pattern[str]]:
    """Return the pattern to search for."""
    if len(form) < LONG and (form.isalpha() or form.isdigit()):
        return re.compile(r"(?<![A-Za-z0-9])%s(?![A-Za-z0-9])" % re.escape(form))
    return form


def encodings(text: str) -> Iterator[str]:
    """Return the text as it is, and as JSON, Python, shells, unit files, URLs and base64 write it."""
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
            # drop the characters that also encode bits of the neighbouring bytes
            form = form[(0, 2, 3)[before] : len(form) - bool((before + len(data)) % 3)]
            yield form
            yield form.replace("+", "-").replace("/", "_")


def as_json(text: str) -> Iterator[str]:
    """Return the text as JSON writes it, in ASCII and in Unicode."""
    for ascii_only in (True, False):
        yield json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def percent(found: "re.Match[str]") -> str:
    """Return a character as URLs write it (RFC 3986, 2.1)."""
    return "".join("%%%02X" % byte for byte in found.group().encode("utf-8", "surrogatepass"))
