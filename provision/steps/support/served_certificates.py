"""How a certificate is doing: in its file, on the server's port, and at its renewals. Shipped to hosts (Python 3.8)."""

import json
import re
import ssl
import time
from typing import TYPE_CHECKING, Any, Dict, List

from provision.steps.support import unverified_tls

if TYPE_CHECKING:
    from provision.system.host import System

#: the part of a lifetime below which a renewal has long been due, and the seconds above which it has not
THIRD, MONTH = 1 / 3, 30 * 86400.0
#: seconds for a handshake with the host's own front
PATIENCE = 5.0


def on_disk(host: "System", path: str) -> Dict[str, Any]:
    """Return what is in a certificate: names, issuer, serial (hex), begin and end (epoch seconds), days; {} if it is
    missing or damaged."""
    if not path or host.files.stat(path) is None:
        return {}
    argv = ["openssl", "x509", "-noout", "-dates", "-serial", "-issuer", "-nameopt", "RFC2253,utf8"]
    said = host.ask([*argv, "-ext", "subjectAltName"], stdin=host.files.read(path)).stdout
    values = dict(re.findall(r"^(notBefore|notAfter|serial|issuer)=(.*)$", said, re.MULTILINE))
    if len(values) != 4:
        return {}
    begin, end = (ssl.cert_time_to_seconds(values[name]) for name in ("notBefore", "notAfter"))
    return {
        "names": re.findall(r"DNS:([^\s,]+)", said),
        "issuer": values["issuer"],
        "serial": values["serial"].lower(),
        "begin": begin,
        "end": end,
        "days": int((end - time.time()) // 86400),
    }


def served_serial(host: "System", name: str) -> str:
    """Return the serial number (hex) of the certificate that this host's port 443 shows for a name; "" if none."""
    try:
        with unverified_tls.connect("127.0.0.1", 443, name, PATIENCE) as shown:
            found = shown.getpeercert(binary_form=True)
    except (OSError, ValueError):
        return ""
    if not found:
        return ""
    said = host.ask(["openssl", "x509", "-noout", "-serial"], stdin=ssl.DER_cert_to_PEM_cert(found).encode())
    return said.stdout.strip().rpartition("=")[2].lower()


def renewals(host: "System", path: str) -> Dict[str, Any]:
    """Return what the host's program remembers of its renewals; {} if it has not run.

    renews: when it will renew.  tries: when it tries again after a failure, else 0.  window: what the authority
    suggests (RFC 9773), or None.  error: of the last try.  All times are epoch seconds.
    """
    if not path or host.files.stat(path) is None:
        return {}
    try:
        state = json.loads(host.files.read(path).decode())
        return {
            "renews": float(state.get("renew_at", 0)),
            "tries": float(state.get("next", 0)),
            "window": state.get("window"),
            "error": str(state.get("error", "")),
        }
    except (ValueError, TypeError, AttributeError):
        return {}


def faults(found: Dict[str, Any], renewed: Dict[str, Any]) -> List[str]:
    """Return what is wrong with a certificate. found: as `on_disk`.  renewed: as `renewals`."""
    wrong = []
    if not found:
        return ["there is no certificate"]
    left, whole = found["end"] - time.time(), found["end"] - found["begin"]
    if left < 0:
        wrong.append("the certificate has expired")
    elif left < min(whole * THIRD, MONTH) and renewed.get("renews", 0) < time.time():
        wrong.append("the certificate is valid for %d more days" % found["days"])
    if renewed.get("error"):
        wrong.append("the last renewal failed: %s" % renewed["error"])
    return wrong
