"""examples/stacks.yml: whole applications, deployed twice, changed, rebooted and undone, planned exactly each time."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.cli import Run, prov
from helpers.hosts import Hosts, Kind, on, reboot
from helpers.web import Site

pytestmark = pytest.mark.lab

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = {"stack1": "p-stack", "store1": "p-store"}
PICTURE = b"not much of a picture"


@pytest.fixture(scope="module")
def folder(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the examples, for two hosts of ours: Debian 13, and 12 for the database."""
    lab_hosts.up({NAMES["stack1"]: Kind("debian-13"), NAMES["store1"]: Kind()})
    found = tmp_path_factory.mktemp("stacks") / "examples"
    shutil.copytree(EXAMPLES, found, ignore=shutil.ignore_patterns("__pycache__"))
    text = (found / "stacks.yml").read_text()
    for name, ours in NAMES.items():
        text = text.replace(name, ours)
    (found / "stacks.yml").write_text(text)
    return found


def run(command: str, folder: Path, *options: str) -> Run:
    """Run a command for both hosts, which goes well unless it is a plan."""
    status = None if command == "plan" else 0
    argv = (command, "stacks", "-i", "stacks.yml", *options)
    return prov(*argv, cwd=folder, timeout=1200, status=status)


def planned_and_deployed(folder: Path) -> None:
    """A plan, and the deploy that does what it said."""
    told, done = run("plan", folder), run("deploy", folder)
    assert told.changes(*NAMES.values()) == done.changes(*NAMES.values())


def sites(folder: Path, address: str) -> dict[str, Site]:
    """Where each application is served."""
    ca = folder / ".prov/ca/ca.crt"
    return {name: Site(address, f"{name}.test", ca) for name in ("gallery", "mailer", "notes")}


def until(true: Callable[[], bool], within: float = 60) -> None:
    """Wait until something is true."""
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end
        time.sleep(0.5)


def posted(site: Site, path: str, body: bytes, kind: str = "application/json") -> int:
    """The status of what is posted."""
    return site.get(path, body=body, headers={"Content-Type": kind}).status


def work(found: dict[str, Site], turn: int) -> None:
    """Have all parts of all applications do something, and find what was done in earlier turns."""
    gallery, mailer, notes = (found[name] for name in ("gallery", "mailer", "notes"))
    body = PICTURE + str(turn).encode()
    assert posted(gallery, "/api/pictures/", body, "application/octet-stream") == 200
    assert posted(mailer, f"/letters/ann{turn}", b"") == 202
    assert posted(notes, "/", json.dumps({"text": f"note {turn}"}).encode()) == 201
    until(lambda: hashlib.sha256(body).hexdigest().encode() in gallery.get("/api/pictures/").body)
    until(lambda: f"ann{turn}".encode() in mailer.get("/").body)
    pictures = json.loads(gallery.get("/api/pictures/").body)["pictures"]
    assert [gallery.get(each["url"]).body for each in pictures] == [
        PICTURE + str(each).encode() for each in range(1, turn + 1)
    ]
    assert json.loads(notes.get("/").body) == [f"note {each}" for each in range(1, turn + 1)]
    # the page, whatever its path
    assert b"<title>Gallery</title>" in gallery.get("/pictures/7").body


def test_their_life(folder: Path, lab_hosts: Hosts) -> None:
    host = lab_hosts.one(NAMES["stack1"], Kind("debian-13"))
    planned_and_deployed(folder)
    again = run("deploy", folder)
    assert [again.tally(name)["changed"] for name in NAMES.values()] == [0, 0]
    found = sites(folder, host.address)
    work(found, 1)

    for name in ("django_gallery", "flask_mailer", "fastapi_notes"):
        (folder / name / "changed.py").write_text("")
    planned_and_deployed(folder)
    work(found, 2)
    prov("undo", NAMES["stack1"], "-i", "stacks.yml", cwd=folder, timeout=600, status=0)
    work(found, 3)

    reboot(*NAMES.values())
    until(lambda: all(answers(site) for site in found.values()), within=180)
    work(found, 4)
    assert on(NAMES["stack1"], "systemctl", "list-units", "--failed", "--no-legend", "--plain") == ""


def answers(site: Site) -> bool:
    """Whether an application says that it is well."""
    try:
        return site.get("/healthz").status == 200
    except OSError:
        return False
