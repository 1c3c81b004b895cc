"""Common code of the package steps of all families: names, versions, differences. Shipped to hosts."""

import fnmatch
import re
from typing import Dict, List, Mapping, Pattern, Sequence, Tuple, Union

from provision.steps.base import Change

#: Debian policy 5.6.12, and rpm's versions; "*" matches any suffix
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~^_*-]*")


def many(names: Union[str, Sequence[str]]) -> List[str]:
    """Return one name or several as a list."""
    return [names] if isinstance(names, str) else list(names)


def split(name: str) -> Tuple[str, str]:
    """Return "nginx=1.22.1-9" as name and version; the version is "" if none is given."""
    alone, _, version = name.partition("=")
    return alone, version


def check_names(names: Union[str, Sequence[str]], pattern: Pattern[str], *, versions: bool = True) -> None:
    """Raise ValueError unless there is at least one name and each is a valid package name.

    versions: whether "name=version" is allowed.
    """
    if not isinstance(names, (str, list, tuple)):
        raise ValueError("names must be a name or a list of names, not %r" % (names,))
    if not names:
        raise ValueError("no package is named")
    known: Dict[str, str] = {}
    for name in many(names):
        if not isinstance(name, str) or not pattern.fullmatch(split(name)[0]):
            raise ValueError("%r is not the name of a package" % (name,))
        alone, version = split(name)
        if "=" in name and not versions:
            raise ValueError("%r: name the package without a version" % name)
        if "=" in name and not VERSION.fullmatch(version):
            raise ValueError("%r is not a version of %s" % (version, alone))
        if known.setdefault(alone, version) != version:
            raise ValueError("%s is wanted twice, and not in the same version" % alone)


def check_exclusive(names: Union[str, Sequence[str]], latest: bool) -> None:
    """Raise ValueError if a version is given together with the option for the newest one."""
    exact = [name for name in many(names) if "=" in name]
    if latest and exact:
        raise ValueError("%s is an exact version, and latest asks for the newest" % exact[0])


def check_age(seconds: float) -> None:
    """Raise ValueError unless it is a valid age of package lists in seconds."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0:
        raise ValueError("cache_age must be 0 or more seconds, not %r" % (seconds,))


def fits(version: str, pattern: str) -> bool:
    """Return whether an installed version is the requested one."""
    return fnmatch.fnmatchcase(version, pattern) if version else False


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> List[Change]:
    """Return what was added, removed and changed between two lists of packages and versions."""
    names = sorted(set(before) | set(after))
    return [
        Change("package %s" % n, before.get(n, ""), after.get(n, ""))
        for n in names
        if before.get(n) != after.get(n)
    ]


#: Debian's package names, and their names on Fedora, RHEL and Amazon Linux where these differ
REDHAT = {
    "apache2": "httpd",
    "apache2-dev": "httpd-devel",
    "apache2-utils": "httpd-tools",
    "bind9": "bind",
    "bind9-dnsutils": "bind-utils",
    "build-essential": "gcc gcc-c++ make",
    "cron": "cronie",
    "default-libmysqlclient-dev": "mariadb-connector-c-devel",
    "dnsutils": "bind-utils",
    "fonts-dejavu-core": "dejavu-sans-fonts",
    "g++": "gcc-c++",
    "gnupg": "gnupg2",
    "gpg": "gnupg2",
    "imagemagick": "ImageMagick",
    "iproute2": "iproute",
    "iputils-ping": "iputils",
    "libapache2-mod-wsgi-py3": "python3-mod_wsgi",
    "libbz2-dev": "bzip2-devel",
    "libcurl4-openssl-dev": "libcurl-devel",
    "libffi-dev": "libffi-devel",
    "libjpeg-dev": "libjpeg-turbo-devel",
    "libldap-dev": "openldap-devel",
    "libldap2-dev": "openldap-devel",
    "liblzma-dev": "xz-devel",
    "libmariadb-dev": "mariadb-connector-c-devel",
    "libpcre3-dev": "pcre-devel",
    "libpq-dev": "libpq-devel",
    "libreadline-dev": "readline-devel",
    "libsasl2-dev": "cyrus-sasl-devel",
    "libsqlite3-dev": "sqlite-devel",
    "libssl-dev": "openssl-devel",
    "libxml2-dev": "libxml2-devel",
    "libxslt1-dev": "libxslt-devel",
    "libyaml-dev": "libyaml-devel",
    "locales": "glibc-all-langpacks",
    "netcat-openbsd": "nmap-ncat",
    "nfs-common": "nfs-utils",
    "nfs-kernel-server": "nfs-utils",
    "openssh-client": "openssh-clients",
    "pkg-config": "pkgconf-pkg-config",
    "pkgconf": "pkgconf-pkg-config",
    "postgresql": "postgresql-server",
    "postgresql-client": "postgresql",
    "procps": "procps-ng",
    "python3-dev": "python3-devel",
    "python3-venv": "python3",
    "python3.8-venv": "python3.8",
    "python3.9-venv": "python3.9",
    "python3.10-venv": "python3.10",
    "python3.11-venv": "python3.11",
    "python3.12-venv": "python3.12",
    "python3.13-venv": "python3.13",
    "python3.14-venv": "python3.14",
    "redis-server": "redis",
    "sqlite3": "sqlite",
    "unattended-upgrades": "dnf-automatic",
    "vim": "vim-enhanced",
    "xz-utils": "xz",
    "zlib1g-dev": "zlib-devel",
}
