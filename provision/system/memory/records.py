"""The formats of records on disk, and the checks before anything relies on them. Shipped.

Only root can write records, but a disk, a crash or a manual edit may damage them. Unknown fields are kept as
they are, because another version of prov has written them.
"""

import base64
import os
import stat
from typing import Any, Dict

from provision.system.frames import ProtocolError, parse
from provision.system.shapes import (
    Check,
    Misshapen,
    flag,
    having,
    listing,
    mapping,
    number,
    optional,
    real,
    text,
    word,
)

#: maximum bytes of a record; real ones are far smaller
LARGEST = 64 * 1024 * 1024
TEXT, LONG = text(64 * 1024), text(LARGEST)
NUMBER = number(0, 2**62)


class Damaged(ValueError):
    """A record is damaged."""


def load(path: str, check: Check) -> Any:
    """Return a record. Raises Damaged, and OSError if it is missing or unreadable."""
    return understood(content(path), check)


def content(path: str) -> bytes:
    """Return the bytes of a record. Raises Damaged if it is not a file, and OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as f:
        st = os.fstat(fd)
        if not stat.S_ISREG(st.st_mode) or st.st_size > LARGEST:
            raise Damaged("%s is larger than any record of prov's, or not a file" % path)
        return f.read()


def understood(data: bytes, check: Check) -> Any:
    """Return a record from its bytes. Raises Damaged."""
    try:
        return check(parse(data))
    except (ProtocolError, Misshapen, RecursionError) as error:
        raise Damaged(str(error)) from None


def path(value: Any) -> Any:
    """Check an absolute path without ".."."""
    found = TEXT(value)
    if not found.startswith("/") or ".." in found.split("/"):
        raise Misshapen("expected an absolute path")
    return found


def inner(value: Any) -> Any:
    """Check a path below a folder."""
    path("/" + TEXT(value))
    return value


def thing(value: Any) -> Any:
    """Check the name of a thing that prov made: "path /etc/x", "user shop"."""
    kind, _, name = TEXT(value).partition(" ")
    if kind == "path":
        path(name)
    elif not name:
        raise Misshapen("expected a kind and a name")
    return value


def digits(value: Any) -> Any:
    """Check the name of kept contents."""
    if not (TEXT(value).isascii() and value.isdigit()):
        raise Misshapen("expected digits")
    return value


def is_number(name: str) -> bool:
    """Return whether a name is a run's number."""
    return name.isascii() and name.isdigit() and len(name) < 10


def encoded(value: Any) -> Any:
    """Check base64."""
    try:
        base64.b64decode(LONG(value), validate=True)
    except ValueError as error:
        raise Misshapen(str(error)) from None
    return value


def named(check_name: Check, check: Check) -> Check:
    """Check an object and the names of its fields."""

    def check_both(value: Any) -> Any:
        return {check_name(name): item for name, item in mapping(check)(value).items()}

    return check_both


def versioned(known: int, check: Check) -> Check:
    """Check a record and its version; a newer version is accepted as it is."""

    def check_version(value: Any) -> Any:
        found = having({"version": NUMBER})(value)
        return found if found["version"] > known else check(found)

    return check_version


# -- ledger.json, and made.jsonl of runs

UNIT = having({}, {"inputs": mapping(LONG), "at": TEXT, "run": NUMBER, "renews": flag, "owes": TEXT})
MADE = having({"role": TEXT, "step": LONG, "whole": flag}, {"feeds": listing(TEXT)})
KNOWN = having({"state": TEXT, "values": mapping(LONG)})
LEDGER_VERSION = 2
LEDGER = versioned(
    LEDGER_VERSION, having({"units": mapping(UNIT)}, {"made": named(thing, MADE), "known": mapping(KNOWN)})
)


def remembered(value: Any) -> Any:
    """Check a line of made.jsonl: a thing or unit with its entry (None: removed), or a folder's contents."""
    found = having({})(value)
    if "inside" in found:
        return having({"inside": path, "name": inner})(value)
    if "filling" in found:
        return having({"filling": path})(value)
    if "unit" in found:
        return having({"unit": TEXT, "entry": optional(UNIT)})(value)
    return having({"thing": thing, "entry": optional(MADE)})(value)


# -- run.json and steps.jsonl

ABOUT: Dict[str, Check] = {
    **dict.fromkeys(("ended", "who", "commit", "state"), TEXT),
    **dict.fromkeys(("failed", "begun"), listing(LONG)),
    **dict.fromkeys(("undone", "undoes"), NUMBER),
    **dict.fromkeys(("saved", "stepwise"), flag),
    "seconds": real(-(10**12), 10**12),
}
RUN_VERSION = 1
RUN = versioned(RUN_VERSION, having({"began": TEXT, "changed": listing(LONG)}, ABOUT))
DONE = having(
    {"step": LONG, "state": TEXT},
    {"role": TEXT, "why": LONG, "error": LONG, "ran": flag, "diff": listing(listing(LONG, 4, 1))},
)
BEGUN = having({"begins": LONG})


def step(value: Any) -> Any:
    """Check a line of steps.jsonl: a step that starts, or one that has changed something or failed."""
    return (BEGUN if "begins" in having({})(value) else DONE)(value)


#: the fields of runs that steps/history.py reports
PAST = having(
    {
        "runs": listing(
            having({"id": NUMBER, "began": TEXT, "changed": listing(LONG)}, {**ABOUT, "damaged": TEXT})
        )
    },
    {"steps": listing(DONE)},
)


# -- kept.jsonl and left.json

MODE: Dict[str, Check] = {"mode": number(0, 0o7777), "uid": number(0, 2**32), "gid": number(0, 2**32)}
STATES: Dict[str, Check] = {
    "absent": having({}),
    "dir": having(MODE),
    "other": having(MODE),
    "link": having({**MODE, "target": TEXT}),
    "file": having({**MODE, "size": NUMBER, "sha256": text(64)}),
}
STATE = having({"kind": word(*STATES)}, {"attributes": mapping(encoded), "names": listing(TEXT)})


def state(value: Any) -> Any:
    """Check the state of a path: see states.py."""
    found = STATE(value)
    return STATES[found["kind"]](found)


WAS = having(dict.fromkeys(("load", "active", "enabled"), TEXT))
LINE = having({"file": path, "name": TEXT, "was": optional(LONG), "now": optional(LONG), "after": TEXT})
FORMER: Dict[str, Check] = {
    "path": having(
        {"path": path, "was": state}, {"copy": digits, "lost": TEXT, "spare": flag, "whole": flag}
    ),
    "whole": having({"whole": path}),
    "unit": having({"unit": TEXT, "was": WAS, "did": TEXT}),
    "fed": having({"fed": TEXT, "was": optional(UNIT)}),
    "texts": having({"texts": named(path, LONG)}),
    "accounts": having({"accounts": listing(LINE)}),
}
LEFT = having({"paths": named(path, state), "units": mapping(TEXT)})


def former(value: Any) -> Any:
    """Check a line of kept.jsonl: see run_journal.py."""
    kind = next((kind for kind in FORMER if kind in having({})(value)), "")
    if not kind:
        raise Misshapen("of no kind that is kept")
    return FORMER[kind](value)


# -- the guard's

RESTORED = having({"at": TEXT, "paths": listing(TEXT)})
