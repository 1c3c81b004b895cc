"""Renew this host's certificates from ACME authorities (RFC 8555). A timer runs it; prov does not have to.

    acme.py                           renew every certificate that is due
    acme.py --now NAME                one that is due, also if the last try has failed a moment ago
    acme.py --new-key NAME            replace one and its key
    acme.py --revoke NAME REASON      the same, then have the old one revoked

certbot speaks ACME. This program decides when, by the authority's renewal information (RFC 9773) or by the
lifetime, puts the certificate in place, reloads the front, and asks it by a handshake what it serves. A failure
leaves the old certificate as it is. Standard library only, Python 3.8.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple

from acme_files import (
    HOME,
    Failed,
    Found,
    State,
    Wanted,
    certificate,
    digest_of,
    finish_pair,
    full,
    instant,
    kind_of_key,
    new_key,
    public_key,
    read_json,
    replace,
    replace_pair,
    shown,
)
from acme_orders import judged, ordered, serve
from acme_revocations import REASONS, intend, intended, settle

CONFIG = "/etc/prov/acme.json"
#: of previews, a file for each
MORE = "/etc/prov/acme.d/*.json"
HOUR, DAY = 3600.0, 86400.0
#: the part of a lifetime after which a certificate is renewed, where the authority does not say when; the span is
#: so that hosts do not all ask at once, and ends before only a third is left
RENEW_AFTER, SPAN = 0.6, 0.05
#: the part of a lifetime that is left at least, whatever the authority suggests
LEAST = 0.25
#: seconds between two questions for renewal information, if the authority names none (RFC 9773, 4.3.2)
ASK_EVERY = 6 * HOUR
#: how many words an option takes, itself among them
WORDS = {"": 0, "--now": 2, "--new-key": 2, "--revoke": 3}


class Asked(NamedTuple):
    """What a user asks of a certificate. now: renew it, if it is due, also soon after a failure.  new_key: replace it
    with its key.  revoke: why it is to be revoked, "" if it is not."""

    now: bool
    new_key: bool
    revoke: str


def main(arguments: list[str]) -> int:
    """Renew what is due; return 1 if that failed for a certificate."""
    option, names = (arguments[0], arguments[1:2]) if arguments else ("", [])
    reason = arguments[2] if option == "--revoke" and len(arguments) == 3 else ""
    if len(arguments) != WORDS.get(option) or (option == "--revoke" and reason not in REASONS):
        print("usage: acme.py [--now NAME | --new-key NAME | --revoke NAME REASON]", file=sys.stderr)
        return 2
    os.umask(0o022)
    with alone():
        for left in glob.glob(os.path.join(HOME, "work", "order-*")):
            # of a run that a reboot has cut
            shutil.rmtree(left, ignore_errors=True)
        certificates = {}
        for path in (CONFIG, *sorted(glob.glob(MORE))):
            certificates.update(read_json(path).get("certificates", {}))
        if not set(names) <= set(certificates):
            print(f"{CONFIG} has no {names[0]}; it has {', '.join(certificates)}", file=sys.stderr)
            return 2
        asked = Asked(bool(option), option == "--new-key", reason)
        results = [kept_valid(name, certificates[name], asked) for name in names or sorted(certificates)]
    return 0 if all(results) else 1


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Wait until no other such program runs on this host."""
    with open(HOME + "/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# -- when


def kept_valid(name: str, wanted: Wanted, asked: Asked) -> bool:
    """Renew one certificate if it is due, and have old ones revoked; return False if that failed."""
    state = read_json(state_path(name))
    before = dict(state)
    if state.get("wanted") != digest_of(wanted):
        # failures of other settings do not count
        state.update(failures=0, next=0, wanted=digest_of(wanted))
    # a try in the future: the clock was wrong, and so is the time of the next one
    if not asked.now and state.get("tried", 0) <= time.time() < state.get("next", 0):
        return True
    try:
        finish_pair(wanted)
        if asked.revoke:
            intend(name, wanted, asked.revoke)
        owed = intended(name)
        kind = wanted.get("kind", "ecdsa")
        if asked.new_key or (owed and certificate(wanted["certificate"]).get("sha256") in owed):
            why, fresh = "a new key is wanted", True
        elif kind_of_key(wanted["key"]) != kind:
            why, fresh = f"the key is not of the kind {kind}", True
        else:
            why, fresh = reason(wanted, state), False
        if why:
            state["tried"] = time.time()
            print(f"{name}: getting a certificate, as {why}", flush=True)
            order(name, wanted, state, fresh)
        if not state.get("served", True):
            serve(wanted)
            state.update(served=True)
            print("{}: served, valid until {}".format(name, shown(certificate(wanted["certificate"])["end"])))
        for path in intended(name).values():
            why = settle(wanted, path)
            if why:
                print(f"{name}: the old certificate is revoked ({why})", flush=True)
        state.update(failures=0, next=0, error="")
        if state != before:
            write_state(name, state)
    except (Failed, OSError, subprocess.TimeoutExpired) as error:
        remember_failure(name, wanted, state, "No space left on device" if full(error) else str(error))
        return False
    return True


def reason(wanted: Wanted, state: State) -> str:
    """Return why a certificate has to be ordered; "" if it need not be. Raises Failed."""
    found = certificate(wanted["certificate"])
    why = lacking(wanted, found, state)
    if not why:
        plan_renewal(wanted, found, state)
        if time.time() >= state["renew_at"]:
            why = "it is time: the old one is valid until {}".format(shown(found["end"]))
    return why


def lacking(wanted: Wanted, found: Found, state: State) -> str:
    """Return why a certificate is not what is wanted, whatever its age; "" if it is."""
    if not found:
        return "there is no certificate"
    if found["sha256"] != state.get("sha256"):
        return "the certificate is not from this authority"
    if (state.get("server"), state.get("profile", "")) != (wanted["server"], wanted["profile"]):
        return "the authority or its profile is another one"
    if sorted(found["names"]) != sorted(wanted["names"]):
        return "it is for {}".format(", ".join(found["names"]))
    if found["public"] != public_key(wanted["key"]):
        return "the key is another one"
    return ""


def plan_renewal(wanted: Wanted, found: Found, state: State) -> None:
    """Say in the state when a certificate is renewed: by the authority, or by its lifetime."""
    whole = found["end"] - found["begin"]
    fraction = int(hashlib.sha256((found["sha256"] + machine()).encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    renew_at = found["begin"] + whole * (RENEW_AFTER + SPAN * fraction)
    if time.time() >= state.get("ask_at", 0):
        state["ask_at"] = time.time() + min(ASK_EVERY, whole / 20)
        try:
            ask_window(wanted, found, state)
        except (OSError, ValueError, KeyError, TypeError) as error:
            # it only advises
            print("no renewal information from {}: {}".format(wanted["server"], error), flush=True)
    if state.get("window"):
        begin, end = state["window"]
        # no part of it that is before the certificate: renewing would go round in a circle
        begin, end = max(begin, found["begin"]), min(end, found["end"] - whole * LEAST)
        renew_at = begin + max(end - begin, 0.0) * fraction if end > found["begin"] else end
    state["renew_at"] = renew_at


def ask_window(wanted: Wanted, found: Found, state: State) -> None:
    """Ask the authority when it wants a certificate renewed (RFC 9773, 4)."""
    state["window"] = None
    directory, _ = get_json(wanted["server"], wanted)
    if "renewalInfo" not in directory or not found["identifier"]:
        return
    url = "{}/{}".format(directory["renewalInfo"].rstrip("/"), found["identifier"])
    answer, headers = get_json(url, wanted)
    window = [instant(answer["suggestedWindow"][each]) for each in ("start", "end")]
    if window[1] <= window[0]:
        raise ValueError("the window ends before it begins")
    state["window"] = window
    retry = headers.get("Retry-After", "")
    if retry.isdecimal():
        state["ask_at"] = time.time() + min(max(float(retry), 60.0), DAY)


def remember_failure(name: str, wanted: Wanted, state: State, message: str) -> None:
    """Write down why a try has failed, and when the next one is: ever later, and soon enough for the old one."""
    found = certificate(wanted["certificate"])
    whole = found["end"] - found["begin"] if found else 90 * DAY
    left = found["end"] - time.time() if found else 0
    state["failures"] = state.get("failures", 0) + 1
    # a validation that fails five times an hour is refused (Let's Encrypt, rate limits)
    wait = min(max(whole / 500, 5.0), HOUR / 3) * 2 ** min(state["failures"] - 1, 10)
    wait = min(wait, DAY, max(whole / 10, 5.0))
    if left > 0:
        wait = min(wait, max(left / 4, 5.0))
    asked = re.search(r"retry after (\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)", message)
    if asked:
        wait = max(wait, instant(asked.group(1).replace(" ", "T") + "Z") - time.time())
    state.update(error=message, tried=time.time())
    state.update(next=time.time() + wait * (1 + int.from_bytes(os.urandom(1), "big") / 2560))
    print(f"{name}: {message}", file=sys.stderr, flush=True)
    print("{}: the next try is on {}".format(name, shown(state["next"])), file=sys.stderr, flush=True)
    with contextlib.suppress(OSError):
        # a full disk may be the failure
        write_state(name, state)


# -- how


def order(name: str, wanted: Wanted, state: State, fresh: bool) -> None:
    """Get a certificate and put it in place. fresh: for a new key. Raises Failed, OSError."""
    with tempfile.TemporaryDirectory(prefix="order-", dir=HOME + "/work") as folder:
        key = new_key(wanted.get("kind", "ecdsa")) if fresh else ""
        if fresh:
            replace(folder + "/new.key", key, 0o600)
        ordering = {**wanted, "key": folder + "/new.key"} if fresh else wanted
        text = ordered(ordering, folder)
        found = judged(text, ordering)
    if fresh:
        replace_pair(wanted, key, text)
    else:
        replace(wanted["certificate"], text)
    state.update(sha256=found["sha256"], server=wanted["server"], profile=wanted["profile"])
    state.update(window=None, ask_at=0, issued=time.time(), served=False)
    plan_renewal(wanted, found, state)
    write_state(name, state)


def get_json(url: str, wanted: Wanted) -> tuple[Any, Any]:
    """Return what a URL answers, and its headers. Raises OSError, ValueError."""
    if urllib.parse.urlsplit(url).scheme != "https":
        raise ValueError(f"{url} is not a URL of https")
    context = ssl.create_default_context(cafile=wanted["authority"] or None)
    with urllib.request.urlopen(url, timeout=20, context=context) as answer:
        return json.loads(answer.read(1 << 20)), answer.headers


def machine() -> str:
    """Return what tells this host from others."""
    try:
        with open("/etc/machine-id") as file:
            return file.read().strip()
    except OSError:
        return socket.gethostname()


def state_path(name: str) -> str:
    """Return where the state of a certificate is."""
    return f"{HOME}/state/{name}.json"


def write_state(name: str, state: State) -> None:
    """Write the state of a certificate. Raises OSError."""
    replace(state_path(name), json.dumps(state, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
