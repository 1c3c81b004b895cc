"""What a plan says of files is what the real file system has after the same changes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from provision.errors import StepError
from provision.system.host_files import Files
from provision.system.planned.planned_files import PlannedFiles
from provision.system.source import Source

PATHS = [f"{above}{name}" for above in ("", "a/", "b/", "a/a/", "a/b/", "b/a/") for name in ("a", "b")]
#: what is done to a path, and with what
CHANGES = [
    *(("mkdir", ""), ("write", ""), ("remove", ""), ("mode", ""), ("copy", "a/b"), ("copy", "b")),
    *(("link", target) for target in ("a", "b", "../a", "../b", "a/b", "none")),
]
changes = st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(CHANGES)), max_size=12)


def nothing(source: Source) -> Generator[bytes, None, None]:
    raise AssertionError(f"{source} was asked for")


def change(files: Files, top: str, path: str, what: str, of: str) -> bool:
    """Make a change, if a step would; return whether it was possible."""
    at, (uid, gid) = f"{top}/{path}", (os.geteuid(), os.getegid())
    try:
        now = files.stat(at)
        kind = now.kind if now is not None else ""
        if what == "mkdir" and not kind:
            files.mkdir(at, 0o755, uid, gid)
        elif what == "write":
            files.write(at, path.encode(), 0o644, uid, gid)
        elif what == "link":
            files.link(at, of)
        elif what == "remove" and kind:
            files.remove(at)
        elif what == "mode" and kind in ("file", "dir"):
            files.set_mode(at, 0o700)
        elif what == "copy" and files.exists(f"{top}/{of}"):
            files.copy(f"{top}/{of}", at, 0o600, uid, gid)
    except (OSError, StepError):
        return False
    return True


def said(files: Files, top: str) -> dict[str, Any]:
    """All that is said of each path."""
    found: dict[str, Any] = {}
    for path in ["", *PATHS]:
        at = f"{top}/{path}".rstrip("/")
        try:
            now, end, names = files.stat(at), files.end(at), files.list(at)
            read = files.read(at) if end is not None and end.kind == "file" else None
        except (OSError, StepError) as error:
            found[path] = type(error)
            continue
        state = (now.kind, now.target, now.kind != "link" and now.mode) if now is not None else None
        found[path] = (state, end and end.kind, names, read)
    return found


# a folder gives way to a link, after files were looked for in it
@example(
    there=[("a", ("mkdir", "")), ("b", ("mkdir", "")), ("a/a", ("write", ""))],
    done=[("a/b", ("write", "")), ("a", ("remove", "")), ("a", ("link", "b")), ("a/a", ("write", ""))],
)
# what was predicted below a folder goes with it
@example(
    there=[("a", ("mkdir", "")), ("a/a", ("mkdir", "")), ("a/a/b", ("write", ""))],
    done=[("a/a/a", ("write", "")), ("a", ("remove", "")), ("a", ("mkdir", "")), ("a/a", ("mkdir", ""))],
)
# a real folder whose mode the plan has changed, and changes again
@example(there=[("b", ("mkdir", ""))], done=[("b", ("mode", "")), ("b", ("mode", ""))])
# a file where a link led in a circle
@example(there=[("a", ("link", "a/b"))], done=[("a", ("write", ""))])
@settings(max_examples=50, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(there=changes, done=changes)
def test_a_plan_says_what_the_same_changes_make(
    there: list[tuple[str, tuple[str, str]]], done: list[tuple[str, tuple[str, str]]]
) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        planned, real = f"{folder}/planned", f"{folder}/real"
        for top in (planned, real):
            Path(top).mkdir()
            files = Files(nothing)
            for path, (what, of) in there:
                change(files, top, path, what, of)
        plan, files = PlannedFiles(nothing), Files(nothing)
        assert said(plan, planned) == said(files, real)
        for path, (what, of) in done:
            assert change(plan, planned, path, what, of) == change(files, real, path, what, of), (path, what)
            assert said(plan, planned) == said(files, real)
    finally:
        shutil.rmtree(folder)
