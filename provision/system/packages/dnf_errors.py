"""Explain dnf's failures, and what to do about them. Shipped with the steps that use dnf."""

import difflib
import re
from typing import Callable, List

from provision.errors import StepError
from provision.system.command_execution import Result, failure

Query = Callable[..., Result]
ASK = ("dnf", "-y", "-q", "repoquery")


def explain(result: Result, query: Query) -> StepError:
    """Describe a failure of dnf. query: asks dnf for alternatives."""
    said = result.stderr + "\n" + result.stdout
    if result.status == 127:
        return failure(
            "this host has no dnf: its packages are those of Fedora, RHEL and Amazon Linux",
            result,
            "Use `package` in roles for hosts of several families, or `apt`.",
        )
    missing = sorted(set(re.findall(r"No match for argument: (\S+)", said)))
    if missing:
        return unknown(missing, result, query)
    if re.search(r"Failed to download metadata|Cannot download repomd|Failed to synchronize cache", said):
        return failure(
            "a repository can't be read", result, "Check its address, and that this host can reach it."
        )
    if re.search(
        r"GPG check FAILED|is not signed|[Pp]ublic key .*not installed|GPG Keys? .*(fail|not correct)", said
    ):
        return failure(
            "a package is not signed with its repository's key",
            result,
            "Give dnf.repository the key that the repository's owner publishes.",
        )
    if re.search(r"more space needed|No space left on device", said):
        return failure(
            "the disk of this host is full", result, "Free some space; `df -h` and `dnf clean all` help."
        )
    if re.search(r"conflicting requests|nothing provides|conflicts with|protected packages", said):
        return failure(
            "dnf can't make these packages fit together",
            result,
            "The lines above name what is in the way.",
        )
    return failure("dnf failed", result)


def unknown(missing: List[str], result: Result, query: Query) -> StepError:
    """Return the error for packages, or versions of them, that no repository has."""
    hints = []
    for name in missing:
        # name-version, where the name alone is a known package
        parts = re.match(r"(.+?)-(\d[^-]*(-[^-]+)?)$", name)
        have = versions(parts.group(1), query) if parts else []
        if parts and have:
            return failure(
                "this host's repositories have no version %s of %s" % (parts.group(2), parts.group(1)),
                result,
                "They have %s." % ", ".join(have),
            )
        near = alike(parts.group(1) if parts else name, query)
        hints += ["Did you mean %s? " % " or ".join(repr(n) for n in near)] if near else []
    return failure(
        "this host's repositories have no package %s" % ", ".join(repr(n) for n in missing),
        result,
        "".join(hints) + "Check the spelling, or add the repository that has it.",
    )


def alike(name: str, query: Query) -> List[str]:
    """Return similar names of packages."""
    listed = query(*ASK, "--qf", r"%{name}\n", name[:1] + "*").stdout.split()
    return difflib.get_close_matches(name, sorted(set(listed)), n=3, cutoff=0.75)


def versions(name: str, query: Query) -> List[str]:
    """Return the versions of a package in the repositories, newest first."""
    said = query(*ASK, "--showduplicates", "--qf", r"%{version}-%{release}\n", name).stdout.split()
    return list(dict.fromkeys(reversed(said)))
