"""Builds on this machine before a source is read: assets that git does not track, but releases need."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import signal
import subprocess
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from provision.errors import ProvError
from provision.sources.local_folder import is_inside, source_entries
from provision.steps.tree import Entry, summary
from provision.system.caches import cached, keep
from provision.user_cache import cache_folder
from provision.values import dataclass

#: how many lines of its output a failed build shows
SHOWN = 30


@dataclass(frozen=True)
class SourceBuild:
    """A build of a local source. folder: where it runs, below the source; "" is the source itself.

    command: its words.  output: paths that it fills, below the source.  timeout: seconds.  always: run it
    even if no file of the source has changed.
    """

    folder: str
    command: tuple[str, ...]
    output: tuple[str, ...]
    timeout: int
    always: bool

    def __str__(self) -> str:
        return shlex.join(self.command)


def built_entries(
    source: Path, max_size: int, build: SourceBuild, apart: Collection[Path] = ()
) -> list[Entry]:
    """Build, unless these files have already been built; return the source's files with the output.

    apart: files and folders that are never part of a source.
    Raises ProvError, with the output of a failed build; also if one of its outputs is then missing.
    """
    known = stamp(source, build)
    entries = source_entries(source, max_size, apart=apart, also=build.output)
    inputs = besides(entries, build.output)
    now = state(build, inputs, entries)
    if build.always or not now or cached(known) != now:
        run(source, build)
        entries = source_entries(source, max_size, apart=apart, also=build.output)
        keep(known, state(build, inputs, entries))
    return entries


def state(build: SourceBuild, inputs: list[Entry], entries: list[Entry]) -> bytes:
    """Return a summary of a build's input and output, to skip equal builds; b"" if an output is missing.

    entries: the source's files with the output.
    """
    made = [entry for entry in entries if is_inside(entry[0], build.output)]
    missing = [path for path in build.output if not any(is_inside(entry[0], [path]) for entry in made)]
    return b"" if missing else json.dumps([summary(inputs), summary(made)], sort_keys=True).encode()


def run(source: Path, build: SourceBuild) -> None:
    """Run the command of a build. Raises ProvError."""
    where = str(source / build.folder)
    try:
        process = subprocess.Popen(
            build.command,
            cwd=where,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        why = f"there is no program {build.command[0]!r} on this machine"
        if not isinstance(error, FileNotFoundError) or not Path(where).is_dir():
            why = f"{error.strerror}: {error.filename}"
        raise ProvError(f"could not build: {why}", where=where) from None
    try:
        said, _ = process.communicate(timeout=build.timeout)
        failed = f"failed with status {process.returncode}" if process.returncode else ""
    except subprocess.TimeoutExpired:
        failed = f"did not end within {build.timeout} s"
        said = ended(process)
    except BaseException:
        ended(process)
        raise
    lines = said.decode(errors="replace").rstrip().splitlines()
    if failed:
        shown = "".join(f"\n    {line}" for line in lines[-SHOWN:])
        raise ProvError(f"the build `{build}` {failed}{shown}", where=where, hint="Nothing was deployed.")
    for path in build.output:
        if not (source / path).exists():
            hint = "Name in `output` of `build` what it makes. The default are the folders of `static`."
            raise ProvError(f"the build `{build}` has made no {path}", where=where, hint=hint)


def ended(process: subprocess.Popen[bytes]) -> bytes:
    """End a build with all processes that it started, and return its output."""
    os.killpg(process.pid, signal.SIGKILL)
    return process.communicate()[0]


def stamp(source: Path, build: SourceBuild) -> str:
    """Return the path of the file that records what was built."""
    about = json.dumps([str(source), build.folder, build.command, build.output])
    return str(cache_folder("builds") / hashlib.sha256(about.encode()).hexdigest()[:32])


def besides(entries: Iterable[Entry], output: Sequence[str]) -> list[Entry]:
    """Return the entries of a source without the build's output."""
    return [entry for entry in entries if not is_inside(entry[0], output)]
