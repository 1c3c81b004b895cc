"""Versions of packages in a release such as backports, as apt reports them. Shipped to hosts (Python 3.8)."""

import re
from typing import Dict, List, Sequence, Set

from provision.errors import StepError
from provision.system.packages.apt_packages import Apt

RELEASE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._/-]*\Z")
#: in `apt-cache policy`: a file of packages, and the names of its release (apt_preferences(5))
FILE = re.compile(r"(?m)^ *-?\d+ (\S.*) Packages\n +release (.*)$")
#: in `apt-cache policy NAME`: a package's section, and each version with the files that have it
PACKAGE = re.compile(r"(?m)^(\S+):\n((?: .*\n)*)")
VERSION = re.compile(r"(?m)^(?: \*\*\*|    ) (\S+) -?\d+\n((?:        .*\n)*)")
ORIGIN = re.compile(r"(?m)^ +-?\d+ (\S.*) Packages$")


def check_release(name: str) -> None:
    """Raise ValueError unless it is a valid release name."""
    if not isinstance(name, str) or (name and not RELEASE.match(name)):
        raise ValueError("release must be a name such as 'bookworm-backports', not %r" % (name,))


def in_release(apt: Apt, release: str, names: Sequence[str]) -> Dict[str, str]:
    """Return name -> the newest version that a release has.

    Raises StepError if none of the host's repositories has the release, or it lacks one of the packages.
    Source: apt-cache(8), "policy".
    """
    files = files_of(apt.query("apt-cache", "policy").require("asking apt for releases").stdout, release)
    if not files:
        raise StepError(
            "no repository of this host has the release %s" % release,
            hint="Add it with repository.repository before this step; `apt-cache policy` lists those that it has.",
        )
    said = apt.query("apt-cache", "policy", "--", *names).require("asking apt for versions").stdout
    had = {name: versions_from(text, files) for name, text in PACKAGE.findall(said)}
    lacking = [name for name in names if not had.get(name)]
    if lacking:
        raise StepError("%s has no package %s" % (release, ", ".join(lacking)))
    # apt lists the newest first
    return {name: had[name][0] for name in names}


def files_of(said: str, release: str) -> Set[str]:
    """Return the package files of a release, by its suite (a=) or codename (n=)."""
    return {
        file for file, words in FILE.findall(said) if {"a=" + release, "n=" + release} & set(words.split(","))
    }


def versions_from(text: str, files: Set[str]) -> List[str]:
    """Return the versions of a package that these files have, in apt's order."""
    return [version for version, origins in VERSION.findall(text) if files & set(ORIGIN.findall(origins))]
