"""ssh's settings for a host: asked from `ssh -G`, and cached until its configuration files change.

Source: ssh(1), -G; ssh_config(5), Include, Match, CanonicalizeHostname.
"""

from __future__ import annotations

import glob
import os
import pwd
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from provision.controller.openssh.answer_cache import FileState, recall, remember, state_of
from provision.controller.openssh.client import Client
from provision.errors import UnreachableError

#: seconds for `ssh -G`, which may look up names and run programs (Match exec)
PATIENCE = 20.0
SYSTEM = "/etc/ssh/ssh_config"
READ = re.compile(r"^debug\d: Reading configuration data (.*?)\r?$", re.MULTILINE)
#: settings that depend on more than files: programs, networks, name lookups, the environment
CHANGEABLE = re.compile(
    r"^\s*(match\b.*\b(exec|localnetwork)\b|canonicalizehostname[\s=]+\"?(yes|always|true)\b|include\b.*[$%])",
    re.IGNORECASE | re.MULTILINE,
)
HINT = "Mend ssh's configuration (~/.ssh/config), or the ansible_ssh_... arguments in the inventory."
INCLUDE = re.compile(r"^\s*include[\s=]+(.*)$", re.IGNORECASE | re.MULTILINE)

#: (keyword in lower case, its values in order)
Settings = Mapping[str, Sequence[str]]


def settings_of(client: Client, words: Sequence[str], address: str) -> Settings:
    """Return ssh's settings for a host. words: ssh's arguments. Raises UnreachableError with file and line."""
    question = repr((client, list(words), address, os.getuid(), Path.cwd().as_posix()))
    found = recall("settings", question)
    if isinstance(found, dict):
        return found
    try:
        done = subprocess.run(
            [client.path, "-T", "-v", "-G", *words, "--", address],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=PATIENCE,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnreachableError(f"`ssh -G {address}` did not answer: {error}") from None
    if done.returncode:
        raise bad_configuration(done.stderr)
    settings = parsed(done.stdout)
    home = pwd.getpwuid(os.getuid()).pw_dir
    files = files_read(READ.findall(done.stderr), home, words)
    if files is not None:
        remember("settings", question, files, settings)
    return settings


def parsed(text: str) -> dict[str, list[str]]:
    """Return the settings in the output of `ssh -G`, which has a keyword and a value on each line."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key.lower(), []).append(value)
    return found


def bad_configuration(said: str) -> UnreachableError:
    """Return ssh's complaints about its configuration, in its own words."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("debug")]
    shown = [line for line in lines if not line.startswith(("OpenSSH_", "Pseudo-terminal", "terminating"))]
    return UnreachableError(
        "ssh: " + "; ".join(shown or lines[-1:] or ["it can't use its configuration"]),
        hint=HINT,
    )


def files_read(paths: Iterable[str], home: str, words: Sequence[str]) -> dict[str, FileState | None] | None:
    """Return the files and folders that the configuration depends on; None if it depends on more.

    The values are their states.
    """
    own = "-F" in words or any(word.startswith("-F") for word in words)
    files = {path: state_of(path) for path in (() if own else (f"{home}/.ssh/config", SYSTEM))}
    for path in paths:
        files[path] = state_of(path)
        try:
            text = Path(path).read_bytes().decode(errors="surrogateescape")
        except OSError:
            return None
        if CHANGEABLE.search(text):
            return None
        base = "/etc/ssh" if path.startswith("/etc/ssh/") else f"{home}/.ssh"
        for patterns in INCLUDE.findall(text):
            for word in patterns.replace('"', " ").split():
                files.update(dependencies(os.path.join(base, word.replace("~", home, 1))))  # noqa: PTH118
    return files


def dependencies(pattern: str) -> dict[str, FileState | None]:
    """Return the files that an Include names, and the folders in which new ones may appear."""
    found = [pattern, *glob.glob(pattern), os.path.dirname(pattern)]  # noqa: PTH120, PTH207
    found += glob.glob(os.path.dirname(pattern)) if glob.has_magic(pattern) else []  # noqa: PTH120, PTH207
    return {path: state_of(path) for path in found}
