"""What prov adds to a bundle for instances of Elastic Beanstalk: it starts processes, and runs commands and jobs.

    prov_instance.py run NAME    a line of the Procfile, or a job: become that program
    prov_instance.py release     predeploy hook: static files on each instance, commands of the release on the leader
    prov_instance.py jobs        postdeploy hook: timers for jobs on the leader, and on no other instance

The leader is the instance on which the bundle's container command with `leader_only` has made LEADER. Runs on the
system's Python (3.9), with the standard library. Made by prov.
"""

from __future__ import annotations

import json
import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

BASE = Path(__file__).resolve().parent.parent
SETTINGS: dict[str, Any] = json.loads((BASE / ".prov" / "elastic_beanstalk.json").read_text())
#: of the platform: where it puts applications and their packages, and the user that they run as
CURRENT, PACKAGES, USER = "/var/app/current", Path("/var/app/venv"), "webapp"
STATE = Path("/var/lib/prov")
LEADER, VARIABLES = STATE / "leader", STATE / "environment"
UNITS = Path("/etc/systemd/system")
PREFIX = "prov-job-"
PORT, BACKLOG = "8000", 2048


def folder() -> Path:
    """Return the folder with the packages' programs."""
    found = sorted(PACKAGES.glob("*/bin/python"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SystemExit(f"{PACKAGES} has no environment with packages")
    return found[-1].parent


def environment() -> dict[str, str]:
    """Return the environment of the application's processes."""
    programs = str(folder())
    places = [str(BASE / each) for each in SETTINGS["pythonpath"]]
    path = os.environ.get("PATH") or "/usr/local/bin:/usr/bin:/bin"
    own = {"PYTHONPATH": ":".join(places), "PATH": f"{programs}:{path}", "HOME": "/tmp"}
    return {**os.environ, **SETTINGS["environment"], **own}


def program(words: list[str]) -> str:
    """Return the path of a command's program: of the packages, if they have one of that name."""
    own = folder() / words[0]
    return str(own) if "/" not in words[0] and own.is_file() else words[0]


def run(name: str) -> NoReturn:
    """Become a process, or a job."""
    words, found = SETTINGS["programs"][name], environment()
    if name == "web":
        # as systemd passes sockets (sd_listen_fds(3)): every server is started as it is on a host
        server = socket.create_server(("127.0.0.1", int(os.environ.get("PORT") or PORT)), backlog=BACKLOG)
        if server.fileno() != 3:
            os.dup2(server.fileno(), 3)
        os.set_inheritable(3, True)
        found |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    os.chdir(BASE / SETTINGS["folder"])
    os.execvpe(program(words), words, found)


def release() -> None:
    """Run what is due before the release serves. Ends the process if a command fails: the deploy has failed then."""
    for words in SETTINGS["every"]:
        command(words, SETTINGS["seconds"])
    if not LEADER.exists():
        print("prov: another instance runs the commands of the release")
        return
    for each in SETTINGS["release"]:
        command(each["words"], each["seconds"])


def command(words: list[str], seconds: int) -> None:
    """Run a command as the application's user."""
    print("prov: runs", *words, flush=True)
    user = pwd.getpwnam(USER)
    try:
        done = subprocess.run(
            [program(words), *words[1:]],
            env=environment(),
            cwd=BASE / SETTINGS["folder"],
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SystemExit(f"prov: {words[0]} was stopped after {seconds} s") from None
    if done.returncode:
        raise SystemExit(f"prov: {' '.join(words)} ended with {done.returncode}")


def jobs() -> None:
    """Give the leader a timer for each job, and take them from other instances."""
    wanted = SETTINGS["jobs"] if LEADER.exists() else {}
    for path in UNITS.glob(f"{PREFIX}*"):
        if path.stem.removeprefix(PREFIX) not in wanted:
            if path.suffix == ".timer":
                systemctl("disable", "--now", path.name)
            path.unlink()
    if wanted:
        given = [name for name in SETTINGS["variables"] if name in os.environ]
        write(VARIABLES, "".join(f"{name}={quoted(os.environ[name])}\n" for name in given), 0o600)
    for name, job in wanted.items():
        write(UNITS / f"{PREFIX}{name}.service", service(name, job), 0o644)
        write(UNITS / f"{PREFIX}{name}.timer", timer(name, job), 0o644)
    systemctl("daemon-reload")
    for name in wanted:
        systemctl("enable", f"{PREFIX}{name}.timer")
        systemctl("restart", f"{PREFIX}{name}.timer")


def service(name: str, job: dict[str, Any]) -> str:
    """Return the unit of a job."""
    lines = [
        "[Unit]",
        f"Description=job {name} of {SETTINGS['app']}",
        "[Service]",
        "Type=oneshot",
        f"User={USER}",
        f"WorkingDirectory={CURRENT}",
        f"EnvironmentFile={VARIABLES}",
        f"ExecStart=/usr/bin/python3 {CURRENT}/.prov/{Path(__file__).name} run job-{name}",
        f"TimeoutStartSec={job['seconds']}",
    ]
    return "\n".join([*lines, ""])


def timer(name: str, job: dict[str, Any]) -> str:
    """Return its timer."""
    times = [f"OnCalendar={each}" for each in job["calendars"]]
    head = ["[Unit]", f"Description=times of the job {name} of {SETTINGS['app']}", "[Timer]"]
    return "\n".join([*head, *times, "[Install]", "WantedBy=timers.target", ""])


def quoted(value: str) -> str:
    """Return a value as a file of variables has it. Source: systemd.exec(5), EnvironmentFile=."""
    for character in ("\\", '"', "$", "`"):
        value = value.replace(character, f"\\{character}")
    return f'"{value}"'


def write(path: Path, text: str, mode: int) -> None:
    """Write a file as a whole."""
    path.parent.mkdir(mode=0o755, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    with open(new, "w", opener=lambda name, flags: os.open(name, flags, mode)) as f:
        f.write(text)
    new.replace(path)


def systemctl(*words: str) -> None:
    """Ask systemd. Ends the process if it refuses."""
    subprocess.run(["systemctl", *words], check=True)


if __name__ == "__main__":
    action = sys.argv[1]
    if action == "run":
        run(sys.argv[2])
    {"release": release, "jobs": jobs}[action]()
