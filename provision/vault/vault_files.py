"""Files of vaults: read, written whole or not at all, and changed in an editor."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from provision.errors import ProvError, UsageError
from provision.vault.envelope import is_envelope
from provision.vault.hidden_folder import hidden_folder
from provision.vault.keyring import Keyring, OpenedVault

STANDARD = "-"
#: no swap file, no registers in ~/.viminfo, no undo file and no backup (vim(1), starting.txt)
VIM = ("-n", "-i", "NONE", "--cmd", "silent! set noundofile nobackup nowritebackup")


def read_file(name: str) -> bytes:
    """Return what a file contains; "-" is stdin. Raises UsageError."""
    if name == STANDARD:
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=name) from None


def opened_file(name: str, keyring: Keyring) -> OpenedVault:
    """Return what an encrypted file contains. Raises UsageError, ConfigError."""
    data = read_file(name)
    if not is_envelope(data):
        hint = f"Encrypt it: prov vault encrypt {name}"
        raise UsageError("is not encrypted as a whole", where=name, hint=hint)
    return keyring.opened(data, name)


def write_file(name: str, data: bytes, *, private: bool = False) -> None:
    """Write a file whole or not at all, with the mode and owner that it has.

    A link stays a link: what it names is written. private: a new file is for its owner alone.
    Raises ProvError, and leaves the file as it is.
    """
    path = Path(os.path.realpath(name))
    try:
        former = path.stat() if path.exists() else None
        handle, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise ProvError(f"cannot be written: {error.strerror}", where=name) from None
    try:
        with open(handle, "wb") as f:  # noqa: PTH123 - an open descriptor
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
            if former is not None:
                with contextlib.suppress(PermissionError):
                    os.fchown(f.fileno(), former.st_uid, former.st_gid)
            os.fchmod(f.fileno(), mode_of(former, private=private))
        Path(made).replace(path)
    except OSError as error:
        Path(made).unlink(missing_ok=True)
        raise ProvError(f"cannot be written: {error.strerror}", where=name) from None


def mode_of(former: os.stat_result | None, *, private: bool) -> int:
    """Return the mode of a file that is written again, or is new."""
    if former is not None:
        return stat.S_IMODE(former.st_mode)
    if private:
        return 0o600
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


def edited(text: bytes, name: str) -> bytes:
    """Return the text as an editor has left it. name: the file's, whose end tells editors the language.

    Raises ProvError if the editor fails; nothing is written then.
    """
    command = editor()
    with hidden_folder() as folder:
        file = folder / Path(name).name
        file.touch(mode=0o600)
        file.write_bytes(text)
        try:
            status = subprocess.run([*command, str(file)], env=editing(folder), check=False).returncode
        except OSError as error:
            raise ProvError(
                f"the editor {command[0]!r} did not start: {error.strerror}",
                hint="Name another one in the environment variable EDITOR.",
            ) from None
        if status:
            message = f"the editor {command[0]!r} ended with status {status}; nothing was written"
            raise ProvError(message, where=name)
        try:
            return file.read_bytes()
        except OSError:
            raise ProvError("the editor has left no file; nothing was written", where=name) from None


def editor() -> list[str]:
    """Return the command that starts the user's editor; Vim keeps no copies of its own elsewhere."""
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    program = Path(os.path.realpath(shutil.which(command[0]) or command[0])).name if command else ""
    if not command:
        return ["vi"]
    return [*command, *VIM] if program.startswith(("vim", "nvim")) else command


def editing(folder: Path) -> dict[str, str]:
    """Return the environment of an editor, in which its own temporary files are in the folder, too."""
    return {**os.environ, "TMPDIR": str(folder), "TMP": str(folder), "TEMP": str(folder)}
