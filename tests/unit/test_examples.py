"""The example applications, each in a venv of its own, from its requirements to pages that a server serves."""

import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import pytest

from provision.declared.role_folders import BUILTIN
from provision.declared.serving_roles import server
from roles.app import chores

EXAMPLES = Path(__file__).parents[2] / "examples"
DIGEST = {"bytes": 100_000, "sha256": hashlib.sha256(b"x" * 100_000).hexdigest()}
PRODUCTION = {"ALLOWED_HOSTS": "polls.example", "BEHIND_PROXY": "1"}


class Browser:
    """Sends what a front would send for one client, and keeps the cookies."""

    def __init__(self, port: int, **headers: str) -> None:
        self.port = port
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.cookies = SimpleCookie()

    def request(self, method: str, path: str, **form: str) -> tuple[http.client.HTTPResponse, str]:
        headers = {"Cookie": "; ".join(f"{c.key}={c.value}" for c in self.cookies.values()), **self.headers}
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, urlencode(form), headers)
        response = connection.getresponse()
        body = response.read().decode()
        for cookie in response.headers.get_all("Set-Cookie", []):
            self.cookies.load(cookie)
        connection.close()
        return response, body

    def get(self, path: str) -> str:
        response, body = self.request("GET", path)
        assert response.status == 200, f"{path}: {response.status}\n{body}"
        return body

    def upload(self, path: str, body: bytes) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("POST", path, body, self.headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        assert response.status == 200, f"{path}: {response.status}\n{text}"
        return text

    def submit(self, page: str, path: str, **form: str) -> str:
        """Sends the form on `page` to `path`, and tells where that redirects to."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(page))
        assert token, f"no form at {page}"
        response, body = self.request("POST", path, csrfmiddlewaretoken=token[1], **form)
        assert response.status == 302, f"{path}: {response.status}\n{body}"
        return response.headers["Location"]


@dataclass
class Example:
    """A copy of an example, so that running it leaves nothing in the checkout, and its venv."""

    folder: Path
    bin: Path
    env: dict[str, str] = field(default_factory=dict)

    def run(self, *argv: str, **env: str) -> str:
        done = subprocess.run(
            [self.bin / argv[0], *argv[1:]],
            cwd=self.folder,
            env={**os.environ, **self.env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"{argv}:\n{done.stdout}"
        return done.stdout

    def manage(self, *argv: str, **env: str) -> str:
        return self.run("python", "manage.py", *argv, **env)

    @contextmanager
    def gunicorn(self, target: str, *options: str, **env: str) -> Iterator[int]:
        """Serves on a socket that is listening already, as under systemd: requests wait for the workers."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            server = subprocess.Popen(
                [
                    self.bin / "gunicorn",
                    "--bind",
                    f"fd://{listener.fileno()}",
                    "--workers",
                    "2",
                    *options,
                    target,
                ],
                cwd=self.folder,
                env={**os.environ, **self.env, **env},
                pass_fds=[listener.fileno()],
            )
        try:
            yield port
        finally:
            server.terminate()
            server.wait(timeout=20)


def install(name: str, tmp: Path) -> Example:
    ignore = shutil.ignore_patterns("__pycache__", "db.sqlite3*", "secret_key")
    folder = shutil.copytree(EXAMPLES / name, tmp / name, ignore=ignore)
    subprocess.run([sys.executable, "-m", "venv", tmp / "venv"], check=True)
    example = Example(folder, tmp / "venv" / "bin")
    # the application's requirements name no server: any that speaks its interface will do
    gunicorn = server("gunicorn", [BUILTIN])
    assert gunicorn is not None and gunicorn.package is not None
    example.run("python", "-m", "pip", "install", "--quiet", "-r", "requirements.txt", gunicorn.package)
    return example


CHORES = EXAMPLES.parent / "roles/app/files/django_chores.py"


