"""Explain apt-get's failures, and what to do about them. Shipped with the steps that use apt."""

import difflib
import re
from typing import Callable, List

from provision.errors import StepError
from provision.system.command_execution import Result, failure
from provision.system.packages.dpkg import LOCK_TIMEOUT

Query = Callable[..., Result]

UNKNOWN = re.compile(
    r"Unable to locate package (\S+)|Package '?(\S+?)'? has no installation candidate|"
    r"Couldn't find any package by (?:glob|regex) '(\S+)'"
)
NO_VERSION = re.compile(r"Version '(\S+)' for '(\S+)' was not found")


def explain(result: Result, query: Query) -> StepError:
    """Describe a failure of apt-get. query: asks apt's programs for alternatives."""
    said = result.stderr + result.stdout
    missing = sorted({"".join(words) for words in UNKNOWN.findall(result.stderr)})
    if missing:
        return failure(
            "this host's repositories have no package %s" % ", ".join(repr(n) for n in missing),
            result,
            "".join(alike(name, query) for name in missing)
            + "Check the spelling, or add the repository that has it.",
        )
    version = NO_VERSION.search(result.stderr)
    if version:
        wanted, name = version.groups()
        return failure(
            "this host's repositories have no version %s of %s" % (wanted, name),
            result,
            "They have %s." % (", ".join(versions(name, query)) or "none at all"),
        )
    if "Held packages were changed" in said:
        return failure(
            "a held package would have to be changed",
            result,
            "Release the hold first: apt.hold(..., held=False).",
        )
    if "Could not get lock" in said or "Unable to acquire the dpkg frontend lock" in said:
        return failure(
            "another program held dpkg's lock for %d s" % LOCK_TIMEOUT,
            result,
            "Look who it is with `fuser -v /var/lib/dpkg/lock-frontend`, or try again later.",
        )
    if "No space left on device" in said or "don't have enough free space" in said:
        return failure(
            "the disk of this host is full", result, "Free some space; `df -h` and `apt-get clean` help."
        )
    if "Essential packages were removed" in said:
        return failure("without that package the system would not work", result, "prov does not remove it.")
    if "unmet dependencies" in said:
        # " t-app : Depends: t-lib but it is not going to be installed"
        named = {*re.findall(r"(?m)^ (\S+) : ", said)}
        held = sorted(named.intersection(query("apt-mark", "showhold").stdout.split()))
        if held:
            return failure(
                "%s would have to change, but is on hold" % ", ".join(held),
                result,
                "To release the hold, add apt.hold(c, %r, held=False) before this step." % held[0],
            )
        return failure(
            "apt can't make these packages fit together",
            result,
            "The lines above name what is in the way: a held package, or a repository for another release.",
        )
    if "Sub-process /usr/bin/dpkg returned an error code" in said:
        return failure(
            "a package's own script failed",
            result,
            "Once its cause is gone, run again: prov finishes what is half installed.",
        )
    return failure("apt-get failed", result)


def alike(name: str, query: Query) -> str:
    """Return "Did you mean 'nginx'? ", or "" if the index has no similar name."""
    listed = query("apt-cache", "pkgnames", name[:1]).stdout.split()
    near = difflib.get_close_matches(name, listed, n=3, cutoff=0.75)
    return "Did you mean %s? " % " or ".join(repr(n) for n in near) if near else ""


def versions(name: str, query: Query) -> List[str]:
    """Return the versions of a package in the repositories, newest first."""
    lines = query("apt-cache", "madison", "--", name).stdout.splitlines()
    found = [line.split("|")[1].strip() for line in lines if line.count("|") >= 2]
    return list(dict.fromkeys(found))
