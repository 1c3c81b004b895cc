"""Decompresses zstd with the host's own program: Python has no reader for it before 3.14. Shipped."""

import os
import subprocess
import tempfile
from typing import IO, TYPE_CHECKING

from provision.errors import StepError
from provision.steps.support.file_changes import large_files
from provision.system.command_execution import BASE_ENVIRONMENT
from provision.system.descriptors import reopen
from provision.system.source import CHUNK

if TYPE_CHECKING:
    from provision.system.host import System

#: RFC 8878, section 3.1.1
MAGIC = b"\x28\xb5\x2f\xfd"
PROGRAM = "zstd"


def is_zstd(f: IO[bytes]) -> bool:
    """Return whether a file, read from its beginning, is in zstd format."""
    f.seek(0)
    begin = f.read(len(MAGIC))
    f.seek(0)
    return begin == MAGIC


def zstd_is_foreseen(host: "System", f: IO[bytes]) -> bool:
    """Return whether a plan cannot look into an archive, because only a planned step installs the program."""
    places = ["%s/%s" % (folder, PROGRAM) for folder in BASE_ENVIRONMENT["PATH"].split(":")]
    return is_zstd(f) and not any(map(os.path.exists, places)) and any(map(host.files.exists, places))


def plain(f: IO[bytes], most: int) -> "IO[bytes]":
    """Return the plain bytes in a nameless file, at most one more than `most`. Raises StepError, OSError."""
    out = tempfile.TemporaryFile(dir=large_files())  # noqa: SIM115
    try:
        # its own file position: that of `f` is Python's, which has read ahead
        with reopen(f.fileno(), "the archive") as own:
            process = subprocess.Popen(
                [PROGRAM, "-dcq"],
                stdin=own,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"PATH": BASE_ENVIRONMENT["PATH"]},
            )
    except FileNotFoundError:
        out.close()
        raise StepError(
            "the archive is compressed with zstd, and the host has no program for it",
            hint='Add apt.packages(c, "zstd") before this step.',
        ) from None
    assert process.stdout is not None and process.stderr is not None
    with process:
        for chunk in iter(lambda: process.stdout.read(CHUNK), b""):  # type: ignore[union-attr]
            out.write(chunk)
            if out.tell() > most:
                process.kill()
                break
        said = process.stderr.read().decode(errors="replace").strip()
    if process.returncode and out.tell() <= most:
        out.close()
        raise OSError(said or "zstd failed")
    out.seek(0)
    return out
