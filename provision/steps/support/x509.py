"""Contents of certificates and certificate requests, by openssl(1). Shipped to hosts (Python 3.8)."""

import re
import ssl
import time
from typing import TYPE_CHECKING, Dict, List, Mapping, Sequence, Tuple

from provision.steps.base import Change
from provision.steps.keys import INSTALL

if TYPE_CHECKING:
    from provision.system.host import System

#: RFC 1035 labels, the first of which may be a wildcard (RFC 6125)
DNS_NAME = re.compile(r"^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z")
#: names of a subject's parts: X.520, as openssl names them
PART = re.compile(r"^[A-Z][A-Za-z]*\Z")
#: how subjects are printed: one part a line, with short names
SUBJECT = ["-nameopt", "sep_multiline,sname,utf8"]


def check_dns_names(names: Sequence[str]) -> None:
    """Raise ValueError unless these are one or more DNS names."""
    if isinstance(names, str) or not names:
        raise ValueError("a certificate needs a name: names must be a list of DNS names")
    for name in names:
        if not isinstance(name, str) or not DNS_NAME.match(name):
            raise ValueError("%r is not a DNS name" % (name,))


def check_subject(subject: Mapping[str, str]) -> None:
    """Raise ValueError unless these are parts of a name that openssl.cnf can hold unescaped."""
    for part, value in dict(subject).items():
        if not PART.match(part) or part == "CN":
            raise ValueError("%r is not part of a subject; the first name is its CN" % (part,))
        if not isinstance(value, str) or not value.strip() or set(value) & set("\n\0\"'\\$#"):
            raise ValueError("%s of the subject must be text without quotes, \\, $ and #: %r" % (part, value))


def request_settings(names: Sequence[str], subject: Mapping[str, str]) -> bytes:
    """Return the configuration for openssl-req(1), which replaces the host's openssl.cnf."""
    lines = [
        "[req]", "distinguished_name = name", "req_extensions = wanted", "x509_extensions = wanted",
        "prompt = no", "utf8 = yes", "string_mask = utf8only",
        "[name]", *subject_lines(names, subject),
        "[wanted]", "subjectAltName = %s" % ", ".join("DNS:" + name for name in names),
        "basicConstraints = critical, CA:FALSE", "extendedKeyUsage = serverAuth",
    ]  # fmt: skip
    return "".join(line + "\n" for line in lines).encode()


def subject_lines(names: Sequence[str], subject: Mapping[str, str]) -> List[str]:
    """Return the subject's parts. A CN has at most 64 characters (X.520); clients check DNS names instead."""
    parts = [*dict(subject).items(), ("CN", names[0][:64])]
    return ["%s = %s" % (part, " ".join(value.split())) for part, value in parts]


def read(host: "System", what: str, path: str, key: str = "") -> Dict[str, str]:
    """Return the contents of a certificate (what is "x509") or a request ("req"); empty if it is neither.

    names: DNS names, with spaces.  subject, issuer: one part a line.  notBefore, notAfter.  authority:
    identifier of the issuer's key, in hex.  matches: whether it is for the key, "yes" or "no".
    In a run without changes, openssl would take longer than all other steps of a web stack together. So the
    ledger keeps its output as long as the files do not change.
    """
    state = " ".join(host.files.sha256(file) for file in (path, key) if file)
    name = "%s %s" % (what, path)
    values = host.ledger.known(name, state)
    if values is None:
        values = ask(host, what, path, key)
        host.ledger.remember_known(name, state, values)
    return values


def ask(host: "System", what: str, path: str, key: str) -> Dict[str, str]:
    """Run openssl once for the file (x509(1), req(1)) and once for the key; it opens no file by name."""
    shown = (
        ["-dates", "-issuer", "-ext", "subjectAltName,authorityKeyIdentifier"]
        if what == "x509"
        else ["-text"]
    )
    result = host.ask(
        ["openssl", what, "-noout", "-pubkey", "-subject", *SUBJECT, *shown], stdin=host.files.read(path)
    )
    if result.status == 127:
        result.require("reading %s" % path, INSTALL)
    if result.status:
        return {}
    text = result.stdout
    values = dict(line.split("=", 1) for line in text.splitlines() if line.startswith("not"))
    values["names"] = " ".join(re.findall(r"DNS:([^\s,]+)", text))
    for part in ("subject", "issuer"):
        found = re.search(r"^%s=\n((?:    .*\n?)*)" % part, text, re.MULTILINE)
        lines = found.group(1).splitlines() if found else []
        values[part] = "\n".join(" = ".join(line.strip().split("=", 1)) for line in lines)
    public = re.search(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", text, re.DOTALL)
    if key:
        own = host.ask(
            ["openssl", "pkey", "-pubout", "-passin", "pass:"], stdin=host.files.read(key)
        ).stdout.strip()
        values["matches"] = "yes" if public and public.group(0) == own else "no"
    authority = re.search(r"((?:[0-9A-F]{2}:){19}[0-9A-F]{2})", text)
    values["authority"] = authority.group(1).replace(":", "").lower() if authority else ""
    return values


def lifetime(values: Dict[str, str]) -> Tuple[float, float]:
    """Return a certificate's total lifetime, and the rest of it, in seconds."""
    begin = ssl.cert_time_to_seconds(values["notBefore"])
    end = ssl.cert_time_to_seconds(values["notAfter"])
    return end - begin, end - time.time()


def faults(values: Dict[str, str], names: Sequence[str], renew: float, days: int = 0) -> List[Change]:
    """Return what is wrong with a certificate that should be for a key and these names.

    renew: the fraction that must be left of its lifetime, or of `days` if that is longer.
    """
    if not values:
        return [Change("certificate", "damaged", ", ".join(names))]
    found = []
    have = sorted(values["names"].split())
    if have != sorted(names):
        found.append(Change("names", ", ".join(have), ", ".join(sorted(names))))
    if values["matches"] != "yes":
        found.append(Change("key", "another one", "the host's"))
    whole, left = lifetime(values)
    if left < max(whole, days * 86400) * renew:
        ends = "ended" if left < 0 else "ends in %d days" % (left // 86400)
        found.append(Change("lifetime", ends, "a new one"))
    return found


def covers(names: Sequence[str], domain: str) -> bool:
    """Return whether a certificate with these names is valid for a domain (RFC 6125, 6.4.3)."""
    wildcard = "*." + domain.partition(".")[2]
    return domain in names or wildcard in names
