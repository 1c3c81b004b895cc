"""Where a vault's password comes from: a file, a program, or the terminal.

Source: Ansible, "Managing vault passwords": `--vault-id ID@SOURCE`, a source that is executable is run, and gets
`--vault-id ID` if its name ends in -client.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from provision.errors import ConfigError, UsageError
from provision.vault.envelope import DEFAULT_ID, is_id

#: sources that ask; the second is what Ansible calls --ask-vault-pass
PROMPTS = ("prompt", "prompt_ask_vault_pass")
#: seconds that a program may take, as it may ask a person
LONGEST = 300
#: bytes of a password; what is longer is another file
LARGEST = 64 * 1024


class VaultSource(NamedTuple):
    """An id and where its password comes from.

    source: an absolute path, or "prompt".  said: as the user has written it, for messages.
    """

    vault_id: str
    source: str
    said: str

    @property
    def asks(self) -> bool:
        """Whether a person is asked."""
        return self.source in PROMPTS


def source_of(text: str, folder: Path) -> VaultSource:
    """Return what `ID@SOURCE`, or `SOURCE` alone, says. folder: where relative paths begin.

    Raises UsageError if it says nothing.
    """
    vault_id, at, source = text.partition("@")
    if not at or "/" in vault_id:
        vault_id, source = DEFAULT_ID, text
    vault_id = vault_id or DEFAULT_ID
    if not source or not is_id(vault_id):
        raise UsageError(
            f"{text!r} does not say where a vault's password comes from",
            hint="Write ID@FILE, ID@PROGRAM or ID@prompt, such as prod@~/.vault-prod.",
        )
    if source in PROMPTS:
        return VaultSource(vault_id, source, text)
    return VaultSource(vault_id, os.path.abspath(folder / Path(source).expanduser()), text)  # noqa: PTH100


def password_of(source: VaultSource) -> bytes:
    """Return the password of a source. Raises ConfigError with what to do."""
    if source.asks:
        return asked(source.vault_id)
    path = Path(source.source)
    runs = path.is_file() and os.access(path, os.X_OK)
    found = printed(source, path) if runs else written(path)
    if not found:
        raise ConfigError("gives an empty vault password", where=str(path))
    if len(found) > LARGEST:
        raise ConfigError(f"a vault password is longer than {LARGEST:,} bytes", where=str(path))
    return found


def written(path: Path) -> bytes:
    """Return the password in a file, without blanks around it. Raises ConfigError."""
    try:
        with path.open("rb") as f:
            return f.read(LARGEST + 1).strip()
    except OSError as error:
        raise ConfigError(
            f"the vault password file cannot be read: {error.strerror}",
            where=str(path),
            hint="Name it with --vault-password-file or --vault-id ID@FILE.",
        ) from None


def printed(source: VaultSource, path: Path) -> bytes:
    """Return the password that a program prints. Raises ConfigError."""
    # imported here: few projects have vaults
    import subprocess

    more = ["--vault-id", source.vault_id] if path.stem.endswith("-client") else []
    try:
        done = subprocess.run([str(path), *more], stdout=subprocess.PIPE, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        raise ConfigError(f"has not printed a vault password in {LONGEST} s", where=str(path)) from None
    except OSError as error:
        raise ConfigError(
            f"the program for the vault password did not start: {error.strerror}",
            where=str(path),
            hint="If it is a file with the password, take its right to be executed away: chmod -x FILE",
        ) from None
    if done.returncode:
        raise ConfigError(
            f"the program for the vault password ended with status {done.returncode}",
            where=str(path),
            hint="Run it to see why. If it is a file with the password: chmod -x FILE",
        )
    return done.stdout.strip()


def asked(vault_id: str, question: str = "Vault password") -> bytes:
    """Ask on the terminal, without echo. Raises ConfigError if there is none, or nothing is typed."""
    from provision.vault.terminal_prompt import ask

    found = ask(f"{question} ({vault_id}): ").strip().encode()
    if not found:
        raise ConfigError("no vault password was typed", where=vault_id)
    return found
