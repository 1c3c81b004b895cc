"""What case files refer to: kinds of steps by name, a web server, a certificate authority."""

from __future__ import annotations

import http.server
import importlib
import inspect
import pwd
import re
import socketserver
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

from provision.apps.authority import Authority
from provision.steps.base import Step
from provision.system.source import Source

#: the modules whose steps have case files here; tests/steps_more has the others, such as firewalls, which must
#: not be tried on this machine but in a network of their own
MODULES = (
    "acl", "ageing", "apt", "authorized_keys", "conditions", "certificates", "command", "configuration", "cron",
    "fetch", "files", "git", "groups", "hosts", "ini_files", "journald", "keys", "known_hosts", "limits", "logrotate",
    "permissions", "python", "releases", "script", "selinux", "services", "sqlite", "ssh", "ssh_keys",
    "sudoers", "system", "sysusers", "text", "tmpfiles", "tree", "users", "waiting",
)  # fmt: skip


def step_classes() -> dict[str, type[Step]]:
    """Kinds of steps by their names in snake case: those of MODULES."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(f"provision.steps.{name}")
        for cls in vars(module).values():
            ours = inspect.isclass(cls) and issubclass(cls, Step) and cls is not Step
            if ours and cls.__module__ == module.__name__:
                found[re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()] = cls
    return found


class Server:
    """A web server on a port of its own: /NUMBER answers with that status."""

    def __init__(self) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status = int(self.path.strip("/")) if self.path.strip("/").isdigit() else 200
                if self.path == "/header":
                    status = 200 if self.headers.get("X-Test") == "yes" else 400
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Not to be seen in tests."""

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def with_sources(value: Any) -> Any:
    """A step's values with {text: ...} as contents that the host has to ask for."""
    if isinstance(value, dict) and set(value) == {"text"}:
        return Source.of(value["text"])
    return [with_sources(v) for v in value] if isinstance(value, list) else value


def placeholders(root: Path, server: Server) -> dict[str, Any]:
    """Values of the $NAMES in case files."""
    authority = Authority(root.parent / "ca")
    authority.make()
    old = Authority(root.parent / "other-ca")
    old.make()

    def issued_by(issuer: Authority, names: list[str], days: int) -> Source:
        key = f"certificate for {names} for {days} days by {issuer.key_id()}"
        return Source.made_by(key, lambda request: issuer.sign(request, names, days))

    return {
        "$T": str(root),
        "$PORT": server.port,
        "$PASSWD": passwd(f"{root}/home"),
        # the one of the tests belongs to whoever ran make, and root follows no link of theirs
        "$RUNNING": Path("/proc/1/comm").read_text().strip(),
        "$PYTHON": str(Path(sys.executable).resolve()),
        "$PACKAGES": f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages",
        "$ISSUER": issued_by(authority, ["a.test"], 90),
        "$ISSUERSHORT": issued_by(authority, ["a.test"], 1),
        "$ISSUERTWO": issued_by(authority, ["a.test", "b.test"], 90),
        "$ISSUEROLD": issued_by(old, ["a.test"], 90),
        "$WHEEL": wheel(root.parent),
        "$AUTHORITY": authority.key_id(),
        "$AUTHORITYOLD": old.key_id(),
    }


def passwd(home: str) -> str:
    """This machine's users, and prov-case, who has the ids of the user nobody."""
    nobody = pwd.getpwnam("nobody")
    text = Path("/etc/passwd").read_text(encoding="utf-8")
    return f"{text}prov-case:x:{nobody.pw_uid}:{nobody.pw_gid}::{home}:/bin/sh\n"


def wheel(folder: Path) -> str:
    """A package of one module, as a file that pip installs without a network."""
    path = folder / "greeting-1.0-py3-none-any.whl"
    info = "greeting-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("greeting.py", "hello = 'world'\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return str(path)
