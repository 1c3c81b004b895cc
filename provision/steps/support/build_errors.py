"""Why an environment or a package could not be built, by the output of pip and uv. Shipped to hosts (Python 3.8)."""

import re
from typing import List

#: the hint where an environment cannot be made
NO_VENV = (
    "Debian and Ubuntu need the package python3-venv for this: the role `python` installs it, and so does "
    "python.interpreter."
)
#: the hint where its Python is missing
NO_PYTHON = (
    "Install it, or give a version instead of a path: `python: '3.13'` of an application, or python.interpreter, finds "
    "or installs that."
)
#: how many lines of the build's own output are kept
MOST = 20
#: where pip and uv start to show the output of a build, and where that ends
BEGINNINGS = re.compile(r"lines of output\]\s*$|^\s*\[std(?:out|err)\]\s*$")
END = re.compile(r"\[end of output\]\s*$")
#: what a build prints if it lacks something, and the Debian package that provides it
MISSING = (
    (re.compile(r"pg_config(\.exe)? executable not found|libpq-fe\.h"), ("libpq-dev", "gcc", "python3-dev")),
    (re.compile(r"mysql_config|mysqlclient|mariadb_config"), ("libmariadb-dev", "pkg-config", "gcc", "python3-dev")),
    (re.compile(r"Python\.h: No such file"), ("python3-dev",)),
    (re.compile(r"command '(?:[\w-]*-)?(?:gcc|cc)' failed: No such file"), ("gcc", "python3-dev")),
    (re.compile(r"[Uu]nable to execute '\S*gcc'"), ("gcc", "python3-dev")),
    (re.compile(r"command '(?:[\w-]*-)?(?:g\+\+|c\+\+)' failed: No such file"), ("g++", "python3-dev")),
    (re.compile(r"Unknown compiler\(s\)"), ("gcc", "g++", "python3-dev")),
    (re.compile(r"ffi\.h: No such file"), ("libffi-dev",)),
    (re.compile(r"libxml/xmlversion\.h|libxslt|xml2-config|xslt-config"), ("libxml2-dev", "libxslt1-dev")),
    (re.compile(r"ldap\.h: No such file|lber\.h: No such file"), ("libldap-dev", "libsasl2-dev")),
    (re.compile(r"openssl/\w+\.h: No such file"), ("libssl-dev",)),
    (re.compile(r"headers or library files could not be found for jpeg"), ("libjpeg-dev", "zlib1g-dev")),
    (re.compile(r"xmlsec1 is not installed|xmlsec"), ("libxmlsec1-dev", "pkg-config")),
    (re.compile(r"pkg-config.*(?:not found|No such file)|Did not find pkg-config"), ("pkg-config",)),
    (re.compile(r"can't find Rust compiler|rustc(?: is|:)? not (?:found|installed)|`cargo`.*not"), ("cargo", "rustc")),
)  # fmt: skip


def output_of(printed: str) -> List[str]:
    """Return the last lines of the build's own output; none if the installer does not show it."""
    found: List[str] = []
    inside = False
    for line in printed.splitlines():
        if END.search(line):
            inside = False
        elif BEGINNINGS.search(line):
            inside = True
        elif inside and line.strip():
            found.append(line.strip())
    return found[-MOST:]


def missing_packages(printed: str) -> List[str]:
    """Return the Debian packages that a build lacked, as far as its output tells."""
    found = [name for pattern, names in MISSING if pattern.search(printed) for name in names]
    return list(dict.fromkeys(found))
