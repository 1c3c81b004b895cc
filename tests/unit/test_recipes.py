"""The recipes in docs/apps: inventories of public applications, which the page lists with their lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from provision.inventory import load
from provision.roles.project import resolve

FOLDER = Path(__file__).parents[2] / "docs/apps"
RECIPES = sorted(FOLDER.glob("*.yml"))
#: lines of an inventory
MOST = 30


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_short_and_sound(path: Path) -> None:
    (assignment,) = resolve(load([path], cwd=FOLDER).select("all"))
    (app,) = assignment.served.apps
    assert str(app.source).startswith("https://github.com/")
    lines = [len(each.read_text().splitlines()) for each in (path, *app.files.values())]
    assert lines[0] <= MOST
    (row,) = re.findall(rf"^\| \[{app.name}\]\({path.name}\) \|.*$", (FOLDER / "index.md").read_text(), re.M)
    assert f"| {' + '.join(map(str, lines))} |" in row
