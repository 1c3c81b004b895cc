"""Another Python than the distribution's, for which mod_wsgi is built by pip."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.cli import prov
from helpers.hosts import Hosts, Kind, on
from helpers.projects import HELLO, Project
from helpers.web import Site

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

NAME = "t-other"
#: the Python of Debian 12 on Debian 13. Its package for venv goes with the old distutils, so what is in it is unpacked
OLDER = """
uri=$(grep -rhoE 'https?://[^ ]+/debian$' /etc/apt/sources.list.d | head -n 1)
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keys] $uri bookworm main" > /etc/apt/sources.list.d/older.list
apt-get -qq update
apt-get -qq install -y python3.11 python3-pip-whl python3-setuptools-whl >/dev/null 2>&1
cd /tmp
apt-get -qq download python3.11-venv
dpkg -x python3.11-venv_*.deb /
"""
SAYS = "\n\n@app.get('/python')\ndef python():\n    import sys\n    return sys.version.split()[0]\n"


def test_mod_wsgi_is_built_for_it(lab_hosts: Hosts, tmp_path: Path) -> None:
    host = lab_hosts.one(NAME, Kind("debian-13"))
    on(NAME, "sh", "-ec", OLDER)
    project = Project(tmp_path / "project").examples()
    with (project.folder / "flask_hello/requirements.txt").open("a") as f:
        f.write("mod_wsgi>=5,<6\n")
    with (project.folder / "flask_hello/hello.py").open("a") as f:
        f.write(SAYS)
    hello = {**HELLO, "server": "mod_wsgi", "python": "/usr/bin/python3.11"}
    project.inventory(
        {NAME: {"apps": {"hello": hello}}},
        ansible_connection="lab",
        roles=["python", "app"],
        python={"packages": ["gcc", "apache2-dev", "python3.11-dev"]},
    )
    planned = prov("plan", NAME, cwd=project.folder, status=3)
    first = prov("deploy", NAME, cwd=project.folder, timeout=400, status=0)
    assert planned.changes(NAME) == first.changes(NAME)
    answer = Site(host.address, "hello.test", project.ca).get("/python")
    assert (answer.status, answer.body[:5]) == (200, b"3.11.")
    assert "libapache2-mod-wsgi-py3" not in on(NAME, "dpkg-query", "-W", "-f", "${Package}\n")
    again = prov("deploy", NAME, cwd=project.folder, status=0)
    assert again.tally(NAME)["changed"] == 0
