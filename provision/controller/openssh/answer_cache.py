"""A cache of ssh's answers, kept in ~/.cache/prov/ssh until a file that they depend on changes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provision.controller.openssh.client_folders import is_private
from provision.system.caches import cached, keep, name_of
from provision.user_cache import cache_folder

#: the result of `name_of` for a file
FileState = str
#: files in the folder; beyond that, all are removed
MOST = 5000


def state_of(path: str) -> FileState | None:
    """Return a value that identifies a file and its state; None if the file is missing."""
    try:
        return name_of(os.stat(path))  # noqa: PTH116 (as quick as can be)
    except OSError:
        return None


def recall(kind: str, question: str) -> Any:
    """Return the cached answer if all files that it depends on are unchanged; else None."""
    try:
        found = json.loads(cached(str(path_of(kind, question))))
        if any(state_of(path) != state for path, state in found["files"].items()):
            return None
        return found["answer"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def remember(kind: str, question: str, files: Mapping[str, FileState | None], answer: Any) -> None:
    """Cache an answer. files: what it depends on, with their states. If that fails, ssh is asked again."""
    path = path_of(kind, question)
    if not is_private(path.parent):
        return
    with contextlib.suppress(OSError):
        known = os.listdir(path.parent)  # noqa: PTH208
        for name in known if len(known) > MOST else ():
            if name.endswith(".json"):
                (path.parent / name).unlink(missing_ok=True)
    keep(str(path), json.dumps({"files": files, "answer": answer}).encode())


def path_of(kind: str, question: str) -> Path:
    """Return where an answer is kept."""
    digest = hashlib.sha256(f"{kind}\0{question}".encode(errors="surrogateescape")).hexdigest()
    return cache_folder("ssh") / f"{digest[:32]}.json"
