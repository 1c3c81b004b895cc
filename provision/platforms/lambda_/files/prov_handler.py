"""What Lambda calls: passes requests to the application, and runs its commands. Made by prov.

Requests come from the function URL (payload format 2.0). An event {"prov": NAME} runs one of the commands that the
bundle lists; only AWS identities with the right lambda:InvokeFunction can send it, as the body of a request is never
an event. Runs on Lambda's Python, with the standard library, boto3 of the runtime, and one adapter.
"""

from __future__ import annotations

import importlib
import json
import os
import site
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

TASK = Path(__file__).resolve().parent
SETTINGS: dict[str, Any] = json.loads((TASK / ".prov" / "lambda.json").read_text())
CREDENTIALS = "/tmp/credentials"
#: lines of a command that its failure shows
SHOWN = 12
#: parameters that one request may ask for: GetParameters
AT_ONCE = 10


def find_modules() -> None:
    """Let imports find the application and its packages before those of the runtime, here and in commands."""
    before = set(sys.path)
    packages = str(TASK / SETTINGS["packages"])
    site.addsitedir(packages)
    added = [each for each in sys.path if each not in before and each != packages]
    places = [*(str(TASK / each) for each in SETTINGS["pythonpath"]), packages, *added]
    places += [each for each in os.environ.get("PYTHONPATH", "").split(":") if each]
    sys.path[:] = [*places, *(each for each in sys.path if each not in places)]
    os.environ["PYTHONPATH"] = ":".join(places)
    os.environ["PATH"] = f"{TASK / '.venv/bin'}:{os.environ.get('PATH', '/usr/bin:/bin')}"


def take_secrets() -> None:
    """Read the application's secrets from SSM, in the versions that this version of the function was made with."""
    wanted = json.loads(os.environ.get("PROV_PARAMETERS") or "{}")
    if not wanted:
        return
    boto3 = importlib.import_module("boto3")
    path = os.environ["PROV_PARAMETER_PATH"]
    names = [f"{path}/{name}:{version}" for name, version in sorted(wanted.items())]
    found = {}
    client = boto3.client("ssm")
    for n in range(0, len(names), AT_ONCE):
        answer = client.get_parameters(Names=names[n : n + AT_ONCE], WithDecryption=True)
        if answer["InvalidParameters"]:
            raise RuntimeError(f"SSM has no parameters {', '.join(answer['InvalidParameters'])}")
        found.update({each["Name"].rpartition("/")[2]: each["Value"] for each in answer["Parameters"]})
    if not SETTINGS["credentials"]:
        os.environ.update(found)
        return
    Path(CREDENTIALS).mkdir(mode=0o700, exist_ok=True)
    for name, value in found.items():
        file = Path(CREDENTIALS, name)
        file.touch(mode=0o600)
        file.write_text(value)
    os.environ["CREDENTIALS_DIRECTORY"] = CREDENTIALS


def adapted() -> Any:
    """Return what turns an event into a request of the application's interface."""
    application = importlib.import_module("behind_front").application
    if SETTINGS["interface"] == "asgi":
        return importlib.import_module("mangum").Mangum(application, lifespan="auto")
    return importlib.import_module("apig_wsgi").make_lambda_handler(application, binary_support=True)


def run(name: str) -> dict[str, Any]:
    """Run a command of the bundle; its lines go to the log, with its name. Raises RuntimeError if it fails."""
    command = SETTINGS["commands"].get(name)
    if command is None:
        raise RuntimeError(f"the bundle has no command {name!r}")
    program, *arguments = command["words"]
    script = TASK / ".venv/bin" / program
    if program in ("python", "python3"):
        words = [sys.executable, *arguments]
    elif script.is_file() and script.read_bytes()[:64].partition(b"\n")[0].find(b"python") > 0:
        words = [sys.executable, str(script), *arguments]
    else:
        words = [program, *arguments]
    lines: list[str] = []
    # one folder for commands and requests alike
    with subprocess.Popen(
        words,
        cwd=TASK / SETTINGS["folder"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        timer = threading.Timer(command["timeout"], process.kill)
        timer.start()
        assert process.stdout is not None
        for data in process.stdout:
            line = data.decode(errors="replace").rstrip("\n")
            print(f"[{name}] {line}", flush=True)
            lines = [*lines[1 - SHOWN :], line]
        status = process.wait()
        expired = not timer.is_alive()
        timer.cancel()
    if status:
        why = f"was stopped after {command['timeout']} s" if expired else f"ended with status {status}"
        raise RuntimeError("\n".join([f"{name} {why}", *lines]))
    return {"status": 0}


def as_front(event: dict[str, Any]) -> dict[str, Any]:
    """Return a request with the headers that a front would set: what a client has written there is not believed."""
    http = event["requestContext"]["http"]
    headers = {
        name: value for name, value in (event.get("headers") or {}).items() if name != "x-forwarded-host"
    }
    return {
        **event,
        "headers": {**headers, "x-forwarded-for": http.get("sourceIp", ""), "x-forwarded-proto": "https"},
    }


def handler(event: dict[str, Any], context: Any) -> Any:
    """Answer an event."""
    global serve
    if "requestContext" not in event:
        return run(str(event.get("prov")))
    if serve is None:
        # a command may have been missing when it was tried first
        serve = adapted()
    return serve(as_front(event), context)


os.chdir(TASK / SETTINGS["folder"])
os.environ.update({name: value for name, value in SETTINGS["environment"].items() if name not in os.environ})
find_modules()
take_secrets()
serve: Any = None
try:
    serve = adapted()
except Exception:
    # migrations run in a function whose application may not start before them
    traceback.print_exc()
