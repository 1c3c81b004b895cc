"""Every server with every example that it can serve, behind every front."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.projects import EXAMPLES
from provision.declared.role_folders import BUILTIN
from provision.declared.serving_roles import Interface, servers

#: a stylesheet that is worth compressing, with a hash in its name, in each example's static files
STYLE = "".join(f".prov-{number} {{ margin: {number}px }}\n" for number in range(200)).encode()
STYLE_NAME = f"probe.{hashlib.md5(STYLE).hexdigest()[:12]}.css"


@dataclass(frozen=True)
class Example:
    """One of the examples by one of its interfaces. title: of its page.  chats: its WebSocket is a room for many."""

    name: str
    folder: str
    title: str
    interface: Interface
    settings: dict[str, Any] = field(hash=False)
    websocket: str = ""
    chats: bool = False
    events: str = ""
    #: where its source has the static files, and what they are called there: Django adds the hash
    static: str = f"static/{STYLE_NAME}"

    def __str__(self) -> str:
        return f"{self.folder} ({self.interface.upper()})"


POLLS = {"django": {"settings": "polls_site.settings"}}
CHAT = {"django": {"settings": "chat_site.settings", "migrate": False}}
STREAMS = {"streams": ["/events"]}
EVERY = (
    Example("flask", "flask_hello", "Hello from Flask", "wsgi", {"target": "hello:app"}),
    Example(
        "polls",
        "django_polls",
        "Polls",
        "wsgi",
        {"target": "polls_site.wsgi:application", **POLLS},
        static="polls/static/probe.css",
    ),
    Example(
        "polls-asgi",
        "django_polls",
        "Polls",
        "asgi",
        {"target": "polls_site.asgi:application", **POLLS},
        static="polls/static/probe.css",
    ),
    Example(
        "fast",
        "fastapi_hello",
        "Hello from FastAPI",
        "asgi",
        {"target": "hello:app", **STREAMS},
        websocket="/echo",
        events="/events",
    ),
    Example(
        "chat",
        "django_chat",
        "Chat: lobby",
        "asgi",
        {"target": "chat_site.asgi:application", **CHAT, **STREAMS},
        websocket="/ws/lobby/",
        chats=True,
        events="/events",
        static="chat/static/probe.css",
    ),
)


@dataclass(frozen=True)
class Combination:
    """An example under a server."""

    server: str
    example: Example

    def __str__(self) -> str:
        return f"{self.server.replace('_', '-')}-{self.example.name}"

    @property
    def domain(self) -> str:
        return f"{self}.test"

    def settings(self, front: str) -> dict[str, Any]:
        """The application as the inventory has it; it is called as the combination is."""
        return {
            **self.example.settings,
            "source": f"../{self.example.folder}",
            "interface": self.example.interface,
            "server": self.server,
            "front": front,
            "domains": [self.domain],
            "static": {"/static/": "static"},
            "health": "/healthz",
            "max_body": "30m",
            "workers": 1,
        }


#: all that fit
COMBINATIONS = tuple(
    Combination(server.name, example)
    for server in servers([BUILTIN])
    for example in EVERY
    # an image needs a base: test_containers.py
    if example.interface in server.serves and server.name != "container"
)


def copy_examples(folder: Path, examples: Iterable[Example] = EVERY) -> None:
    """Put the examples into a folder as they are, each with one more stylesheet."""
    for example in examples:
        there = folder / example.folder
        if not there.exists():
            ignored = shutil.ignore_patterns("__pycache__", "db.sqlite3*", "secret_key", "static_root")
            shutil.copytree(EXAMPLES / example.folder, there, ignore=ignored)
        (there / example.static).write_bytes(STYLE)
