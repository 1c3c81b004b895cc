"""Ministack, with an engine that runs containers as processes of this machine. Runs in build/ministack, as
tests/unit/ecs_account.py starts it.

Ministack starts what tasks run by Docker. Here a command is a process with the task's environment, in the folder
IMAGES, and a web process sleeps. Files in IMAGES say otherwise: `crash TAG` is what the web process of an image with
that tag says before it ends with 1, `absent TAG` that the registry lacks the image.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ministack import app
from ministack.services import ecs, ssm

IMAGES = Path(os.environ["IMAGES"])


class ImageNotFound(Exception):
    """The engine has no such image."""


def said_of(image: str, word: str) -> str | None:
    """What a file says of an image; None if there is none."""
    path = IMAGES / f"{word} {image.rpartition(':')[2]}"
    return path.read_text() if path.exists() else None


class Container:
    """A process. argv: its words; none for one that serves."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self.id = uuid.uuid4().hex * 2
        self.attrs: dict[str, Any] = {"NetworkSettings": {"Networks": {}}}
        handle, self._log = tempfile.mkstemp()
        with os.fdopen(handle, "w") as log:
            self._process = subprocess.Popen(
                argv,
                env={"PATH": os.environ["PATH"], **environment},
                cwd=IMAGES,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def status(self) -> str:
        return "running" if self._process.poll() is None else "exited"

    def reload(self) -> None:
        """The state is always the newest."""

    def wait(self) -> dict[str, int]:
        return {"StatusCode": self._process.wait()}

    def logs(self, stream: bool = False, **_: Any) -> Any:
        return self._lines() if stream else Path(self._log).read_bytes()

    def _lines(self) -> Iterator[bytes]:
        with Path(self._log).open("rb") as log:
            while True:
                ended = self._process.poll() is not None
                text = log.read()
                if text:
                    yield text
                if ended:
                    return
                time.sleep(0.02)

    def stop(self, **_: Any) -> None:
        self._process.kill()
        self._process.wait()

    def remove(self, **_: Any) -> None:
        """Its log stays for those who read it."""


class Containers:
    """The engine's containers."""

    def __init__(self) -> None:
        self._every: dict[str, Container] = {}

    def run(self, image: str, labels: dict[str, str], environment: dict[str, str], **_: Any) -> Container:
        family = labels["com.amazonaws.ecs.task-definition-family"]
        revision = labels["com.amazonaws.ecs.task-definition-version"]
        (wanted,) = ecs._task_defs[f"{family}:{revision}"]["containerDefinitions"]
        argv = [*wanted.get("entryPoint", []), *wanted.get("command", [])]
        if not argv:
            said = said_of(wanted["image"], "crash")
            argv = ["sleep", "1000000"] if said is None else ["sh", "-c", f"echo '{said}'; exit 1"]
        container = Container(argv, environment)
        self._every[container.id] = container
        return container

    def get(self, name: str) -> Container:
        return self._every[name]

    def list(self, **_: Any) -> list[Container]:
        return []


class Images:
    """Every image is there, but for those that files say are not."""

    def get_registry_data(self, image: str, **_: Any) -> Any:
        self.get(image)
        return types.SimpleNamespace(id=f"sha256:{uuid.uuid5(uuid.NAMESPACE_URL, image).hex * 2}")

    def pull(self, image: str, **_: Any) -> Any:
        self.get(image)
        return types.SimpleNamespace(tag=lambda *_, **__: True)

    def get(self, image: str) -> None:
        if said_of(image, "absent") is not None:
            raise ImageNotFound(f"{image}: not found")


class Engine:
    """What ministack asks for: the part of Docker's client for Python that it uses."""

    containers, images = Containers(), Images()


def end_with(parent: int) -> None:
    """End with the tests, also if they are killed; so do the tasks, which are of this session."""
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)


errors = types.ModuleType("docker.errors")
errors.ImageNotFound = ImageNotFound  # type: ignore[attr-defined]
sys.modules["docker"], sys.modules["docker.errors"] = types.ModuleType("docker"), errors
engine = Engine()
ecs._get_docker = lambda: engine
ecs._ECS_DEPLOYMENT_STEADY_DELAY = 0.1
# its tasks get the encrypted text of a secret; those of AWS get its value
ssm.resolve_parameter_value = functools.partial(ssm.resolve_parameter_value, decrypt=True)
threading.Thread(target=end_with, args=[os.getppid()], daemon=True).start()
app.main()
