"""prov init in an application's folder: what it finds by reading, what it writes, and what it has not understood."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from inventories import project

from provision.apps import django_asking
from provision.apps.django_reading import ROOT
from provision.cli.main import cli
from provision.errors import ConfigError, UsageError
from provision.inventory import load
from provision.roles.project import resolve

MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_.settings.dev")\nimport django\n'
WSGI = "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"
BASE = """
    import os
    from pathlib import Path
    BASE_DIR = Path(__file__).resolve().parent.parent.parent
    STATIC_URL = "assets/"
    STATIC_ROOT = os.path.join(BASE_DIR, "out", "static")
    MEDIA_URL = "/uploads/"
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
"""
DJANGO = {
    "backend/manage.py": MANAGE,
    "backend/site_/__init__.py": "",
    "backend/site_/wsgi.py": WSGI,
    "backend/site_/settings/__init__.py": "",
    "backend/site_/settings/base.py": BASE,
    "backend/site_/settings/dev.py": "from .base import *\nSTATIC_ROOT = '/tmp/dev'\n",
    "backend/site_/settings/production.py": 'from .base import *\nMEDIA_ROOT = BASE_DIR / "media"\n',
    "backend/site_/urls.py": 'urlpatterns = [path("healthz/", ok)]\n',
    "backend/tests/test_urls.py": 'get("/health/of/tests")\n',
    "requirements.txt": "django\n",
}


def init(folder: Path, files: dict[str, str], *options: str) -> tuple[dict[str, Any], list[str]]:
    """The entry that is written for an application's files, and what was not understood. It resolves."""
    project(folder, files)
    result = CliRunner().invoke(
        cli, ["init", str(folder), "--json", *options], catch_exceptions=False, standalone_mode=False
    )
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["event"] for event in events if event["event"] != "unclear"] == ["file", "summary"]
    path = folder / "inventory/hosts.yml"
    settings = [line for line in path.read_text().splitlines() if re.match(" {8}\\w", line)]
    assert [line for line in settings if " # " not in line] == [], "each has a comment"
    (host,) = load([path], cwd=folder).select("all")
    (assignment,) = resolve([host])
    (app,) = assignment.served.apps
    found: dict[str, Any] = yaml.safe_load(path.read_text())["all"]["vars"]["apps"][app.name]
    return found, [event["text"] for event in events if event["event"] == "unclear"]


def test_a_django_project_below_its_requirements(tmp_path: Path) -> None:
    found, unclear = init(tmp_path / "My Shop", DJANGO, "--domain", "shop.example.com")
    assert found == {
        "source": "..",
        "subdirectory": "backend",
        "target": "site_.wsgi:application",
        "domains": ["shop.example.com"],
        "django": {"settings": "site_.settings.production"},
        "static": {"/assets/": "out/static"},
        "media": {"/uploads/": "release/media"},
        "writable": ["media"],
        "health": "/healthz/",
    }
    assert unclear == []


def test_the_inventory_is_no_part_of_a_release(tmp_path: Path) -> None:
    init(tmp_path / "shop", {**DJANGO, "backend/inventory/models.py": ""})
    (tmp_path / "shop/inventory/host_vars").mkdir()
    (tmp_path / "shop/inventory/host_vars/web1.yml").write_text("x: secret\n")
    (assignment,) = resolve(load([tmp_path / "shop/inventory"], cwd=tmp_path).select("all"))
    paths = {entry[0] for entry in assignment.served.apps[0].release.entries}
    assert "backend/inventory/models.py" in paths, "an application's own folder of that name"
    assert [path for path in paths if path.startswith("inventory")] == []