@pytest.fixture(scope="module")
def flask_hello(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return install("flask_hello", tmp_path_factory.mktemp("flask"))


@pytest.fixture(scope="module")
def fastapi_hello(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return install("fastapi_hello", tmp_path_factory.mktemp("fastapi"))


@pytest.fixture(scope="module")
def django_chat(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return install("django_chat", tmp_path_factory.mktemp("chat"))


@pytest.fixture(scope="module")
def django_polls(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return install("django_polls", tmp_path_factory.mktemp("django"))


def contents(folder: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_flask_hello_serves(flask_hello: Example) -> None:
    forged = {"X_Forwarded_For": "198.51.100.1, 203.0.113.7", "X_Forwarded_Proto": "https"}
    with flask_hello.gunicorn("hello:app", BEHIND_PROXY="1") as port:
        client = Browser(port, Host="hello.example", X_Forwarded_Host="evil.example", **forged)
        assert "<title>Hello from Flask</title>" in client.get("/")
        assert "font-family" in client.get("/static/style.css")
        assert client.get("/healthz") == "ok"
        seen = {"client": "203.0.113.7", "scheme": "https", "host": "hello.example"}
        assert json.loads(client.get("/whoami")) == seen
        assert json.loads(client.upload("/upload", b"x" * 100_000)) == DIGEST

    # without a front nothing that a client says about itself counts
    with flask_hello.gunicorn("hello:app", FORWARDED_ALLOW_IPS="") as port:
        seen = {"client": "127.0.0.1", "scheme": "http", "host": f"127.0.0.1:{port}"}
        assert json.loads(Browser(port, **forged).get("/whoami")) == seen


def test_fastapi_hello_serves(fastapi_hello: Example) -> None:
    with fastapi_hello.gunicorn("hello:app", "--worker-class", "asgi") as port:
        client = Browser(port, Host="hello.example")
        assert "<title>Hello from FastAPI</title>" in client.get("/")
        assert "font-family" in client.get("/static/style.css")
        assert "WebSocket" in client.get("/static/hello.js")
        assert client.get("/healthz") == "ok"
        assert json.loads(client.get("/whoami"))["host"] == "hello.example"
        assert json.loads(client.upload("/upload", b"x" * 100_000)) == DIGEST
        assert client.get("/events").count("data: ") == 10


def test_django_chat_passes_its_own_tests_and_checks(django_chat: Example, tmp_path: Path) -> None:
    data = {"DATA_DIR": str(tmp_path)}
    out = django_chat.manage("test", DJANGO_DEBUG="1", **data)
    assert re.search(r"Ran [1-9]\d* tests", out), out
    django_chat.manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION, **data)
    assert "static files copied" in django_chat.manage("collectstatic", "--no-input", **data)


def test_django_polls_passes_its_own_tests(django_polls: Example, tmp_path: Path) -> None:
    out = django_polls.manage("test", DJANGO_DEBUG="1", DATA_DIR=str(tmp_path))
    assert re.search(r"Ran [1-9]\d* tests", out), out
    django_polls.manage("makemigrations", "--check", DATA_DIR=str(tmp_path))


def test_a_database_says_itself_whether_migrations_are_due(django_polls: Example, tmp_path: Path) -> None:
    database = tmp_path / "db.sqlite3"

    def chore(*arguments: str) -> int:
        argv = [str(django_polls.bin / "python"), str(CHORES), "manage.py", "migrate", *arguments]
        given = {
            **os.environ,
            **PRODUCTION,
            "DATA_DIR": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": "polls_site.settings",
        }
        return subprocess.run(
            argv, cwd=django_polls.folder, env=given, capture_output=True, check=False
        ).returncode

    assert chore("--check") == 1
    assert not database.exists(), "a question makes no database"
    assert (chore("--noinput"), chore("--check")) == (0, 0)
    database.write_bytes(b"")
    assert chore("--check") == 1, "lost, and made again by a request"
    database.unlink()
    database.mkdir()
    assert chore("--check") == 3, "it can't be told"


def test_migrations_may_be_anywhere_and_fronts_settle_findings(django_polls: Example, tmp_path: Path) -> None:
    shutil.copytree(django_polls.folder / "polls/migrations", tmp_path / "schema")
    settings = 'from polls_site.settings import *\nMIGRATION_MODULES = {"polls": "schema"}\nSECURE_HSTS_SECONDS = 0\n'
    (tmp_path / "moved.py").write_text(settings)
    given = {**os.environ, **PRODUCTION, "DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "moved"}

    def chore(*arguments: str, **more: str) -> int:
        argv = [str(django_polls.bin / "python"), str(CHORES), "manage.py", *arguments]
        environment = {**given, "PYTHONPATH": str(tmp_path), **more}
        done = subprocess.run(
            argv, cwd=django_polls.folder, env=environment, capture_output=True, check=False
        )
        return done.returncode

    assert (chore("migrate", "--noinput"), chore("migrate", "--check")) == (0, 0)
    later = "from django.db import migrations\nclass Migration(migrations.Migration):\n"
    (tmp_path / "schema/0003_later.py").write_text(
        later + "    dependencies = [('polls', '0002_sample_question')]\n"
    )
    assert chore("migrate", "--check") == 1

    strict = ("check", "--deploy", "--fail-level", "WARNING")
    for seconds in (0, 60):
        own = f"{settings}SECURE_HSTS_SECONDS = {seconds}\nSILENCED_SYSTEM_CHECKS = []\n"
        (tmp_path / "moved.py").write_text(own)
        assert chore(*strict) != 0, "the header of HSTS is the front's"
        assert chore(*strict, PROV_COVERED=" ".join(chores.COVERED)) == 0


@pytest.mark.parametrize(
    ("settings", "command", "said"),
    [
        # where not even root can write
        (
            "STATIC_ROOT = '/sys/static'\n",
            "collectstatic",
            "collectstatic could not write to STATIC_ROOT, /sys/static",
        ),
        (
            "DATABASES['default']['NAME'] = BASE_DIR / 'none/db.sqlite3'\n",
            "migrate",
            "the SQLite database is in a folder that the application cannot write to",
        ),
    ],
)
def test_what_a_project_writes_into_its_release_is_told(
    django_polls: Example, tmp_path: Path, settings: str, command: str, said: str
) -> None:
    (tmp_path / "inside.py").write_text(f"from polls_site.settings import *\n{settings}")
    given = {**os.environ, **PRODUCTION, "DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "inside"}
    argv = [str(django_polls.bin / "python"), str(CHORES), "manage.py", command, "--noinput"]
    environment = {**given, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        argv, cwd=django_polls.folder, env=environment, capture_output=True, text=True, check=False
    )
    # reports begin with the last line
    assert done.stderr.splitlines()[-1] == said
    assert "in the inventory" in done.stderr or "PROV_DATA_DIR" in done.stderr


def test_django_polls_deploys_and_serves(django_polls: Example, tmp_path: Path) -> None:
    django_polls.env = {**PRODUCTION, "DATA_DIR": str(tmp_path)}
    manage = django_polls.manage

    manage("check", "--deploy", "--fail-level", "WARNING")
    key = tmp_path / "secret_key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["secret_key"]

    manage("migrate", "--no-input")
    manage("migrate", "--check")
    manage("collectstatic", "--no-input")
    collected = contents(django_polls.folder / "static")
    assert "0 static files copied" in manage("collectstatic", "--no-input")
    assert contents(django_polls.folder / "static") == collected
    manage("test")
    manage("createsuperuser", "--no-input", "--username=admin", "--email=", DJANGO_SUPERUSER_PASSWORD="pass")

    with django_polls.gunicorn("polls_site.wsgi") as port:
        client = Browser(
            port, Host="polls.example", Origin="https://polls.example", X_Forwarded_Proto="https"
        )
        page = client.get("/")
        assert "<title>Polls</title>" in page
        style = re.search(r'href="/static/(polls/style\.\w+\.css)"', page)
        assert style and (django_polls.folder / "static" / style[1]).is_file()

        assert client.request("POST", "/1/vote/")[0].status == 403  # no CSRF token
        assert client.submit("/1/", "/1/vote/", choice="2") == "/1/results/"
        assert "The sky: 1 vote<" in client.get("/1/results/")

        assert json.loads(client.get("/whoami"))["scheme"] == "https"
        assert json.loads(client.upload("/upload", b"x" * 100_000)) == DIGEST

        login = "/admin/login/?next=/admin/"
        assert client.submit(login, login, username="admin", password="pass") == "/admin/"
        assert "What&#x27;s new?" in client.get("/admin/polls/question/")
        assert client.cookies["sessionid"]["secure"]

        # straight to the server's socket, not through the front: no https
        plain = Browser(port, Host="polls.example")
        assert plain.get("/healthz") == "ok"
        redirect, _ = plain.request("GET", "/")
        assert (redirect.status, redirect.headers["Location"]) == (301, "https://polls.example/")
        assert Browser(port, Host="evil.example").request("GET", "/healthz")[0].status == 400
    assert key.read_text() and stat.S_IMODE(key.stat().st_mode) == 0o600
