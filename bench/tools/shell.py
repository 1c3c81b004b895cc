"""A script by hand, over ssh."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import jinja2

from bench.hosts import Endpoint, write_ssh
from bench.measure import Command
from bench.stack import FILES, TEMPLATES
from bench.tools.base import HERE, Tool, values


class Shell(Tool):
    """install.sh, sent with its files by tar and run on the host. Its author has his files as they shall be."""

    name = "shell script"
    idempotent = False

    def prepare(self, points: Sequence[Endpoint], upload_mb: int, work: Path) -> Command:
        folder = work / "script"
        rendered = folder / "rendered"
        rendered.mkdir(parents=True, exist_ok=True)
        shutil.copytree(FILES, folder / "files", dirs_exist_ok=True)
        shutil.copy(HERE / "shell" / "install.sh", folder)
        environment = jinja2.Environment(keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
        for path in TEMPLATES.glob("*.j2"):
            text = environment.from_string(path.read_text()).render(values(upload_mb))
            (rendered / path.stem).write_text(text)
        config = write_ssh(points, work)
        return Command(
            [str(HERE / "shell" / "deploy.sh"), str(folder), str(config), *(p.name for p in points)]
        )

    def unchanged(self, output: str, hosts: int) -> bool:
        return True

    def version(self) -> str:
        return "sh, tar and ssh"