@pytest.mark.parametrize(
    ("files", "target", "interface"),
    [
        ({"shop.py": "import flask\nweb = flask.Flask(__name__)\n"}, "shop:web", "wsgi"),
        ({"shop/__init__.py": "def create_app(config=None):\n    pass\n"}, "shop:create_app()", "wsgi"),
        (
            {"shop/__init__.py": "def create_app(config):\n    pass\n", "wsgi.py": "from shop import app\n"},
            "wsgi:app",
            "wsgi",
        ),
        ({"src/shop/main.py": "from fastapi import FastAPI\napp = FastAPI()\n"}, "shop.main:app", "asgi"),
        ({"main.py": "from fastapi import FastAPI\ndef create_app(): ...\n"}, "main:create_app()", "asgi"),
        (
            {"app.py": "from flask import Flask\napp = Flask('x')\n", "Procfile": "web: gunicorn -w 2 app:app\n"},
            "app:app",
            "wsgi",
        ),
        ({"x.py": "", "Procfile": "web: uvicorn x.y:api --port $PORT\n"}, "x.y:api", "asgi"),
        ({"x.py": "", "Procfile": "web: gunicorn -k uvicorn.workers.UvicornWorker 'x:make()'\n"}, "x:make()", "asgi"),
        ({"x.py": "", "Procfile": "web: gunicorn shop.wsgi --log-file -\n"}, "shop.wsgi:application", "wsgi"),
    ],
)  # fmt: skip
def test_what_is_served(tmp_path: Path, files: dict[str, str], target: str, interface: str) -> None:
    found, _ = init(tmp_path / "shop", {"requirements.txt": "", **files})
    assert (found["target"], found.get("interface", "wsgi")) == (target, interface)
    assert found.get("pythonpath", []) == (["src"] if "src/shop/main.py" in files else [])


INI = "[uwsgi]\nhttp-socket = :$(PORT)\nmodule = shop.wsgi:web\nmaster = true\nchdir = %d\n"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("gunicorn shop.wsgi --log-file -", ("gunicorn", "shop.wsgi:application", "wsgi")),
        (
            "gunicorn -c gunicorn.conf.py -b unix:shop.sock shop.wsgi",
            ("gunicorn", "shop.wsgi:application", "wsgi"),
        ),
        ("newrelic-admin run-program gunicorn x:app", ("gunicorn", "x:app", "wsgi")),
        ("gunicorn --worker-class=uvicorn.workers.UvicornWorker x:app", ("uvicorn", "x:app", "asgi")),
        ("python -m gunicorn -k uvicorn_worker.UvicornWorker x:app", ("uvicorn", "x:app", "asgi")),
        ("gunicorn -k asgi x:app", ("gunicorn", "x:app", "asgi")),
        ("uvicorn x.y:api --port $PORT", ("uvicorn", "x.y:api", "asgi")),
        ("daphne x.asgi:application --bind 0.0.0.0 -v2", ("daphne", "x.asgi:application", "asgi")),
        ("hypercorn x:app --bind 0.0.0.0:$PORT", ("hypercorn", "x:app", "asgi")),
        ("hypercorn wsgi:x:app", ("hypercorn", "x:app", "wsgi")),
        ("hypercorn x.y", ("hypercorn", "x.y:app", "asgi")),
        ("granian --interface wsgi x:app", ("granian", "x:app", "wsgi")),
        ("uwsgi --http :$PORT --module x.wsgi", ("uwsgi", "x.wsgi:application", "wsgi")),
        ("uwsgi --http :$PORT --wsgi-file=./x/web.py --callable app", ("uwsgi", "x.web:app", "wsgi")),
        ("uwsgi --ini uwsgi.ini", ("uwsgi", "shop.wsgi:web", "wsgi")),
    ],
)
def test_the_server_of_a_procfile(tmp_path: Path, command: str, expected: tuple[str, str, str]) -> None:
    files = {"requirements.txt": "", "x.py": "", "uwsgi.ini": INI, "Procfile": f"web: {command}\n"}
    found, _ = init(tmp_path / "shop", files)
    assert (found["server"], found["target"], found.get("interface", "wsgi")) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"Procfile": "web: cd back && gunicorn x:app\n"}, {"subdirectory": "back", "target": "x:app"}),
        ({"Procfile": "web: gunicorn --chdir ./back x:app\n"}, {"subdirectory": "back", "target": "x:app"}),
        ({"Procfile": "web: uvicorn --app-dir back x:app\n"}, {"pythonpath": ["back"], "target": "x:app"}),
        ({"Procfile": "web: uvicorn shop:app\n", "src/shop.py": ""}, {"pythonpath": ["src"]}),
        # a Django project's own module wins over one that is not in its folder
        (
            {**DJANGO, "Procfile": "web: gunicorn backend.site_.wsgi\n"},
            {"subdirectory": "backend", "target": "site_.wsgi:application", "server": "gunicorn"},
        ),
        (
            {**DJANGO, "backend/site_/asgi.py": WSGI, "Procfile": "web: daphne site_.asgi:application\n"},
            {"subdirectory": "backend", "target": "site_.asgi:application", "server": "daphne"},
        ),
        (
            {**DJANGO, "backend/site_/asgi.py": WSGI, "Procfile": "web: hypercorn $TARGET\n"},
            {"target": "site_.asgi:application", "interface": "asgi", "server": "hypercorn"},
        ),
    ],
)
def test_the_folder_of_a_procfile(tmp_path: Path, files: dict[str, str], expected: dict[str, Any]) -> None:
    found, _ = init(tmp_path / "shop", {"requirements.txt": "", "back/x.py": "", **files})
    assert {name: found.get(name) for name in expected} == expected
    assert "release" not in found, "cd is not a command for a release"


