"""Filters for text, as Ansible's inventories use them.

Source: ansible-core, "Using filters to manipulate data", and the pages of the filters.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import posixpath
import re
import shlex
import time
import uuid
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from provision.expressions.bounds import ExpressionError
from provision.expressions.regular_expressions import PatternError, bounded

TRUE = ("yes", "on", "true", "1")
FALSE = ("no", "off", "false", "0")
#: the namespace of Ansible's `to_uuid`
NAMESPACE = uuid.UUID("361E6D51-FAEC-444A-9079-341386DA8E2E")


def to_bool(value: Any) -> bool:
    """Return what a word like yes, on or 1 means; others are false."""
    word = str(value).lower()
    if isinstance(value, (str, bool, int)) and word in TRUE:
        return True
    return isinstance(value, float) and value == 1


def text_of(value: Any) -> str:
    """Return a value as text."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def tried(
    do: str, value: Any, pattern: Any, *, ignorecase: bool = False, multiline: bool = False, **more: Any
) -> Any:
    """Return what a pattern finds in a value; see `regular_expressions.run`. Raises ExpressionError."""
    try:
        return bounded(do, pattern, text_of(value), ignorecase=ignorecase, multiline=multiline, **more)
    except PatternError as error:
        raise ExpressionError(str(error)) from None


def regex_replace(
    value: Any,
    pattern: str = "",
    replacement: str = "",
    ignorecase: bool = False,
    multiline: bool = False,
    count: int = 0,
    mandatory_count: int = 0,
) -> str:
    """Return a text in which what a pattern matches is replaced."""
    found, times = tried(
        "subn",
        value,
        pattern,
        ignorecase=ignorecase,
        multiline=multiline,
        replacement=replacement,
        count=count,
    )
    if mandatory_count and times != mandatory_count:
        raise ExpressionError(f"{pattern!r} matched {times} times, expected {mandatory_count}")
    return str(found)


def regex_findall(value: Any, regex: str, multiline: bool = False, ignorecase: bool = False) -> list[Any]:
    """Return all that a pattern matches."""
    found: list[Any] = tried("findall", value, regex, ignorecase=ignorecase, multiline=multiline)
    return found


def regex_search(
    value: Any, regex: str, *groups: str, multiline: bool = False, ignorecase: bool = False
) -> Any:
    """Return the first that a pattern matches, or its groups, named as \\\\1 or \\\\g<name>; None without a match."""
    found = tried("search", value, regex, ignorecase=ignorecase, multiline=multiline)
    if found is None or not groups:
        return found and found["groups"][0]
    parts = []
    for group in groups:
        name = re.fullmatch(r"\\(?:g<(\S+)>|(\d+))", group)
        if name is None:
            raise ExpressionError(f"{group!r} is not a group: write '\\\\1' or '\\\\g<name>'")
        parts.append(found["named"][name[1]] if name[1] else found["groups"][int(name[2])])
    return parts


def regex_escape(value: Any, re_type: str = "python") -> str:
    """Return a text as a pattern that matches it."""
    if re_type == "posix_basic":
        return re.sub(r"([].[^$*\\])", r"\\\1", text_of(value))
    if re_type != "python":
        raise ExpressionError(f"{re_type!r} is not one of python, posix_basic")
    return re.escape(text_of(value))


def b64encode(value: Any, encoding: str = "utf-8", urlsafe: bool = False) -> str:
    """Return text in base64."""
    data = value if isinstance(value, bytes) else str(value).encode(encoding, "surrogateescape")
    return (base64.urlsafe_b64encode if urlsafe else base64.b64encode)(data).decode()


def b64decode(value: Any, encoding: str = "utf-8", urlsafe: bool = False) -> str:
    """Return the text of base64."""
    return (base64.urlsafe_b64decode if urlsafe else base64.b64decode)(str(value)).decode(encoding)


def hashed(value: Any, hashtype: str = "sha1") -> str:
    """Return a hash of a text, in hexadecimal."""
    if hashtype not in hashlib.algorithms_available or hashtype.startswith("shake"):
        raise ExpressionError(f"{hashtype!r} is not a hash")
    return hashlib.new(hashtype, text_of(value).encode("utf-8", "surrogateescape")).hexdigest()


