"""What is in certificates and requests for them, by openssl(1). Shipped to hosts (Python 3.8, standard library)."""

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
#: names of a subject's parts: X.520, as openssl knows them
PART = re.compile(r"^[A-Z][A-Za-z]*\Z")
#: how subjects are printed: a part to a line, with the short names
SUBJECT = ["-nameopt", "sep_multiline,sname,utf8"]


def check_dns_names(names: Sequence[str]) -> None:
    """Raise ValueError unless these are one or more DNS names."""
    if isinstance(names, str) or not names:
        raise ValueError("a certificate needs a name: names must be a list of DNS names")
    for name in names:
        if not isinstance(name, str) or not DNS_NAME.match(name):
            raise ValueError("%r is not a DNS name" % (name,))


def check_subject(subject: Mapping[str, str]) -> None:
    """Raise ValueError unless these are parts of a name that openssl.cnf can hold as they are."""
    for part, value in dict(subject).items():
        if not PART.match(part) or part == "CN":
            raise ValueError("%r is not part of a subject; the first name is its CN" % (part,))
        if not isinstance(value, str) or not value.strip() or set(value) & set("\n\0\"'\\$#"):
            raise ValueError("%s of the subject must be text without quotes, \\, $ and #: %r" % (part, value))


def request_settings(names: Sequence[str], subject: Mapping[str, str]) -> bytes:
    """The configuration for openssl-req(1), so that nothing of the host's openssl.cnf counts."""
    lines = [
        "[req]", "distinguished_name = name", "req_extensions = wanted", "x509_extensions = wanted",
        "prompt = no", "utf8 = yes", "string_mask = utf8only",
        "[name]", *subject_lines(names, subject),
        "[wanted]", "subjectAltName = %s" % ", ".join("DNS:" + name for name in names),
        "basicConstraints = critical, CA:FALSE", "extendedKeyUsage = serverAuth",
    ]  # fmt: skip
    return "".join(line + "\n" for line in lines).encode()


def subject_lines(names: Sequence[str], subject: Mapping[str, str]) -> List[str]:
    """The subject's parts. A CN has at most 64 characters (X.520); the names that count are others anyway."""
    parts = [*dict(subject).items(), ("CN", names[0][:64])]
    return ["%s = %s" % (part, " ".join(value.split())) for part, value in parts]


def read(host: "System", what: str, path: str, key: str = "") -> Dict[str, str]:
    """What is in a certificate (what is "x509") or a request ("req"); empty if it is none.

    names: DNS names, with spaces.  subject, issuer: a part to a line.  notBefore, notAfter.  authority: identifier
    of the issuer's key, in hex.  matches: whether it is for the key, "yes" or "no".
    Runs of openssl take longer than all other steps of a web stack together when nothing is to be done. So the
    ledger keeps what they said, for as long as the files are what they were.
    """
    state = " ".join(host.files.sha256(file) for file in (path, key) if file)
    name = "%s %s" % (what, path)
    values = host.ledger.known(name, state)
    if values is None:
        values = ask(host, what, path, key)
        host.ledger.remember_known(name, state, values)
    return values


def ask(host: "System", what: str, path: str, key: str) -> Dict[str, str]:
    """One openssl for all that is in the file (x509(1), req(1)), one for the key; it opens no file by its name."""
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
    """Seconds that a certificate lives in all, and that are left."""
    begin = ssl.cert_time_to_seconds(values["notBefore"])
    end = ssl.cert_time_to_seconds(values["notAfter"])
    return end - begin, end - time.time()


def faults(values: Dict[str, str], names: Sequence[str], renew: float) -> List[Change]:
    """What is wrong with a certificate that should be for a key and these names."""
    if not values:
        return [Change("certificate", "damaged", ", ".join(names))]
    found = []
    have = sorted(values["names"].split())
    if have != sorted(names):
        found.append(Change("names", ", ".join(have), ", ".join(sorted(names))))
    if values["matches"] != "yes":
        found.append(Change("key", "another one", "the host's"))
    whole, left = lifetime(values)
    if left < whole * renew:
        days = "ended" if left < 0 else "ends in %d days" % (left // 86400)
        found.append(Change("lifetime", days, "a new one"))
    return found


def covers(names: Sequence[str], domain: str) -> bool:
    """Whether a certificate with these names is good for a domain (RFC 6125, 6.4.3)."""
    wildcard = "*." + domain.partition(".")[2]
    return domain in names or wildcard in names
