"""An instance of Elastic Beanstalk in the layout of Amazon Linux 2023: a lab host on which bundles run.

What the platform does with a bundle is done here in its order. Source: developer guide, "Instance deployment workflow",
"Platform hooks", "Reverse proxy configuration", "Buildfile and Procfile".
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

from helpers.hosts import Hosts, on

#: the platform's part on the instance
ENGINE = (Path(__file__).parent / "beanstalk_engine.py").read_text(encoding="utf-8")
STATIC = "aws:elasticbeanstalk:environment:proxy:staticfiles"
#: where that is on the host, with what it is given
FOLDER = "/opt/engine"
#: characters of a piece of a file that goes over by a command's arguments
PIECE = 60_000


class BeanstalkInstance:
    """An instance. leader: whether it is the one that is told so."""

    def __init__(self, hosts: Hosts, name: str) -> None:
        self.name = name
        self.address = str(hosts.one(name).address)
        self.leader = True
        on(name, "apt-get", "install", "-qy", "nginx", "python3-venv", timeout=300)
        on(name, "useradd", "--system", "--create-home", "webapp")
        on(name, "mkdir", "-p", FOLDER)
        self.put("engine.py", ENGINE.encode())

    def put(self, name: str, data: bytes) -> None:
        """Write a file beside the platform's part."""
        path = f"{FOLDER}/{name}"
        text = base64.b64encode(data).decode()
        on(self.name, "sh", "-c", 'rm -f "$1" "$1.64"', "sh", path)
        for at in range(0, len(text), PIECE):
            on(self.name, "sh", "-c", 'printf %s "$1" >> "$2.64"', "sh", text[at : at + PIECE], path)
        on(self.name, "sh", "-c", 'base64 -d "$1.64" > "$1"', "sh", path)

    def run(self, bundle: bytes, options: Mapping[tuple[str, str], str], variables: Mapping[str, str]) -> str:
        """Run a bundle, and return what the platform says if it fails."""
        self.put("bundle.zip", bundle)
        static = {name: value for (namespace, name), value in options.items() if namespace == STATIC}
        wanted = {"static": static, "variables": dict(variables), "leader": self.leader}
        self.put("wanted.json", json.dumps(wanted).encode())
        said = on(self.name, "python3", f"{FOLDER}/engine.py", timeout=300, check=False)
        return "" if said.endswith("deployed") else said.splitlines()[-1]
