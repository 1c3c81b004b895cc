"""Lines, blocks, replacements and ini values in files of every make."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pasts
from forked import Host, Hosts
from hypothesis import strategies as st
from past import Held, drawn, hold
from pasts import There, put
from pictures import others

from provision.steps.base import Step
from provision.steps.ini_files import IniValue
from provision.steps.text import Block, Line, Replace

WORDS = ["", "port 1", "port 2", " port 1", "# port 1", "# BEGIN prov x", "# END prov x", "key: value", "\tx"]
texts = pasts.texts(st.sampled_from(WORDS))
INI = [
    "",
    "[a]",
    "[b]",
    "k = 1",
    "k=2",
    "K: 3",
    "  k = 4",
    "  more",
    "; k = 1",
    "  # note",
    "z = 9",
    "bare",
    " [a]",
    "k = 1 ; x",
]
inis = pasts.texts(st.sampled_from(INI))
places = st.sampled_from(
    [{}, {"after": "^port"}, {"before": "port", "first": True}, {"after": "x$", "first": True}]
)


def rows(data: bytes) -> list[bytes]:
    """The rows of a file with their ends, as the kernel and C libraries tell them apart."""
    return re.findall(rb"[^\n]*\n|[^\n]+$", data)


def edited(host: Host, there: There, step: Step) -> tuple[Held, bytes, bytes]:
    """Hold the step to it; what the file held before and after. Nothing but its contents may have changed."""
    held = hold(host, step)
    name = "f.end" if there.kind in ("link", "broken") else "f"
    assert others(held.before, "f", "f.end") == others(held.after, "f", "f.end")
    assert (held.before.get("f") or [0])[0] == (held.after.get("f") or [0])[0] or there.kind == "none"
    if name in held.before and name in held.after:
        was, now = held.before[name], held.after[name]
        kept = was[1] & 0o1777 if was[4] != now[4] else was[1]
        assert (now[1], now[2:4], now[5]) == (kept, was[2:4], was[5])
    if there.kind == "folder":
        assert held.failed.endswith("is a directory, not a file")
        return held, b"", b""
    if there.kind == "pipe":
        assert held.failed.endswith("is not a file")
        return held, b"", b""
    before, after = (picture[name][4] if name in picture else b"" for picture in (held.before, held.after))
    assert before.startswith(b"\xef\xbb\xbf") == after.startswith(b"\xef\xbb\xbf")
    return held, before.removeprefix(b"\xef\xbb\xbf"), after.removeprefix(b"\xef\xbb\xbf")


def is_inserted(before: bytes, after: bytes, new: list[bytes]) -> bool:
    """Whether the new lines came together, and all other rows are as they were, but for the end of the last."""
    old, rows_now = rows(before), rows(after)
    for at in range(len(old) + 1):
        rest = rows_now[:at] + rows_now[at + len(new) :]
        same = [a.rstrip(b"\r\n") if n == len(old) - 1 else a for n, a in enumerate(rest)]
        want = [a.rstrip(b"\r\n") if n == len(old) - 1 else a for n, a in enumerate(old)]
        if same == want and [row.rstrip(b"\r\n") for row in rows_now[at : at + len(new)]] == new:
            return True
    return False


@drawn(there=pasts.theres(texts), match=st.sampled_from(["", "^port", "^port 2"]), place=places)
def test_line(hosts: Hosts, there: There, match: str, place: dict[str, str | bool]) -> None:
    host = hosts.new()
    put(there, host.root / "f")
    step = Line(str(host.root / "f"), "port 2", match=match, create=True, **place)  # type: ignore[arg-type]
    held, before, after = edited(host, there, step)
    if held.failed:
        return
    assert b"port 2" in [row.rstrip(b"\r\n") for row in rows(after)]
    if before != after and len(rows(before)) == len(rows(after)):
        different = [n for n, (a, b) in enumerate(zip(rows(before), rows(after))) if a != b]
        assert len(different) == 1 and rows(before)[different[0]].startswith(b"port")
        a, b = rows(before)[different[0]], rows(after)[different[0]]
        assert re.search(rb"\r?\n?$", a)[0] == re.search(rb"\r?\n?$", b)[0]  # type: ignore[index]
    elif before != after:
        assert is_inserted(before, after, [b"port 2"])


@drawn(there=pasts.theres(texts))
def test_no_line(hosts: Hosts, there: There) -> None:
    host = hosts.new()
    put(there, host.root / "f")
    held, before, after = edited(host, there, Line(str(host.root / "f"), "", match="^port"))
    if not held.failed:
        kept = [row for row in rows(before) if not row.startswith(b"port")]
        assert rows(after) == kept


@drawn(there=pasts.theres(texts), text=st.sampled_from(["new", "a\nb\n", "a\r\nb", ""]), place=places)
def test_block(hosts: Hosts, there: There, text: str, place: dict[str, str | bool]) -> None:
    host = hosts.new()
    put(there, host.root / "f")
    step = Block(str(host.root / "f"), text, name="x", create=True, **place)  # type: ignore[arg-type]
    held, before, after = edited(host, there, step)
    marks = [row.strip() for row in rows(before) if row.strip() in (b"# BEGIN prov x", b"# END prov x")]
    if held.failed:
        assert there.kind in ("folder", "pipe") or marks != [b"# BEGIN prov x", b"# END prov x"]
        return
    found = [row.rstrip(b"\r\n") for row in rows(after)]
    lines = text.replace("\r\n", "\n").rstrip("\n").encode().split(b"\n") if text else []
    if text:
        at = next(n for n, row in enumerate(found) if row.strip() == b"# BEGIN prov x")
        assert found[at + 1 : at + 1 + len(lines)] == lines
        assert found[at + 1 + len(lines)].strip() == b"# END prov x"
    if text and not marks:
        assert is_inserted(before, after, [b"# BEGIN prov x", *lines, b"# END prov x"])
    if not text:
        assert not marks or b"BEGIN" not in after


@drawn(
    there=pasts.theres(texts),
    match=st.sampled_from(["^port (1)$", "port 1\\n", "\\n\\n", "^\\s+"]),
    by=st.sampled_from(["", "p\n", "q\nr"]),
)
def test_replace(hosts: Hosts, there: There, match: str, by: str) -> None:
    host = hosts.new()
    put(there, host.root / "f")
    held, before, after = edited(host, there, Replace(str(host.root / "f"), match, by))
    if held.failed:
        return
    plain = before.replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape")
    wanted = re.sub(match, by, plain, flags=re.MULTILINE)
    assert after.replace(b"\r\n", b"\n").decode("utf-8", "surrogateescape") == wanted


def read(data: bytes) -> dict[str, dict[str, str | None]] | None:
    """What configparser finds; None if it refuses the file."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        # keys before the first section count as a section of their own
        parser.read_string("[]\n" + data.decode("utf-8", "surrogateescape").replace("\r\n", "\n"))
    except configparser.Error:
        return None
    return {name: dict(parser[name]) for name in parser.sections()}


@drawn(
    there=pasts.theres(inis),
    section=st.sampled_from(["", "a", "new"]),
    value=st.sampled_from(["1", "", "7", True, None]),
    dialect=st.sampled_from(["", "configparser", "mysql", "php", "systemd"]),
)
def test_ini_value(hosts: Hosts, there: There, section: str, value: str | bool | None, dialect: str) -> None:
    host = hosts.new()
    put(there, host.root / "f")
    step = IniValue(str(host.root / "f"), section, "k", value, create=True, dialect=dialect)
    held, before, after = edited(host, there, step)
    if held.failed or dialect != "configparser":
        return
    was, now = read(before), read(after)
    if was is None:
        return
    assert now is not None
    if value is None:
        assert "k" not in now.get(section, {})
    else:
        assert now[section]["k"] == (None if value is True else value)
    for found in (was, now):
        found.setdefault(section, {}).pop("k", None)
    assert was == now


def test_the_file_is_read_once_more(hosts: Hosts) -> None:
    """What the strategies draw is what a file holds: a test of the tests."""
    host = hosts.new()
    put(There("link", b"x"), Path(host.root / "f"))
    assert (host.root / "f").read_bytes() == b"x" and (host.root / "f.end").is_file()