def comment(text: str, style: str = "plain", **parts: str) -> str:
    """Return a text as a comment of a configuration file."""
    styles = {
        "plain": ("", "# ", ""),
        "erlang": ("", "% ", ""),
        "c": ("", "// ", ""),
        "cblock": ("/*", " * ", " */"),
        "xml": ("<!--", " - ", "-->"),
    }
    if style not in styles:
        raise ExpressionError(f"{style!r} is not one of {', '.join(styles)}")
    begin, before, end = styles[style]
    before = parts.get("decoration", before)
    around = [parts.get("prefix", before.rstrip()), parts.get("postfix", before.rstrip())]
    lines = [(before + line).rstrip() if not line else before + line for line in text.split("\n")]
    frame = [parts.get("beginning", begin), around[0], *lines, around[1], parts.get("end", end)]
    if not frame[0]:
        del frame[0]
    return "\n".join(frame if frame[-1] else frame[:-1])


def split(value: str, sep: str | None = None, maxsplit: int = -1) -> list[str]:
    """Return the parts of a text."""
    return value.split(sep, maxsplit)


def url_split(value: str, query: str = "") -> Any:
    """Return the parts of a URL, or one of them."""
    found = urlsplit(value)
    parts = {name: getattr(found, name) for name in ("fragment", "hostname", "netloc", "password", "path", "port",
             "query", "scheme", "username")}  # fmt: skip
    if query and query not in parts:
        raise ExpressionError(f"a URL has no part {query!r}")
    return parts[query] if query else parts


def strftime(form: str, second: Any = None, utc: bool = False) -> str:
    """Return a time as text. second: since 1970; None is now."""
    moment = None if second is None else float(second)
    return time.strftime(form, time.gmtime(moment) if utc else time.localtime(moment))


def to_datetime(value: str, format: str = "%Y-%m-%d %H:%M:%S") -> datetime:
    """Return the time that a text says."""
    return datetime.strptime(value, format)


def to_uuid(value: Any, namespace: Any = NAMESPACE) -> str:
    """Return a UUID that is always the same for a text."""
    known = namespace if isinstance(namespace, uuid.UUID) else uuid.UUID(namespace)
    return str(uuid.uuid5(known, str(value)))


def to_json(value: Any, **options: Any) -> str:
    """Return a value as JSON."""
    return json.dumps(value, default=as_json, **options)


def to_nice_json(value: Any, indent: int = 4, sort_keys: bool = True, **options: Any) -> str:
    """Return a value as JSON for people."""
    return json.dumps(
        value,
        default=as_json,
        **{**options, "indent": indent, "sort_keys": sort_keys},
        separators=(",", ": "),
    )


def as_json(value: Any) -> Any:
    """Return what JSON holds for a value that it has no type for. Raises TypeError."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


FILTERS = {
    "b64decode": b64decode,
    "b64encode": b64encode,
    "basename": posixpath.basename,
    "bool": to_bool,
    "checksum": hashed,
    "comment": comment,
    "commonpath": lambda paths: posixpath.commonpath(list(paths)),
    "dirname": posixpath.dirname,
    "expanduser": posixpath.expanduser,
    "from_json": lambda text, **_: json.loads(text),
    "hash": hashed,
    "md5": lambda text: hashed(text, "md5"),
    "normpath": posixpath.normpath,
    "path_join": lambda parts: posixpath.join(*([parts] if isinstance(parts, str) else parts)),
    "quote": lambda text: shlex.quote("" if text is None else text_of(text)),
    "realpath": posixpath.realpath,
    "regex_escape": regex_escape,
    "regex_findall": regex_findall,
    "regex_replace": regex_replace,
    "regex_search": regex_search,
    "relpath": lambda path, start=".": posixpath.relpath(path, start),
    "sha1": hashed,
    "split": split,
    "splitext": posixpath.splitext,
    "strftime": strftime,
    "to_datetime": to_datetime,
    "to_json": to_json,
    "to_nice_json": to_nice_json,
    "to_uuid": to_uuid,
    "urldecode": lambda text: unquote_plus(text),
    "urlsplit": url_split,
    "win_basename": lambda path: re.split(r"[\\/]", path)[-1],
}