def test_what_a_web_process_says_and_has_another_place(tmp_path: Path) -> None:
    files = {"app.py": "from flask import Flask\napp = Flask('x')\n", "requirements.txt": ""}
    command = "gunicorn app:app -k gevent --workers=3 --bind :$PORT"
    _, unclear = init(tmp_path / "one", {**files, "Procfile": f"web: {command}\n"})
    assert [text for text in unclear if "Procfile" in text] == [
        "Procfile starts gunicorn with -k gevent --workers 3: an application has `workers` and `timeout`, and"
        " other options are parameters of the role gunicorn"
    ]
    found, unclear = init(tmp_path / "two", {**files, "Procfile": "web: waitress-serve app:app\n"})
    assert (found["target"], found.get("server")) == ("app:app", None)
    assert "the Procfile serves by a command that prov does not know: waitress-serve app:app" in unclear
    _, unclear = init(tmp_path / "three", {**files, "Procfile": "web: daphne -p $PORT $APP\n"})
    assert "daphne, the server in Procfile, does not speak wsgi" in unclear


def test_a_procfile_is_read_as_it_is(tmp_path: Path) -> None:
    procfile = """
        # what runs
        web: flask db upgrade; flask translate compile && gunicorn shop:app
        worker: rq worker shop-tasks
        clock_1: LEVEL=2 python clock.py
        pause: sleep .5 on 😀
        shell: python x.py | tee $HOME/log
        release: python prepare.py "a b"
    """
    found, _ = init(tmp_path / "shop", {"shop.py": "", "requirements.txt": "", "Procfile": procfile})
    assert found["release"] == [
        ["flask", "db", "upgrade"],
        ["flask", "translate", "compile"],
        ["python", "prepare.py", "a b"],
    ]
    assert found["processes"] == {
        "worker": ["rq", "worker", "shop-tasks"],
        "clock-1": ["env", "LEVEL=2", "python", "clock.py"],
        "pause": ["sleep", ".5", "on", "😀"],
        "shell": ["sh", "-c", "python x.py | tee $HOME/log"],
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("worker celery", "'worker celery' is not a line of a Procfile"),
        ("web: gunicorn x:y", "'web' is in the Procfile twice"),
        ('worker: python "x', "is not a command: no closing quotation"),
        ("worker:", "'worker:' is not a line of a Procfile"),
    ],
)
def test_a_line_of_a_procfile_that_is_none(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        init(tmp_path, {"x.py": "", "Procfile": f"web: gunicorn x:y\n\n{line}\n"})
    assert caught.value.where == "Procfile:3"
    assert message in caught.value.message
    assert not (tmp_path / "inventory").exists()


def test_celery_alembic_and_what_compose_says(tmp_path: Path) -> None:
    compose = """
        services:
          web: {build: ., command: gunicorn shop:app}
          jobs: {build: ., command: celery -A shop.tasks worker -c 2}
          odd: {build: ., command: "sh -c 'celery $X'"}
          db: {image: "postgres:16-alpine"}
          redis: {image: redis}
    """
    files = {
        "shop/__init__.py": "import os\nfrom flask import Flask\napp = Flask('x')\nos.environ['DATABASE_URL']\n",
        "requirements.txt": "flask\n",
        "migrations/alembic.ini": "",
        "docker-compose.yml": compose,
    }
    found, unclear = init(tmp_path / "shop", files)
    assert found["processes"] == {"jobs": ["celery", "-A", "shop.tasks", "worker", "-c", "2"]}
    assert found["release"] == [{"command": "flask --app shop:app db upgrade", "once": "group"}]
    assert found["uses"] == {"database": "postgres"}
    assert any("redis" in text and "REDIS_URL" in text for text in unclear)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {
                "backend/pyproject.toml": "[project]\nname = 'shop'\nversion = '1'\n",
                "backend/alembic.ini": "[alembic]\n",
                "backend/app/main.py": "from app.routes import api\nfrom fastapi import FastAPI\napp = FastAPI()\n",
                "backend/app/routes.py": "api = None\n",
            },
            {
                "subdirectory": "backend",
                "target": "app.main:app",
                "release": [{"command": "alembic upgrade head", "once": "group"}],
            },
        ),
        (
            {
                "src/py/shop/asgi.py": "def create_app():\n    from shop.settings import NAME\n    return NAME\n",
                "src/py/shop/settings.py": "from litestar import Litestar\nNAME = ''\n",
            },
            {"pythonpath": ["src/py"], "target": "shop.asgi:create_app()"},
        ),
        (
            {
                "shop/app.py": "from flask import Flask\nfrom .views import it\napp = Flask('x')\n",
                "shop/views.py": "",
            },
            {"target": "shop.app:app"},
        ),
        (
            {
                "web/server/app.py": "import config\nfrom flask import Flask\napp = Flask('x')\n",
                "web/server/config.py": "",
            },
            {"pythonpath": ["web/server"], "target": "app:app"},
        ),
    ],
)
def test_modules_are_imported_from_where_they_import_each_other(
    tmp_path: Path, files: dict[str, str], expected: dict[str, Any]
) -> None:
    found, _ = init(tmp_path / "shop", {"requirements.txt": "", **files})
    names = ("subdirectory", "pythonpath", "target", "release")
    assert {name: found[name] for name in names if name in found} == expected


