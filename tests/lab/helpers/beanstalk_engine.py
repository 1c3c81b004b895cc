"""What the platform does with a bundle on an instance; helpers/beanstalk_instance.py puts it there.

Configures in /var/app/staging, runs container commands and hooks there, moves it to /var/app/current, and starts the
lines of the Procfile as units behind nginx.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

STAGING, CURRENT = Path("/var/app/staging"), Path("/var/app/current")
VENV = Path("/var/app/venv/staging-LQM1lest")
VARIABLES = Path("/opt/elasticbeanstalk/deployment/env")
LOG = Path("/var/log/eb-engine.log")
UNITS = Path("/etc/systemd/system")
#: where it is, with what it is given
HERE = Path(__file__).parent
WANTED = json.loads((HERE / "wanted.json").read_text())
UNIT = """[Service]
User=webapp
WorkingDirectory=/var/app/current
EnvironmentFile=%s
ExecStart=/bin/sh -c "%s"
Restart=always
"""
NGINX = """user www-data;
events {}
http {
    include mime.types;
    map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
    server {
        listen 80 default_server;
        include conf.d/elasticbeanstalk/*.conf;
    }
}
"""
APPLICATION = """location / {
    proxy_pass http://127.0.0.1:8000;
    proxy_http_version 1.1;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Host $host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
}
"""


def environment() -> dict[str, str]:
    """The variables of hooks and container commands."""
    path = f"{VENV}/bin:/usr/local/bin:/usr/bin:/bin"
    return {"PATH": path, "HOME": "/root", "PORT": "8000", **WANTED["variables"]}


def run(words: list[str], folder: Path) -> None:
    """Run a command of the deployment; it fails with it."""
    done = subprocess.run(
        words, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    with LOG.open("ab") as log:
        log.write(done.stdout)
    if done.returncode:
        text = done.stdout.decode(errors="replace").strip()
        said(f"Command {words} failed: {text}".replace("\n", " "))
        sys.exit(1)


def said(text: str) -> None:
    """Say how it ended."""
    sys.stdout.write(f"{text}\n")


def hooks(kind: str, folder: Path) -> None:
    """Run the executable files of a kind."""
    for path in sorted((folder / ".platform/hooks" / kind).glob("*")):
        if os.access(path, os.X_OK):
            run([str(path)], folder)


def unpacked() -> None:
    """The bundle in staging, as the application's user has it."""
    shutil.rmtree(STAGING, ignore_errors=True)
    with zipfile.ZipFile(HERE / "bundle.zip") as bundle:
        for info in bundle.infolist():
            path = Path(bundle.extract(info, STAGING))
            path.chmod((info.external_attr >> 16) & 0o777)
    subprocess.run(["chown", "-R", "webapp:webapp", str(STAGING)], check=True)


def configured() -> None:
    """Packages, and the proxy."""
    if not VENV.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    run([f"{VENV}/bin/pip", "install", "-q", "-r", "requirements.txt"], STAGING)
    own = Path("/etc/nginx/conf.d")
    shutil.rmtree(own, ignore_errors=True)
    (own / "elasticbeanstalk").mkdir(parents=True)
    Path("/etc/nginx/nginx.conf").write_text(NGINX)
    (own / "elasticbeanstalk/00_application.conf").write_text(APPLICATION)
    places = "".join(
        f"location {place} {{ alias /var/app/current/{folder}; }}\n"
        for place, folder in WANTED["static"].items()
    )
    (own / "elasticbeanstalk/01_static.conf").write_text(places)
    if (STAGING / ".platform/nginx").is_dir():
        shutil.copytree(STAGING / ".platform/nginx", "/etc/nginx", dirs_exist_ok=True)
    run(["/usr/sbin/nginx", "-t"], STAGING)


def container_commands() -> None:
    """Commands of .ebextensions, in the order of their names."""
    found = {}
    for path in sorted((STAGING / ".ebextensions").glob("*.config")):
        found.update(json.loads(path.read_text()).get("container_commands", {}))
    for name in sorted(found):
        if WANTED["leader"] or not found[name].get("leader_only"):
            run(["/bin/sh", "-c", found[name]["command"]], STAGING)


def started() -> None:
    """The lines of the Procfile, as units; those of before end."""
    VARIABLES.parent.mkdir(parents=True, exist_ok=True)
    every = {**environment(), "HOME": "/home/webapp"}
    VARIABLES.write_text("".join(f"{name}={quoted(value)}\n" for name, value in every.items()))
    VARIABLES.chmod(0o600)
    lines = dict(line.split(": ", 1) for line in (CURRENT / "Procfile").read_text().splitlines())
    old = [
        path.name
        for path in UNITS.glob("*.service")
        if "EnvironmentFile=/opt/elasticbeanstalk" in path.read_text()
    ]
    subprocess.run(["systemctl", "stop", *old], check=bool(old))
    for name in old:
        (UNITS / name).unlink()
    for name, command in lines.items():
        (UNITS / f"{name}.service").write_text(UNIT % (VARIABLES, command))
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "restart", *(f"{name}.service" for name in lines), "nginx"], check=True)


def quoted(value: str) -> str:
    """A value as systemd reads it from a file."""
    for character in '\\"$`':
        value = value.replace(character, f"\\{character}")
    return f'"{value}"'


unpacked()
hooks("prebuild", STAGING)
configured()
container_commands()
hooks("predeploy", STAGING)
shutil.rmtree(CURRENT, ignore_errors=True)
STAGING.rename(CURRENT)
started()
hooks("postdeploy", CURRENT)
time.sleep(0.5)
said("deployed")
