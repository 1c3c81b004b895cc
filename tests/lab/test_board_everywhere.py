"""examples/everywhere on hosts: as units, and in an image. The platforms are in tests/unit/test_everywhere.py."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest
from helpers.containers import allow_podman, base_image
from helpers.exactness import judge
from helpers.hosts import Hosts, on
from helpers.projects import EXAMPLES
from helpers.web import Site

pytestmark = [pytest.mark.lab, pytest.mark.minutes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, with an empty base image for those that need none."""
    made = tmp_path_factory.mktemp("everywhere") / "board"
    shutil.copytree(EXAMPLES / "everywhere", made, ignore=shutil.ignore_patterns("__pycache__", ".prov"))
    (made / "inventory/base.tar").touch()
    return made


@pytest.mark.parametrize("name", ["board-host", pytest.param("board-container", marks=pytest.mark.at_length)])
def test_all_of_its_parts_work(folder: Path, lab_hosts: Hosts, name: str) -> None:
    address = lab_hosts.one(name).address
    if name == "board-container":
        allow_podman(name)
        base_image(name, folder / "inventory/base.tar")
    verdict = judge(folder, name, name)
    assert (verdict.exact, verdict.failed) == (True, ""), verdict
    site = Site(address, "board.test", folder / ".prov/ca/ca.crt")
    assert site.get("/healthz").body == b"ok"
    write(site, "four words of text")
    end = time.monotonic() + 20
    while "four words of text <small>4 words" not in (page := site.get().body.decode()):
        assert time.monotonic() < end, f"the worker has not counted: {page}"
        time.sleep(0.2)
    style = re.search(r'href="(/static/board/board\.\w+\.css)"', page)
    assert style and b"max-width" in site.get(style[1]).body
    on(name, "systemctl", "start", "job-board@tidy.service")
    assert "removed 0 notes" in on(name, "journalctl", "-o", "cat", "-u", "job-board@tidy.service")


def write(site: Site, text: str) -> None:
    """Write a note by the form of the page."""
    page = site.get()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.body.decode())
    cookie = re.search(r"csrftoken=\w+", page.headers["Set-Cookie"])
    assert token and cookie
    form = urlencode({"csrfmiddlewaretoken": token[1], "text": text}).encode()
    said = {
        "Cookie": cookie[0],
        "Content-Type": "application/x-www-form-urlencoded",
        "Referer": f"https://{site.domain}/",
    }
    assert site.get(body=form, headers=said).status == 302