def test_a_celery_application_without_a_procfile(tmp_path: Path) -> None:
    files = {**DJANGO, "backend/site_/celery.py": "app = Celery('site_')\napp.conf.beat_schedule = {}\n"}
    found, _ = init(tmp_path / "shop", files)
    assert found["processes"]["worker"] == "celery -A site_ worker"
    assert found["processes"]["beat"] == {
        # a release is read-only, and beat writes its schedule into the working directory
        "command": ["celery", "-A", "site_", "beat", "-s", "/var/lib/app-shop/celerybeat-schedule"],
        "on": "one",
    }


def test_redis_of_workers_is_found_by_the_variables_of_celery(tmp_path: Path) -> None:
    production = 'from .base import *\nALLOWED_HOSTS = env.list("SHOP_ALLOWED_HOSTS", default=["shop.com"])\n'
    compose = """
        services:
          worker: {build: ., command: celery -A site_ worker}
          beat: {build: ., command: celery -A site_ beat --schedule=/tmp/x}
          redis: {image: "redis:7"}
    """
    files = {
        **DJANGO,
        "backend/site_/settings/base.py": BASE + "    CELERY_BROKER_URL = env('CELERY_BROKER_URL')\n",
        "backend/site_/settings/production.py": production,
        "docker-compose.yml": compose,
    }
    found, unclear = init(tmp_path / "shop", files, "--domain", "shop.example.com")
    assert found["uses"] == {"queue": "redis"}
    assert found["environment"] == {"SHOP_ALLOWED_HOSTS": "shop.example.com"}
    assert found["processes"]["beat"]["command"][-2:] == ["beat", "--schedule=/tmp/x"]
    assert [text for text in unclear if "variable" in text] == []


def test_variables_that_it_cannot_start_without_are_named(tmp_path: Path) -> None:
    main = """
        import os, sentry
        from decouple import config
        from fastapi import FastAPI
        app = FastAPI()
        app.state.key = os.environ["SIGNING_KEY"]
        os.environ["TZ"] = os.getenv("ZONE", os.environ.get("HOUSE", "UTC"))
        DEBUG, NAME = config("DEBUG", default=False), config("SITE_NAME", cast=str)
        DATABASE = os.environ["DATABASE_URL"]
        BROKER = os.environ["CELERY_BROKER_URL"]
    """
    _, unclear = init(tmp_path / "shop", {"main.py": main, "requirements.txt": "fastapi\n"})
    assert [text for text in unclear if "variable" in text] == [
        "main.py needs the variable SIGNING_KEY: set it in `secrets`",
        "main.py needs the variable SITE_NAME: set it in `environment`",
        "main.py needs the variable DATABASE_URL: list the role postgres, and set `uses: {database: postgres}`",
        "main.py needs the variable CELERY_BROKER_URL: list the role redis, and set `uses: {queue: redis}`",
    ]


