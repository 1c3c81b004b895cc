"""Which vault passwords are given: on the command line, in the environment, in pyproject.toml.

Source: Ansible, "Ansible configuration settings": DEFAULT_VAULT_IDENTITY_LIST, DEFAULT_VAULT_PASSWORD_FILE. As
there, ids of the settings are added to those of the command line, and a password file of the command line replaces
that of the settings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from provision.vault.keyring import Keyring
from provision.vault.vault_sources import source_of

PASSWORD_FILE = "ANSIBLE_VAULT_PASSWORD_FILE"
IDENTITY_LIST = "ANSIBLE_VAULT_IDENTITY_LIST"
ASK = "default@prompt"


@dataclass
class VaultOptions:
    """The options of the command that this process runs. ids: of --vault-id.  files: of --vault-password-file.

    ask: whether --ask-vault-pass is given.
    """

    ids: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    ask: bool = False


#: set by the command line, once in a process
COMMAND_LINE = VaultOptions()


@dataclass(frozen=True)
class VaultSettings:
    """What the settings of a project say. folder: where their relative paths begin."""

    folder: Path = Path()
    ids: Sequence[str] = ()
    file: str = ""


def keyring(settings: VaultSettings, environ: Mapping[str, str] = os.environ) -> Keyring:
    """Return the passwords that are given. The environment's settings replace those of the project.

    Raises UsageError for a source that says nothing.
    """
    here = Path.cwd()
    listed = environ.get(IDENTITY_LIST)
    if listed is None:
        sources = [source_of(each, settings.folder) for each in settings.ids]
    else:
        sources = [source_of(each.strip(), here) for each in listed.split(",") if each.strip()]
    given = COMMAND_LINE
    sources = [*(source_of(each, here) for each in given.ids), *sources]
    sources += [source_of(f"@{each}", here) for each in given.files]
    if given.ask:
        sources.append(source_of(ASK, here))
    file, folder = (
        (environ[PASSWORD_FILE], here) if environ.get(PASSWORD_FILE) else (settings.file, settings.folder)
    )
    if file and not given.files and not given.ask:
        sources.append(source_of(f"@{file}", folder))
    return Keyring(sources)
