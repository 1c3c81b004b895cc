"""Nasty values against the real parsers: nginx, Apache, systemd, cron and logrotate read back what was meant."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import Run, prov
from helpers.clientmatrix import ECHO
from helpers.hostile import ask, plain
from helpers.hosts import Hosts, Kind, on
from helpers.nasty import NASTY
from helpers.projects import Project
from helpers.web import Site

pytestmark = pytest.mark.lab

#: host: front and image
HOSTS = {"t-vn": ("nginx", "debian-13"), "t-va": ("apache", "debian-12")}
SERVERS = ("gunicorn", "mod_wsgi")
SUBDIRECTORY = "web app; {x} 100% %i $y ${z} \"q\" 'a' #c \\b ü\\"
STATIC = 'static files; } location /x { root /etc; } #"\\ %1 $1 ${HOME}'
MEDIA = "uploads; } location /x { root /etc; } #"
REALM = 'It\'s "50%" \\ ${HOME} $host %{HTTP_HOST} ü; {x} #'
PATHS = ["/opt/100% mine", '/opt/a "b" \\c; $d ${e} %i']
ENVIRONMENT = {
    f"NASTY_{n}": value
    for n, value in enumerate([*NASTY, "one\ntwo", "one\r\ntwo", "tab\tulator", "del\x7f"])
}


@dataclass(frozen=True)
class Nasty:
    """Both hosts, deployed."""

    project: Project
    run: Run
    sites: dict[tuple[str, str], Site]


def app(server: str, front: str) -> dict[str, Any]:
    """An application with nothing plain in its settings."""
    return {
        "source": "../nasty",
        "subdirectory": SUBDIRECTORY,
        "target": "echo:wsgi",
        "server": server,
        "front": front,
        "domains": [f"{server.replace('_', '-')}.test"],
        "workers": 1,
        "static": {"/static/": STATIC},
        "media": {"/media/": MEDIA},
        "auth": {"by": "basic", "users": {"ann": "open sesame"}, "paths": ["/closed/"], "realm": REALM},
        "environment": {**ENVIRONMENT, "PYTHONPATH": ":".join(PATHS)},
        "error_pages": "error pages; {x}",
    }


@pytest.fixture(scope="module")
def nasty(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nasty]:
    project = Project(tmp_path_factory.mktemp("nasty"))
    inner = project.folder / "nasty" / SUBDIRECTORY
    shutil.copytree(ECHO, inner, ignore=shutil.ignore_patterns("__pycache__", "static"))
    for folder, name, text in (
        (STATIC, "a b.txt", "mine"),
        (STATIC, "c.css", "a {}"),
        (STATIC, "c.css.gz", "packed"),
    ):
        (inner / folder).mkdir(parents=True, exist_ok=True)
        (inner / folder / name).write_text(text)
    (inner / STATIC / "link.txt").symlink_to("a b.txt")
    (inner / "error pages; {x}").mkdir()
    (inner / "error pages; {x}/404.html").write_text("nothing here")
    project.role("uv", "python.uv(c)", head="from provision.steps import python\nAFTER = ('python',)")
    hosts = lab_hosts.up({name: Kind(image) for name, (_, image) in HOSTS.items()})
    apps = {
        name: {"apps": {server.replace("_", "-"): app(server, front) for server in SERVERS}}
        for name, (front, _) in HOSTS.items()
    }
    project.inventory(apps, ansible_connection="lab", roles=["python", "uv", "app"])
    run = prov("deploy", "tests", cwd=project.folder, timeout=600)
    assert run.status == 0, run.errors
    sites = {
        (name, server): Site(host.address, f"{server.replace('_', '-')}.test", project.ca)
        for name, host in hosts.items()
        for server in SERVERS
    }
    yield Nasty(project, run, sites)


EACH = pytest.mark.parametrize(
    "where", [(name, server) for name in HOSTS for server in SERVERS], ids="-".join
)


def get(site: Site, path: str, **headers: str) -> tuple[int, bytes]:
    (reply,) = ask(site, plain(path, site.domain, headers.items()))
    return reply.status, reply.body


@pytest.mark.trust("5", "folder-names-break-config")
@EACH
def test_folders_are_what_they_are_called(nasty: Nasty, where: tuple[str, str]) -> None:
    site = nasty.sites[where]
    assert get(site, "/static/a%20b.txt") == (200, b"mine")
    # a link in the source is the source's own
    assert get(site, "/static/link.txt") == (200, b"mine")
    assert get(site, "/static/c.css", **{"Accept-Encoding": "gzip"}) == (200, b"packed")
    assert get(site, "/x/passwd")[1].startswith(b'{"path": "/x/passwd"'), "no location of the folder's name"
    assert get(site, "/static/none") == (404, b"nothing here")
    user = f"app-{where[1].replace('_', '-')}"
    on(
        where[0],
        "runuser",
        "-u",
        user,
        "--",
        "sh",
        "-c",
        'umask 027; echo up > "$0/b.txt"',
        f"/var/lib/{user}/{MEDIA}",
    )
    assert get(site, "/media/b.txt") == (200, b"up\n")


@pytest.mark.trust("5", "environment-values")
@EACH
def test_the_environment_is_what_was_said(nasty: Nasty, where: tuple[str, str]) -> None:
    told = json.loads(get(nasty.sites[where], "/environment")[1])
    assert told["environment"] == ENVIRONMENT
    # mod_wsgi gets them twice
    assert list(dict.fromkeys(path for path in told["search"] if path.startswith("/opt/"))) == PATHS
    assert Path(told["here"]).name == SUBDIRECTORY
    assert on(where[0], "sh", "-c", "ls /root/injected 2>&1", check=False).endswith(
        "No such file or directory"
    )


@pytest.mark.trust("5", "realms")
@EACH
def test_a_realm_is_what_was_said(nasty: Nasty, where: tuple[str, str]) -> None:
    site = nasty.sites[where]
    with site.connected(5) as connection:
        connection.sendall(plain("/closed/x", site.domain))
        head = connection.recv(65536).decode()
    assert head.split()[1] == "401"
    found = re.search(r'(?i)www-authenticate: Basic realm="((?:\\.|[^"\\])*)"', head)
    assert found is not None, head
    assert re.sub(r"\\(.)", r"\1", found.group(1)) == REALM


def test_a_second_deploy_changes_nothing(nasty: Nasty) -> None:
    again = prov("deploy", "tests", cwd=nasty.project.folder, status=0)
    assert [again.not_in(name, "ok") for name in HOSTS] == [[], []]


WRITE = "import json, sys; json.dump(sys.argv[2:], open(sys.argv[1], 'w'))"
WORDS = [*NASTY, "\\%", "a\\%b c", "a\\\\b", "\\\\%", "\\" * 5]


@pytest.mark.trust("5", "commands-of-cron-systemd-logrotate")
def test_commands_of_cron_systemd_and_logrotate_get_their_words(nasty: Nasty) -> None:
    """Each of them runs a program with all nasty words for arguments, which writes down what it got."""
    body = """
    import json
    words = json.loads(WORDS)
    program = ["/usr/bin/python3", "-c", WRITE]
    apt.packages(c, ["cron", "logrotate"])
    timers.timer(c, "nasty", [*program, "/root/timer.json", *words], after_boot="1d")
    cron.job(c, "nasty", "* * * * *", [*program, "/root/cron.json", *words],
             environment={"A": '"b" %', "B": "it's $C"})
    files.file(c, "/var/log/na sty;.log", "text")
    after = [[*program, "/root/logrotate.json", *words], ["endscript"]]
    logrotate.rotation(c, "nasty", "/var/log/na sty;.log", after=after)
    """
    head = f"from provision.steps import cron, logrotate, timers\nWRITE = {WRITE!r}\nWORDS = {json.dumps(WORDS)!r}"
    nasty.project.role("words", body, head=head)
    inventory = nasty.project.folder / "inventory/hosts.yml"
    before = inventory.read_text()
    inventory.write_text(before.replace("- app\n", "- app\n    - words\n"))
    run = prov("deploy", "t-vn", "--tags", "words", cwd=nasty.project.folder)
    assert run.status == 0, run.errors
    on("t-vn", "systemctl", "start", "nasty.service")
    # "endscript" is a command that is not there, not the end of the script
    on("t-vn", "logrotate", "-f", "/etc/logrotate.d/nasty", check=False)
    end = time.monotonic() + 75
    while on("t-vn", "ls", "/root/cron.json", check=False) == "":
        assert time.monotonic() < end, on("t-vn", "journalctl", "-u", "cron", "-n", "20")
        time.sleep(1)
    for program in ("timer", "logrotate", "cron"):
        assert json.loads(on("t-vn", "cat", f"/root/{program}.json")) == WORDS, program