def test_variables_of_requests_and_of_what_is_off_are_not_named(tmp_path: Path) -> None:
    """As in ihatemoney, isso, wger, simplelogin and flasky."""
    main = """
        import environ, os
        from flask import Flask
        env = environ.Env(DEBUG_LEVEL=(int, 0))
        def by_prefix(environ, start_response):
            return environ["PATH_INFO"]
        app = Flask(__name__)
        app.level = env("DEBUG_LEVEL")
        if env.bool("ENABLE_EMAIL", False):
            app.mail = env.str("EMAIL_HOST"), os.environ["EMAIL_PASSWORD"]
        if "CACHE" in os.environ:
            app.cache = os.environ["CACHE"]
        elif env.bool("SERVE", default=True):
            app.served = env("SERVED_FROM")
        else:
            app.other = os.environ["OTHERWISE"]
        try:
            app.most = int(os.environ["MOST"])
        except (KeyError, ValueError):
            app.most = 5
        try:
            app.url = os.environ["URL"]
        except KeyError:
            raise SystemExit("set URL")
        class Heroku:
            def init(self):
                self.name = os.environ["SERVER_NAME"]
        def create_app():
            return os.environ["AT_START"]
    """
    _, unclear = init(tmp_path / "shop", {"main.py": main, "requirements.txt": "flask\n"})
    assert [text.split()[4] for text in unclear if "variable" in text] == [
        "SERVED_FROM:",
        "OTHERWISE:",
        "URL:",
        "AT_START:",
    ]


@pytest.mark.parametrize(
    ("files", "target", "interface"),
    [
        # flaskbb: a name of its own in wsgi.py, beside another module that makes one
        (
            {
                "wsgi.py": "from shop import create_app\nshop = create_app(config='shop.cfg')\n",
                "celery_worker.py": "from shop import create_app\napp = create_app()\n",
            },
            "wsgi:shop",
            "wsgi",
        ),
        # fastapi-realworld-example-app: a function of its own name, which says what it returns
        (
            {
                "app/__init__.py": "",
                "app/main.py": "from fastapi import FastAPI\n"
                "def get_application() -> FastAPI:\n    return FastAPI()\napp = get_application()\n",
            },
            "app.main:app",
            "asgi",
        ),
        # Radicale, and without any framework
        (
            {"radicale/__init__.py": "def application(environ, start_response):\n    pass\n"},
            "radicale:application",
            "wsgi",
        ),
        ({"main.py": "async def app(scope, receive, send):\n    pass\n"}, "main:app", "asgi"),
    ],
)
def test_an_application_that_a_function_makes(
    tmp_path: Path, files: dict[str, str], target: str, interface: str
) -> None:
    found, _ = init(tmp_path / "shop", {**files, "requirements.txt": ""})
    assert (found["target"], found.get("interface", "wsgi")) == (target, interface)


@pytest.mark.parametrize(("asks", "installed"), [("'shop'", True), ("__package__", True), ("'flask'", False)])
def test_a_project_that_asks_for_its_own_version_is_installed(
    tmp_path: Path, asks: str, installed: bool
) -> None:
    """As isso, which can't be imported otherwise."""
    files = {
        "pyproject.toml": "[project]\nname = 'shop'\nversion = '1'\n",
        "shop/__init__.py": f"from importlib.metadata import version\n__version__ = version({asks})\n",
        "shop/wsgi.py": "from flask import Flask\napp = Flask('shop')\n",
    }
    found, _ = init(tmp_path / "shop", files)
    assert found.get("install", False) == installed


def test_a_module_for_workers_is_what_celery_is_told(tmp_path: Path) -> None:
    files = {
        "wsgi.py": "from flask import Flask\napp = Flask('shop')\n",
        "shop/extensions.py": "from celery import Celery\ncelery = Celery('shop')\n",
        "celery_worker.py": "from shop.extensions import celery\nfrom wsgi import app\n",
        "requirements.txt": "",
    }
    found, _ = init(tmp_path / "shop", files)
    assert found["processes"] == {"worker": "celery -A celery_worker:celery worker"}


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite:////tmp/shop.db", True),
        ("sqlite:///app.db", True),
        ("sqlite+aiosqlite:///./app.db", True),
        ("sqlite://", False),
        ("sqlite:////var/lib/app-shop/shop.db", False),
    ],
)
def test_a_database_that_does_not_last_is_told(tmp_path: Path, url: str, told: bool) -> None:
    app = f"import os\nfrom flask import Flask\napp = Flask('x')\nDB = os.environ.get('DB') or '{url}'\n"
    _, unclear = init(tmp_path / "shop", {"app.py": app, "requirements.txt": ""})
    assert any(f"app.py keeps data in {url}, which does not last" in text for text in unclear) == told


