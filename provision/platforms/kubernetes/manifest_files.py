"""Objects as YAML: text for kubectl, and files in a folder for GitOps."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from provision.apps.authority_files import write_whole
from provision.errors import ProvError
from provision.platforms.kubernetes.cluster_objects import ClusterObject

#: first line of each file: files that lack it are not prov's
MARK = "# written by prov kubernetes render for {}: changes here are lost\n"
#: text that every reader of YAML 1.1 and 1.2 takes for text without quotes
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*[A-Za-z0-9]")
#: what some of them take for more than text: `y` is true, `.inf` a number
WORDS = {"true", "false", "yes", "no", "on", "off", "null", "nan", "inf", "infinity"}


class ManifestDumper(yaml.SafeDumper):
    """Writes no aliases, and quotes whatever a reader could take for a number or a truth value."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out."""
        return True


def as_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Represent text."""
    bare = PLAIN.fullmatch(text) and text.lower() not in WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, None if bare else '"')


ManifestDumper.add_representer(str, as_text)


def yaml_of(document: Any) -> str:
    """Return an object as YAML."""
    return yaml.dump(document, Dumper=ManifestDumper, sort_keys=False, width=1 << 20)


def write_files(folder: Path, target: str, objects: Sequence[ClusterObject]) -> list[Path]:
    """Write a file for each object, remove those of earlier objects of the target, and return what was removed.

    Raises ProvError. Other files stay, and one in the place of an object's is refused.
    """
    mark = MARK.format(target)
    wanted = {folder / f"{each.key}.yaml": each for each in objects}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in wanted:
            if path.exists() and not is_marked(path, mark):
                hint = "Give another folder, or move the file away."
                raise ProvError(
                    "exists, and prov did not write it for this target", where=str(path), hint=hint
                )
        for path, each in wanted.items():
            text = mark + yaml_of(each.document)
            write_whole(path, text.encode(), 0o600 if each.is_secret else 0o644)
        gone = [
            path for path in sorted(folder.glob("*.yaml")) if path not in wanted and is_marked(path, mark)
        ]
        for path in gone:
            path.unlink()
    except OSError as error:
        why = (error.strerror or os.strerror(error.errno or 0)).lower()
        raise ProvError(f"{error.filename or folder} can't be written: {why}") from None
    return gone


def is_marked(path: Path, mark: str) -> bool:
    """Return whether prov has written a file for this target."""
    with path.open(encoding="utf-8", errors="replace") as f:
        return f.readline() == mark


def documents(objects: Iterable[ClusterObject]) -> str:
    """Return objects as one text of several documents."""
    return "---\n".join(yaml_of(each.document) for each in objects)
