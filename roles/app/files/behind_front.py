"""The application as it stands behind its front. Made by prov; the application's server is told to serve this.

Servers differ in what they make of X-Forwarded-For and -Proto and of a path prefix: gunicorn leaves REMOTE_ADDR
empty on a Unix socket, hypercorn passes nothing on, uvicorn takes a --root-path for one that the front has cut off.
Here it is done once, as PEP 3333 and the ASGI specification have it, so that an application sees the same under
every server. The headers can be believed: no one but the front may connect to the socket, and it sets them.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

INTERFACE, TARGET, PREFIX = (os.environ[f"PROV_{name}"] for name in ("INTERFACE", "TARGET", "PREFIX"))
ARGUMENTS = {"wsgi": "(environ, start_response)", "asgi": "(scope, receive, send)"}


def loaded() -> Any:
    """The application itself. Raises whatever its module does, or ends the process with what is wrong with it."""
    module, _, path = TARGET.partition(":")
    code = importlib.import_module(module)
    try:
        found = functools.reduce(getattr, path.removesuffix("()").split("."), code)
    except AttributeError as error:
        raise SystemExit(f"{TARGET}: {error}") from None
    if not callable(found):
        raise SystemExit(f"{TARGET} is {found!r}, which can't be called")
    if path.endswith("()") or makes_one(found):
        found = found()
        if not callable(found):
            raise SystemExit(f"{TARGET} has made {found!r}, which can't be called")
    other = "asgi" if INTERFACE == "wsgi" else "wsgi"
    if takes(found, other) and not takes(found, INTERFACE):
        advice = f"set `interface: {other}`, and a server that speaks it"
        raise SystemExit(f"{TARGET} takes {ARGUMENTS[other]}: it speaks {other}; {advice}")
    return found


def makes_one(found: Callable[..., Any]) -> bool:
    """Whether it is a factory: it can be called with nothing, which no application can. Any number of arguments may
    be those of an application, behind a decorator."""
    try:
        arguments = inspect.signature(found)
        arguments.bind()
    except (TypeError, ValueError):
        return False
    return all(each.kind is not each.VAR_POSITIONAL for each in arguments.parameters.values())


def takes(found: Callable[..., Any], interface: str) -> bool:
    """Whether it can be called as the interface says. What can't be looked into is believed."""
    try:
        inspect.signature(found).bind(*ARGUMENTS[interface].split(","))
    except TypeError:
        return False
    except ValueError:
        pass
    return True


inner = loaded()
#: PEP 3333: text in an environ holds bytes, each as a character of Latin-1
WSGI_PREFIX = PREFIX.encode().decode("latin-1")


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """PEP 3333: REMOTE_ADDR, wsgi.url_scheme, SCRIPT_NAME and PATH_INFO."""
    client = environ.get("HTTP_X_FORWARDED_FOR")
    if client:
        environ["REMOTE_ADDR"] = client.rpartition(",")[2].strip()
    scheme = environ.get("HTTP_X_FORWARDED_PROTO")
    if scheme in ("http", "https"):
        environ["wsgi.url_scheme"] = scheme
    # whatever a server or a client takes for SCRIPT_NAME: the path is what the front has judged
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    below = WSGI_PREFIX and (path == WSGI_PREFIX or path.startswith(WSGI_PREFIX + "/"))
    environ["SCRIPT_NAME"] = WSGI_PREFIX if below else ""
    environ["PATH_INFO"] = path[len(environ["SCRIPT_NAME"]) :]
    answer: Iterable[bytes] = inner(environ, start_response)
    return answer


async def asgi(
    scope: dict[str, Any], receive: Callable[..., Awaitable[Any]], send: Callable[..., Awaitable[Any]]
) -> None:
    """ASGI, "HTTP & WebSocket Message Format": client, scheme and root_path, which path includes."""
    if scope["type"] in ("http", "websocket"):
        scope = dict(scope)
        for name, value in scope["headers"]:
            if name == b"x-forwarded-for":
                scope["client"] = (value.decode("latin-1").rpartition(",")[2].strip(), 0)
            elif name == b"x-forwarded-proto" and value in (b"http", b"https"):
                plain = "http" if scope["type"] == "http" else "ws"
                scope["scheme"] = plain + "s" if value == b"https" else plain
        if PREFIX:
            scope["root_path"] = PREFIX
    await inner(scope, receive, send)


application = {"wsgi": wsgi, "asgi": asgi}[INTERFACE]
