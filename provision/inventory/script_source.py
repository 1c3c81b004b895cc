"""Executable inventory scripts: programs that print hosts and groups as JSON.

Source: ansible-core 2.19, inventory plugin `script`, and "Developing dynamic inventory": `--list` prints all groups; if
its `_meta.hostvars` is missing, `--host NAME` prints the variables of each host. As in Ansible, texts may be templates:
a script is the user's own program. What it prints is checked like a file.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from provision.errors import ConfigError
from provision.inventory import ranges
from provision.inventory.ini_groups import located
from provision.inventory.located import LocatedError, Origin
from provision.inventory.unresolved import MOST_HOSTS, Draft
from provision.inventory.yaml_values import shown

#: seconds that a call of a script may take
SECONDS = 120
#: bytes that it may print
MOST = 64_000_000
#: levels of lists and mappings in what it prints
DEEPEST = 100
SECTIONS = ("hosts", "vars", "children")


def load(path: Path, name: str, draft: Draft) -> None:
    """Run a script and add what it prints to the draft.

    name: the file's name in error messages.
    Raises ConfigError if it can't be run, fails, or prints no JSON; errors in the JSON go to draft.problems.
    """
    InventoryScript(path, name, draft).load()


class InventoryScript:
    """Reads what one script prints into a draft. path, name, draft: see `load`."""

    def __init__(self, path: Path, name: str, draft: Draft) -> None:
        self._path, self._name, self._draft = path, name, draft
        self._origin = Origin(name, 1, path.parent)
        self._hosts: dict[str, None] = {}

    def load(self) -> None:
        """Run it, and add groups, hosts and variables."""
        groups = self._mapping(self._printed("--list"), ("--list",))
        meta = self._mapping(groups.pop("_meta", {}), ("_meta",))
        for group, data in groups.items():
            self._group(group, data)
        given = self._mapping(meta["hostvars"], ("_meta", "hostvars")) if "hostvars" in meta else None
        for host in self._hosts:
            variables = self._printed("--host", host) if given is None else given.get(host, {})
            for key, value in self._mapping(variables, ("hostvars", host)).items():
                self._draft.set_host_var(host, key, located(value, self._origin))

    def _group(self, group: str, data: Any) -> None:
        """A group: a list of hosts, sections, or, in an old form, the variables of a host of its name."""
        if isinstance(data, list):
            data = {"hosts": data}
        data = self._mapping(data, (group,))
        if data and not any(section in data for section in SECTIONS):
            data = {"hosts": [group], "vars": data}
        self._draft.add_group(group, self._origin)
        for host in self._names(data.get("hosts", []), (group, "hosts")):
            if host in self._hosts or self._is_host(host, group):
                self._hosts[host] = None
                self._draft.add_host(host, group, self._origin)
        for key, value in self._mapping(data.get("vars", {}), (group, "vars")).items():
            self._draft.set_group_var(group, key, located(value, self._origin))
        for child in self._names(data.get("children", []), (group, "children")):
            self._draft.add_group(child, self._origin)
            self._draft.add_child(group, child)

    def _is_host(self, name: str, group: str) -> bool:
        """Whether a new name can be that of a host. Raises LocatedError if there are too many."""
        if len(self._hosts) >= MOST_HOSTS:
            raise LocatedError(self._origin, (group,), f"an inventory can have at most {MOST_HOSTS:,} hosts")
        if ranges.is_address(name) or (len(name) <= ranges.LONGEST and ranges.NAME.fullmatch(name)):
            return True
        message = f"{name[:60]!r} is not a host name: use letters, digits, '.', '-' and '_'"
        self._draft.wrong(self._origin, (group, "hosts"), message)
        return False

    def _names(self, value: Any, path: tuple[str, ...]) -> Iterator[str]:
        """The names in a list."""
        if not isinstance(value, list):
            self._draft.wrong(self._origin, path, f"must be a list of names, not {shown(value)}")
            return
        for name in value:
            if isinstance(name, str):
                yield name
            else:
                self._draft.wrong(self._origin, path, f"a name must be text, not {shown(name)}")

    def _mapping(self, value: Any, path: tuple[str, ...]) -> dict[str, Any]:
        """A mapping, or an empty one and an error."""
        if isinstance(value, dict):
            return value
        self._draft.wrong(self._origin, path, f"the script must print a mapping here, not {shown(value)}")
        return {}

    def _printed(self, *options: str) -> Any:
        """What the script prints, as JSON. Raises ConfigError."""
        text = self._output(*options)
        if not text.strip() and options[0] == "--host":
            return {}
        try:
            found = json.loads(text.decode(), parse_constant=str)
        except UnicodeDecodeError:
            raise self._failed(options, "did not print UTF-8 text") from None
        except (ValueError, RecursionError) as error:
            raise self._failed(options, f"did not print JSON: {error}") from None
        if deeper(found, DEEPEST):
            raise self._failed(options, f"printed lists or mappings that are nested more than {DEEPEST} deep")
        return found

    def _failed(self, options: tuple[str, ...], why: str, hint: str = "") -> ConfigError:
        return ConfigError(f"the script, run with {' '.join(options)}, {why}", where=self._name, hint=hint)

    def _output(self, *options: str) -> bytes:
        """The standard output of the script. Raises ConfigError: it can't be run, fails, or prints too much."""
        with tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    [str(self._path), *options],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    start_new_session=True,
                )
            except OSError as error:
                raise self._failed(options, f"could not be run: {error.strerror}") from None
            late = threading.Event()

            def end() -> None:
                late.set()
                ended(process)

            timer = threading.Timer(SECONDS, end)
            timer.daemon = True
            timer.start()
            try:
                assert process.stdout is not None
                found = process.stdout.read(MOST + 1)
                if len(found) > MOST:
                    raise self._failed(options, f"printed more than {MOST:,} bytes")
                status = process.wait()
            finally:
                timer.cancel()
                ended(process)
            if late.is_set():
                raise self._failed(options, f"took longer than {SECONDS} seconds")
            if status != 0:
                errors.seek(0)
                said = errors.read(2_000).decode(errors="replace").strip()
                said = "".join(letter if letter.isprintable() else " " for letter in said)
                raise self._failed(options, f"failed with status {status}{': ' if said else ''}{said[-300:]}")
            return found


def ended(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it has started, if it still runs."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        process.wait()


def deeper(value: Any, levels: int) -> bool:
    """Return whether lists and mappings are nested more than some levels deep."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(deeper(part, levels - 1) for part in parts)
