"""What functions of steps call on the controller: the one door from steps to what lies above them.

Hosts never get through it: each import is inside a function that only a role calls, or for type checkers. It is the
only exception that tests/unit/test_architecture.py knows.
"""

from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Union

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Sequence, TypedDict

    from provision.controller.outcome import Outcome as Outcome
    from provision.roles.role_host import Host as Host
    from provision.roles.role_host import Steps as Steps
    from provision.secrets import Secret
    from provision.steps.base import Ref, Step
    from provision.steps.tree import Entry
    from provision.system.source import Source

    class StepOptions(TypedDict, total=False):
        """The options of all steps (see steps.base.Step), for a function that submits several: each gets them."""

        timeout: float
        when: Sequence[Ref]
        ignore_errors: str
        retries: int
        delay: float
        as_user: str


def submit_and_wait(connection: Any, step: "Step") -> "Outcome":
    """Send a step over a plain fabric.Connection and wait for it. Raises StepFailed, UnreachableError, ConfigError."""
    from provision.roles import plain_fabric

    return plain_fabric.submit_and_wait(connection, step)


def role_file(connection: Any, kind: str, name: str) -> "Path":
    """Return the path of a file of the running role. kind: "templates" or "files". Raises ConfigError."""
    from provision.roles import role_files

    return role_files.role_file(connection, kind, name)


def render(path: "Path", values: Dict[str, Any]) -> "Union[str, Secret]":
    """Return the text of a template, a Secret if one went into it. Raises ProvError with the template's line."""
    from provision.roles import templates

    return templates.render(path, values)


def local_entries(folder: str, excluded: Callable[[str], bool], *, outside_links: bool) -> "List[Entry]":
    """Return the files of a local folder as a tree has them. Raises ProvError for what can't travel."""
    from provision.sources import folder_manifests

    return folder_manifests.local_entries(folder, excluded, outside_links=outside_links)


def requirements_of(path: "Path") -> str:
    """Return the requirements that a file of this machine asks for. Raises ConfigError with the file and line."""
    from provision.apps import requirements

    return requirements.of_file(path)


def hashes_of(path: str, users: "Mapping[str, Secret]") -> "Source":
    """Return bcrypt hashes for a host that asks for them. Raises ConfigError for a password that is too long."""
    from provision.apps import htpasswd

    return htpasswd.hashes_of(path, users)


def mark_of(path: str, name: str, word: "Secret") -> "Secret":
    """Return what tells a user's password from another one without saying what it is."""
    from provision.apps import htpasswd

    return htpasswd.mark_of(path, name, word)
