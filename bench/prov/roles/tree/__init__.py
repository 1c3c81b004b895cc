"""A folder of the controller on the host, as prov brings an application's source there."""

from __future__ import annotations

from pathlib import Path

from provision.role import Host, Params, task
from provision.sources.checkouts import MAX_SOURCE
from provision.sources.local_folder import source_entries
from provision.steps import tree


class Tree(Params):
    """Parameters of the role `tree`."""

    source: str
    """The local folder."""
    path: str
    """The folder on the host."""


@task
def install(c: Host, p: Tree) -> None:
    """One step for all of its files."""
    tree.tree(c, p.path, source_entries(Path(p.source), MAX_SOURCE))
