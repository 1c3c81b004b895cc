"""Certificates and files of the renewals, as acme.py reads and writes them. Standard library only, Python 3.8."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import re
import ssl
import subprocess
import tempfile
from datetime import datetime, timezone
from typing import Any, Dict

#: of a certificate: its entry in the settings, what acme.py remembers of it, and what is in its file
Wanted = Dict[str, Any]
State = Dict[str, Any]
Found = Dict[str, Any]

#: what only these programs write: state, accounts, challenges
HOME = "/var/lib/prov-acme"


class Failed(Exception):
    """A certificate could not be renewed. The text names the cause."""


def certificate(path: str) -> Found:
    """Return what is in the certificate at a path; {} without a valid one."""
    try:
        with open(path) as file:
            return parsed(file.read())
    except (OSError, UnicodeDecodeError):
        return {}


def parsed(text: str) -> Found:
    """Return what is in a certificate: sha256 (of the file), names, begin and end (epoch seconds), public (its
    key), identifier (RFC 9773, 4.1)."""
    asked = ["-noout", "-pubkey", "-dates", "-serial", "-ext", "subjectAltName,authorityKeyIdentifier"]
    done = subprocess.run(["openssl", "x509", *asked], input=text.encode(), stdout=-1, stderr=-3)
    said = done.stdout.decode(errors="replace")
    dates = dict(re.findall(r"^(notBefore|notAfter)=(.+)$", said, re.MULTILINE))
    if done.returncode or len(dates) != 2:
        return {}
    issuer = re.search(r"((?:[0-9A-F]{2}:){7,}[0-9A-F]{2})", said)
    serial = re.search(r"^serial=([0-9A-F]+)", said, re.MULTILINE)
    return {
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "names": re.findall(r"DNS:([^\s,]+)", said),
        "begin": ssl.cert_time_to_seconds(dates["notBefore"]),
        "end": ssl.cert_time_to_seconds(dates["notAfter"]),
        "public": said[: said.find("-----END PUBLIC KEY-----")],
        "identifier": identifier(issuer.group(1), serial.group(1)) if issuer and serial else "",
    }


def identifier(issuer: str, serial: str) -> str:
    """Return the name of a certificate in renewal information: base64url of the key's and of its own number."""
    number = bytes.fromhex(serial.zfill(len(serial) + len(serial) % 2))
    # as DER has it: the highest bit would be a sign
    number = b"\0" + number if number[0] & 0x80 else number
    parts = (bytes.fromhex(issuer.replace(":", "")), number)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def public_key(path: str) -> str:
    """Return the public key of a private one, as `parsed` does. Raises Failed."""
    return openssl("pkey", "-pubout", "-passin", "pass:", "-in", path).partition("-----END")[0]


def openssl(*words: str) -> str:
    """Return what openssl says. Raises Failed."""
    done = subprocess.run(["openssl", *words], stdout=-1, stderr=-1)
    if done.returncode:
        raise Failed("openssl {}: {}".format(words[0], done.stderr.decode(errors="replace").strip()[-300:]))
    return done.stdout.decode()


def leaf(text: str) -> str:
    """Return the first certificate of a chain."""
    return text[: text.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----"


def instant(text: str) -> float:
    """Return the epoch seconds of an RFC 3339 time. Raises ValueError."""
    plain = re.sub(r"\.\d+", "", text).replace("Z", "+00:00")
    return datetime.fromisoformat(plain).timestamp()


def shown(seconds: float) -> str:
    """Return a time as people read it, in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def full(error: Exception) -> bool:
    """Return whether a disk was full."""
    return isinstance(error, OSError) and error.errno == 28


def digest_of(value: object) -> str:
    """Return what tells a value from others."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_json(path: str) -> dict[str, Any]:
    """Return what is in a file; {} if it is missing or damaged."""
    try:
        with open(path) as file:
            found = json.load(file)
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def new_key(kind: str) -> str:
    """Return a new key in PEM. Raises Failed."""
    how = (
        ("RSA", "-pkeyopt", "rsa_keygen_bits:2048")
        if kind == "rsa"
        else ("EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    )
    return openssl("genpkey", "-algorithm", *how)


def kind_of_key(path: str) -> str:
    """Return the kind of a key: rsa, ecdsa, or "" for another one. Raises Failed."""
    said = openssl("pkey", "-noout", "-text_pub", "-passin", "pass:", "-in", path)
    return "rsa" if "Modulus:" in said else "ecdsa" if "ASN1 OID:" in said else ""


def pair(wanted: Wanted) -> tuple[str, str]:
    """Return where a new key and its certificate wait beside those that they replace."""
    return wanted["key"] + ".next", wanted["certificate"] + ".next"


def replace_pair(wanted: Wanted, key: str, text: str) -> None:
    """Put a key and its certificate in place of the old ones, both or neither. Raises OSError."""
    waiting = pair(wanted)
    replace(waiting[0], key, 0o600)
    replace(waiting[1], text)
    finish_pair(wanted)


def finish_pair(wanted: Wanted) -> None:
    """Put in place a pair that waits, also one of a run that a reboot has cut; remove half of one. Raises OSError."""
    key, text = pair(wanted)
    if os.path.exists(text):
        if os.path.exists(key):
            os.replace(key, wanted["key"])
        os.replace(text, wanted["certificate"])
    elif os.path.exists(key):
        os.unlink(key)


def replace(path: str, text: str, mode: int = 0o644) -> None:
    """Put a file in place of the old one, whole or not at all. Raises OSError."""
    handle, new = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
