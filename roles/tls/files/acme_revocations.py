"""Certificates that an authority is to revoke (RFC 8555, 7.6), once another one is in place. Standard library only,
Python 3.8."""

from __future__ import annotations

import glob
import json
import os
import tempfile
import time

from acme_files import HOME, Failed, Wanted, certificate, leaf, parsed, read_json, replace
from acme_orders import cause, certbot

#: reasons of RFC 5280, 5.3.1, as certbot names them
REASONS = ("unspecified", "keycompromise", "affiliationchanged", "superseded", "cessationofoperation")
#: what certbot has to know of the account that has ordered a certificate
ACCOUNT = ("server", "email", "authority", "eab")
#: how an authority says that a certificate is revoked already (RFC 8555, 6.7), with certbot's words or without
ALREADY = ("alreadyRevoked", "already revoked")


def intend(name: str, wanted: Wanted, reason: str) -> None:
    """Write down that the present certificate is to be revoked. Raises Failed, OSError."""
    found = certificate(wanted["certificate"])
    if not found:
        raise Failed("there is no certificate to revoke")
    os.makedirs(HOME + "/revoking", mode=0o700, exist_ok=True)
    entry = {"reason": reason, "sha256": found["sha256"], **{each: wanted[each] for each in ACCOUNT}}
    for part in ("certificate", "key"):
        with open(wanted[part]) as file:
            entry[part] = file.read()
    replace("{}/revoking/{}.{}".format(HOME, name, found["sha256"][:16]), json.dumps(entry), 0o600)


def intended(name: str) -> dict[str, str]:
    """Return the certificates of an application that are to be revoked: the digest of each, and the file about it."""
    paths = sorted(glob.glob("{}/revoking/{}.{}".format(HOME, name, "[0-9a-f]" * 16)))
    return {str(read_json(path).get("sha256")): path for path in paths}


def settle(wanted: Wanted, path: str) -> str:
    """Have a certificate revoked if it is no longer in place; return why, "" if it still is. Raises Failed, OSError.

    path: the file about it.
    """
    entry, present = read_json(path), certificate(wanted["certificate"])
    if not present or entry["sha256"] == present["sha256"]:
        return ""
    revoke(entry)
    os.unlink(path)
    return str(entry["reason"])


def revoke(entry: Wanted) -> None:
    """Have the authority revoke a certificate, unless it has expired. Raises Failed, OSError."""
    found, reason = parsed(entry["certificate"]), entry["reason"]
    if not found or found["end"] < time.time():
        return
    with tempfile.TemporaryDirectory(prefix="order-", dir=HOME + "/work") as folder:
        replace(folder + "/old.crt", leaf(entry["certificate"]) + "\n")
        options = ["--cert-path", folder + "/old.crt", "--reason", reason, "--no-delete-after-revoke"]
        if reason == "keycompromise":
            # asked by the key itself, authorities refuse it from then on; for other reasons, the account asks
            replace(folder + "/old.key", entry["key"], 0o600)
            options += ["--key-path", folder + "/old.key"]
        status, said = certbot("revoke", options, entry, folder)
    if status and not any(word in said for word in ALREADY):
        raise Failed("the new certificate is in place, but the old one is not revoked: " + cause(said, entry))