@pytest.mark.parametrize(
    ("value", "static"),
    [
        # shynet, as the commands of a release run in the folder of manage.py
        ("'compiled/'", {"/static/": "compiled"}),
        ("os.getenv('STATIC', BASE_DIR / 'out')", {"/static/": "out"}),
        # pretalx and pontoon
        (
            "Path(config.get('filesystem', 'static', fallback=BASE_DIR / 'out.dist'))",
            {"/static/": "out.dist"},
        ),
        ("os.environ.get('STATIC', path('web', 'static'))", {"/static/": "web/static"}),
        ("'/var/www/static'", None),
        ("env.str('STATIC', '/home/shop/static')", None),
    ],
)
@pytest.mark.parametrize("package", [False, True])
def test_where_static_files_are_collected(
    tmp_path: Path, value: str, static: dict[str, str] | None, package: bool
) -> None:
    base = """
import os
from os.path import dirname as _dirname
_abspath = os.path.abspath
from pathlib import Path
BASE_DIR = Path(__file__).parent.parent
ROOT = _dirname(_dirname(_abspath(__file__)))
def path(*parts):
    return os.path.join(ROOT, *parts)
"""
    base += f"STATIC_ROOT = {value}\n"
    whole = {
        "site_/settings/__init__.py": "from .base import *\n",
        "site_/settings/base.py": base.replace("Path(__file__)", "Path(__file__).parent")
        .replace("_dirname(_dirname(", "_dirname(_dirname(_dirname(")
        .replace("(__file__)))", "(__file__))))"),
    }
    settings = whole if package else {"site_/settings.py": base}
    files = {
        "manage.py": MANAGE.replace("settings.dev", "settings"),
        "site_/wsgi.py": WSGI,
        **settings,
        "requirements.txt": "",
    }
    found, unclear = init(tmp_path / "shop", files)
    assert found.get("static") == static
    assert static or any(text.startswith("STATIC_ROOT is outside the project") for text in unclear)


def test_a_lock_that_only_its_tool_reads_is_told(tmp_path: Path) -> None:
    files = {
        "app.py": "from quart import Quart\napp = Quart('x')\n",
        "poetry.lock": 'metadata = {lock-version = "1.0"}',
    }
    with pytest.raises(ConfigError, match=r"is of Poetry's format 1.0"):
        init(tmp_path, files)
    project(tmp_path / "other", files)
    result = CliRunner().invoke(cli, ["init", str(tmp_path / "other")], standalone_mode=False)
    assert (
        "left to you: poetry.lock is of Poetry's format 1.0; those that are read are 1.1, 2.0, 2.1. Let Poetry 2 write"
        in result.output
    )


def test_what_is_said_to_be_not_understood(tmp_path: Path) -> None:
    settings = "DATABASES = {'default': {'ENGINE': 'sqlite3', 'NAME': 'db'}}\nSTATIC_ROOT = f()\n"
    files = {
        "manage.py": MANAGE.replace("settings.dev", "settings"),
        "site_/wsgi.py": WSGI,
        "site_/settings.py": settings,
        "pyproject.toml": '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.12"\n',
    }
    _, unclear = init(tmp_path / "shop", files)
    for word in ("STATIC_ROOT", "PROV_DATA_DIR", "health", "debian-13"):
        assert any(word in text for text in unclear), (word, unclear)


def test_a_folder_without_an_application(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="already exists, and holds no application"):
        init(tmp_path, {"notes.txt": "x"})


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    init(tmp_path / "shop", DJANGO)
    with pytest.raises(UsageError, match=r"hosts\.yml already exists"):
        init(tmp_path / "shop", {})


def test_root_runs_no_code_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(
        f'#!/bin/sh\ntouch {tmp_path}/ran\nprintf \'\\n{{"STATIC_ROOT": "{tmp_path}/out", "MEDIA_URL": ""}}\'\n'
    )
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert django_asking.asked(tmp_path, "x", ["STATIC_ROOT"]) == {}
    assert not (tmp_path / "ran").exists()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert django_asking.asked(tmp_path, "x", ["STATIC_ROOT"]) == {"STATIC_ROOT": f"{ROOT}/out"}
