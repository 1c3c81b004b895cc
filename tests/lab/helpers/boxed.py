"""An application that is served from its image: what it says of where it runs, and what its host has of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from helpers.cli import Run, prov
from helpers.containers import allow_podman, base_image
from helpers.exactness import Verdict, judge
from helpers.hosts import Hosts, Kind, on
from helpers.projects import Project
from helpers.traffic import Traffic

CANARY = "canary-5e7d0c21"
#: says where it runs, and what it was given; the second line of the secret needs care on its way
SHOP = """
import json, os, pathlib

def credential(name):
    return pathlib.Path(os.environ["CREDENTIALS_DIRECTORY"], name).read_text()

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    print("asked for", environ["PATH_INFO"], flush=True)
    return [json.dumps({
        "note": pathlib.Path("note").read_text(),
        "contained": os.environ.get("container") == "podman",
        "folder": os.getcwd(),
        "user": os.getuid(),
        "secret": os.environ.get("SECRET_KEY") or credential("SECRET_KEY"),
        "conf": pathlib.Path("conf/shop.ini").read_text(),
        "read_only": not os.access(".", os.W_OK) and not os.path.exists("/srv"),
        "seen": sorted(path.name for path in pathlib.Path("logs").iterdir()),
    }).encode()]
"""
#: writes its name into the data folder, and waits for its end
WORKER = """
import os, pathlib, signal, sys

pathlib.Path("logs", sys.argv[1]).write_text(str(os.environ.get("container") == "podman"))
if sys.argv[1] == "worker":
    signal.pause()
"""


class Boxed:
    """A host with one application in containers."""

    def __init__(self, hosts: Hosts, folder: Path, name: str, image: str = "debian-12") -> None:
        self.name = name
        self.address = hosts.one(name, Kind(image)).address
        self.project = Project(folder)
        (folder / "shop").mkdir()
        for path, text in {"shop.py": SHOP, "worker.py": WORKER, "requirements.txt": "", "note": "0"}.items():
            (folder / "shop" / path).write_text(text)
        (folder / "shop.ini.j2").write_text("domain = {{ app.domains[0] }}\n")
        allow_podman(name)
        base_image(name, folder / "python.tar")
        self.declare()

    def declare(self, **settings: Any) -> None:
        """Write the inventory, with further settings of the application."""
        app = {
            "source": "../shop",
            "target": "shop:app",
            "server": "container",
            "image": "../python.tar",
            "domains": ["shop.test"],
            "tls": "none",
            "secrets": {"SECRET_KEY": f"{CANARY}\nsecond line $x"},
            "writable": ["logs"],
            "files": {"conf/shop.ini": "../shop.ini.j2"},
            "processes": {"worker": "python worker.py worker"},
            "jobs": {"tick": {"command": "python worker.py tick", "schedule": "yearly"}},
            **settings,
        }
        variables = {"roles": ["base", "python", "app"], "apps": {"shop": app}}
        self.project.inventory({self.name: variables}, ansible_connection="lab")

    def edit(self, note: str) -> None:
        """Another release."""
        (self.project.folder / "shop/note").write_text(note)

    def judged(self, case: str) -> Verdict:
        """Plan, deploy, and deploy again."""
        return judge(self.project.folder, self.name, case)

    def prov(self, *argv: str, status: int | None = 0) -> Run:
        """Run prov on the host."""
        command, *rest = argv
        return prov(command, self.name, *rest, cwd=self.project.folder, timeout=300, status=status)

    def said(self) -> dict[str, Any]:
        """What the application says."""
        import http.client

        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.request("GET", "/", headers={"Host": "shop.test"})
        found: dict[str, Any] = json.loads(connection.getresponse().read())
        return found

    def traffic(self, rate: float = 100.0) -> Traffic:
        """Ask for a page all the time."""
        return Traffic(self.address, "shop.test", rate)

    def images(self) -> list[str]:
        """Names of the application's images on the host."""
        found = on(self.name, "podman", "images", "--format", "{{.Repository}}:{{.Tag}}")
        return sorted(found.splitlines())

    def containers(self) -> list[str]:
        """Names of the containers on the host, running or not."""
        return sorted(on(self.name, "podman", "ps", "--all", "--format", "{{.Names}}").splitlines())
