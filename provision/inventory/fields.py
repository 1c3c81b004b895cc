"""Kinds of text that applications and roles take as parameters, each with its form."""

from __future__ import annotations

import ipaddress
import posixpath
import re
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import quote, unquote

from pydantic import AfterValidator

from provision.system.writers import CONTROL


def matching(pattern: str, what: str) -> AfterValidator:
    """A validator for text of a certain form; the error reads "'x y' is not <what>"."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{text!r} is not {what}")
        return text

    return AfterValidator(check)


def domain(text: str) -> str:
    """A host name in lower case, as DNS and certificates have it; its first label may be `*`.

    RFC 1123, 2.1: labels of 1 to 63 letters, digits and inner hyphens, 253 characters in all.
    RFC 5890: labels of other letters become A-labels, so that "bücher.example" is "xn--bcher-kva.example".
    """
    name = text.lower() if text.isascii() else a_labels(text)
    labels = name.removeprefix("*.").split(".")
    if len(name) > 253 or not all(re.fullmatch(r"(?!-)[a-z0-9-]{1,63}(?<!-)", label) for label in labels):
        raise ValueError(f"{text!r} is not a host name like shop.example.com or *.example.com")
    if labels[-1].isdecimal():  # RFC 1123: the last label of a name has a letter
        raise ValueError(f"{text!r} is an address; an application is served under host names")
    return name


def a_labels(text: str) -> str:
    """An internationalized name as A-labels. Raises ValueError for one that is none, or that IDNA of 2003 and of 2008
    read differently (UTS 46, "Deviations")."""
    different = re.search("[\u00df\u03c2\u200c\u200d]", text)
    if different:
        raise ValueError(
            f"{text!r} has {different.group()!r}, which programs read in two ways: write xn--... instead"
        )
    try:
        star, rest = ("*.", text[2:]) if text.startswith("*.") else ("", text)
        return star + rest.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise ValueError(f"{text!r} is not a host name: {error}") from None


def inner_path(text: str) -> str:
    """A path inside a folder: relative, and never above it."""
    path = PurePosixPath(text)
    if not text or path.is_absolute() or ".." in path.parts or not text.isprintable():
        raise ValueError(f"{text!r} is not a relative path without '..'")
    return path.as_posix()


def url_path(text: str) -> str:
    """A path of URLs as it is read, decoded: "/caf%C3%A9/" and "/caf\u00e9/" are one. Raises ValueError.

    RFC 3986, 3.3: "?" and "#" end a path, so they are written as %3F and %23; a "%" that is meant is %25.
    """
    if re.search(r"[?#\\]|%(?![0-9A-Fa-f]{2})", text):
        raise ValueError(
            f"{text!r} has a character that a URL's path has not: write it as %3F, %23, %5C or %25"
        )
    try:
        found = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"{text!r} is not UTF-8 when it is decoded") from None
    parts = found.removeprefix("/").removesuffix("/").split("/")
    if not found.startswith("/") or (found != "/" and not all(parts)) or {".", ".."} & set(parts):
        raise ValueError(f"{text!r} is not a path like /admin/ or /")
    if not found.isprintable() or "%2f" in text.lower():
        raise ValueError(
            f"{text!r} is not a path like /admin/ or /: it has a control character or an encoded slash"
        )
    return found


def url_prefix(text: str) -> str:
    """A path of URLs as a prefix: "/shop" is "/shop/". Raises ValueError."""
    return url_path(text if text.endswith("/") else f"{text}/")


def inner_prefix(text: str) -> str:
    """A prefix other than /. Raises ValueError."""
    if text == "/" or not text.startswith("/") or not text.endswith("/"):
        raise ValueError(f"{text!r} is not a URL prefix like /static/")
    return url_path(text)


def encoded(path: str) -> str:
    """A decoded path as a request has it (RFC 3986, 3.3)."""
    return quote(path, safe="/:@!$&'()*+,;=~")


def source_path(text: str) -> str:
    """A path from the application's folder to a place in its source, which may be above that folder."""
    path = posixpath.normpath(text)
    if not text or path.startswith("/") or not text.isprintable():
        raise ValueError(f"{text!r} is not a relative path")
    return path


def network(text: str) -> str:
    """An address or a network, as fronts take it."""
    try:
        return str(ipaddress.ip_network(text, strict=False) if "/" in text else ipaddress.ip_address(text))
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not an address like 192.0.2.1 or a network like 10.0.0.0/8: {error}"
        ) from None


def address(text: str) -> str:
    """An address of a host: an IP address or a name."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        if re.fullmatch(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?", text):
            return text
        raise ValueError(f"{text!r} is neither an IP address nor a host name") from None


def one_line(text: str) -> str:
    """Text that every configuration language can hold: without control characters."""
    if not text or CONTROL.search(text) or text != text.strip():
        raise ValueError(f"{text!r} is not one line of text without control characters or blanks around it")
    return text


Domain = Annotated[str, AfterValidator(domain)]
InnerPath = Annotated[str, AfterValidator(inner_path)]
SourcePath = Annotated[str, AfterValidator(source_path)]
Network = Annotated[str, AfterValidator(network)]
Address = Annotated[str, AfterValidator(address)]
OneLine = Annotated[str, AfterValidator(one_line)]
# a prefix of paths: `/` is all of them
Place = Annotated[str, AfterValidator(url_path)]
AppPath = Annotated[str, AfterValidator(url_prefix)]
# what `static` has: all of it, a prefix, or a single path
StaticPlace = Place
UrlPrefix = Annotated[str, AfterValidator(inner_prefix)]
VariableName = Annotated[str, matching(r"[A-Z_][A-Z0-9_]*", "a name of capital letters, digits and _")]
# extras and dependency groups (packaging specifications, "Name format")
ExtraName = Annotated[
    str, matching(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", "the name of an extra or a group")
]
# useradd(8) and systemd agree on these; 32 is the longest name that Linux keeps in utmp
UserName = Annotated[str, matching(r"(?!root$)[a-z_][a-z0-9_-]{0,31}", "the name of a user other than root")]
