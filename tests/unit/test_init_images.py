"""prov init: what it finds in Dockerfiles, in the scripts that these start, and in classes of settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_init_application import WSGI, init

from provision.errors import UsageError

#: the module that is served has a name that no one guesses
HIDDEN = {"shop/front_door.py": "import app_of\nweb = app_of.build()\n", "requirements.txt": "flask\n"}
BOOT = """#!/bin/sh
# starts gunicorn commented:out
echo "starting gunicorn nothing:here"
exec gunicorn \\
    --workers "$WORKERS" --timeout 30 \\
    shop.front_door:web
"""


@pytest.mark.parametrize(
    ("files", "said_in"),
    [
        ({"Dockerfile": 'FROM python\nCMD ["gunicorn", "shop.front_door:web", "-t", "30"]\n'}, "Dockerfile"),
        (
            {"Dockerfile": "from python\nENTRYPOINT gunicorn --timeout 30\ncmd  shop.front_door:web\n"},
            "Dockerfile",
        ),
        ({"Containerfile": "FROM a\nCMD gunicorn --timeout 30 \\\n  shop.front_door:web\n"}, "Containerfile"),
        (
            {"Dockerfile": 'ENTRYPOINT ["/sbin/tini", "--", "/srv/boot.sh"]\n', "docker/boot.sh": BOOT},
            "docker/boot.sh",
        ),
        ({"Dockerfile": "CMD /start\n", "start": BOOT}, "start"),
        ({"Procfile": "web: bash boot.sh\n", "boot.sh": BOOT}, "boot.sh"),
    ],
)
def test_what_an_image_starts(tmp_path: Path, files: dict[str, str], said_in: str) -> None:
    found, unclear = init(tmp_path / "shop", HIDDEN | files)
    assert (found["target"], found["server"]) == ("shop.front_door:web", "gunicorn")
    (options,) = [each for each in unclear if "gunicorn" in each]
    assert options.startswith(f"{said_in} starts gunicorn with ") and "30" in options
    assert "WORKERS" not in options, "a value of the shell is not one of the project"


def test_the_last_server_of_a_script_that_is_not_for_development(tmp_path: Path) -> None:
    script = "#!/bin/bash\nif [ $DEBUG ]; then\n exit 3\nelse\n uvicorn shop.front_door:web\nfi\n"
    dev = "uvicorn shop.front_door:other --reload\n"
    found, _ = init(tmp_path / "shop", HIDDEN | {"Dockerfile": "CMD ./run.sh", "run.sh": script + dev})
    assert (found["target"], found["server"]) == ("shop.front_door:web", "uvicorn")


def test_a_module_that_only_the_image_has(tmp_path: Path) -> None:
    app = {"app.py": "from flask import Flask\napp = Flask(__name__)\n", "requirements.txt": "flask\n"}
    found, _ = init(tmp_path / "shop", app | {"Dockerfile": "CMD gunicorn made.elsewhere:app\n"})
    assert found["target"] == "app:app"


def test_the_settings_of_an_image_come_before_those_for_development(tmp_path: Path) -> None:
    files = {
        "manage.py": 'import os, django\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_.settings.local")\n',
        "site_/wsgi.py": WSGI,
        "site_/settings/__init__.py": "",
        "site_/settings/base.py": "",
        "site_/settings/local.py": "",
        "site_/settings/cloud.py": "",
        "requirements.txt": "django\n",
    }
    image = "FROM python\nENV A=1 \\\n  DJANGO_SETTINGS_MODULE=site_.settings.cloud B='c d'\n"
    found, unclear = init(tmp_path / "a", files | {"Dockerfile": image})
    assert found["django"] == {"settings": "site_.settings.cloud"}
    assert not any("production" in each for each in unclear)
    found, unclear = init(
        tmp_path / "b", files | {"Dockerfile": "ENV DJANGO_SETTINGS_MODULE site_.settings.local\n"}
    )
    assert found["django"] == {"settings": "site_.settings.local"}
    (told,) = [each for each in unclear if "production" in each]
    assert "site_.settings.base, site_.settings.cloud:" in told


def test_an_application_that_is_a_function(tmp_path: Path) -> None:
    wsgi = "inner = get_wsgi_application()\ndef application(environ, start_response):\n    return inner(environ)\n"
    files = {
        "manage.py": 'import django\n"DJANGO_SETTINGS_MODULE", "site_.settings"\n',
        "site_/wsgi.py": wsgi,
    }
    found, _ = init(tmp_path / "shop", files | {"site_/settings.py": "", "requirements.txt": "django\n"})
    assert found["target"] == "site_.wsgi:application"


def test_django_without_an_entry_point_is_told_as_that(tmp_path: Path) -> None:
    files = {
        "manage.py": 'import django\n"DJANGO_SETTINGS_MODULE", "site_.settings"\n',
        "site_/settings.py": "",
    }
    with pytest.raises(UsageError, match=r"manage.py is there, and no wsgi.py or asgi.py"):
        init(tmp_path / "shop", files)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("from dash import Dash\nboard = Dash(__name__)\nserver = board.server\n", "app:server"),
        ("app = config().make_wsgi_app()\n", "app:app"),
        ("from things import main\napplication = main()\n", "app:application"),
    ],
)
def test_other_ways_to_make_an_application(tmp_path: Path, text: str, target: str) -> None:
    found, _ = init(tmp_path / "shop", {"app.py": text, "requirements.txt": "things\n"})
    assert found["target"] == target


def test_the_fields_of_settings_classes(tmp_path: Path) -> None:
    text = """
from typing import ClassVar
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

class Common(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SHOP_")
    _hidden: str
    kinds: ClassVar[list[str]]
    api_token: str
    size: int = 3
    name: str = Field(default="x")
    path: str = Field("x")
    folders: list[str] = Field(default_factory=list)

class Mail(Common):
    class Config:
        env_prefix = "MAIL_"
    sender: str | None
    host: str = Field(..., description="the host")
    password: str = Field(validation_alias="SMTP_PASSWORD")

class Form:
    needed: str
"""
    app = "from fastapi import FastAPI\napp = FastAPI()\n"
    _, unclear = init(tmp_path / "shop", {"app.py": app, "conf.py": text, "requirements.txt": "fastapi\n"})
    assert [each for each in unclear if "conf.py" in each] == [
        "conf.py needs the variable SHOP_API_TOKEN: set it in `secrets`",
        "conf.py needs the variable MAIL_SENDER: set it in `environment`",
        "conf.py needs the variable MAIL_HOST: set it in `environment`",
        "conf.py needs the variable SMTP_PASSWORD: set it in `secrets`",
    ]


def test_a_configparser_asks_for_no_variables(tmp_path: Path) -> None:
    read = "import configparser\nconfig = configparser.ConfigParser()\nconfig.items('DEFAULT')\n"
    text = f"{read}from x import main\napplication = main()\n"
    _, unclear = init(tmp_path / "shop", {"app.py": text, "requirements.txt": "x\n"})
    assert not any("DEFAULT" in each for each in unclear)


@pytest.mark.parametrize(
    ("value", "needed"),
    [
        ('os.environ.get("SECRET_KEY")', True),
        ('os.environ.get("SECRET_KEY") or None', True),
        ('os.getenv("SECRET_KEY", "")', True),
        ('env("SECRET_KEY", default="")', True),
        ('os.environ.get("SECRET_KEY", "not so secret")', False),
        ('os.environ.get("SECRET_KEY") or "not so secret"', False),
        ('os.environ.get("SECRET_KEY") or generated()', False),
    ],
)
def test_a_key_that_is_empty_without_its_variable(tmp_path: Path, value: str, needed: bool) -> None:
    app = f"import os\nfrom flask import Flask\napp = Flask(__name__)\nclass Config:\n    SECRET_KEY = {value}\n"
    _, unclear = init(tmp_path / "shop", {"app.py": app, "requirements.txt": "flask\n"})
    assert ("app.py needs the variable SECRET_KEY: set it in `secrets`" in unclear) == needed


def test_sqlite_in_the_release_unless_a_url_is_given(tmp_path: Path) -> None:
    settings = """
import os, dj_database_url
BASE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATABASES = {"default": dj_database_url.config(default="sqlite:///" + BASE_DIR + "/db.sqlite3", env="DATABASE_URL")}
STATIC_ROOT = os.path.join(BASE_DIR, "static")
"""
    files = {
        "manage.py": 'import django\n"DJANGO_SETTINGS_MODULE", "site_.settings"\n',
        "site_/wsgi.py": WSGI,
        "site_/settings.py": settings,
        "requirements.txt": "django\n",
    }
    _, unclear = init(tmp_path / "a", files)
    assert any("without DATABASE_URL, site_/settings.py keeps data in SQLite" in each for each in unclear)
    compose = "services: {db: {image: 'postgres:17'}}"
    found, unclear = init(tmp_path / "b", files | {"docker-compose.yml": compose})
    assert found["uses"] == {"database": "postgres"} and not any("SQLite" in each for each in unclear)


def test_cookies_that_the_check_of_a_release_refuses(tmp_path: Path) -> None:
    settings = """
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
CSRF_COOKIE_SECURE = True
"""
    files = {
        "manage.py": 'import django\n"DJANGO_SETTINGS_MODULE", "site_.settings"\n',
        "site_/wsgi.py": WSGI,
        "site_/settings.py": settings,
        "requirements.txt": "django\n",
    }
    _, unclear = init(tmp_path / "a", files)
    assert any("site_/settings.py does not set SESSION_COOKIE_SECURE, which" in each for each in unclear)
    files["site_/settings.py"] += "SESSION_COOKIE_SECURE = not DEBUG\n"
    _, unclear = init(tmp_path / "b", files)
    assert not any("COOKIE" in each for each in unclear)


def test_one_of_several_applications_and_what_is_only_read_if_it_is_set(tmp_path: Path) -> None:
    text = """
import os
from fastapi import FastAPI
api = FastAPI()
app = FastAPI()
header = os.environ["PROXY_HEADER"] if "PROXY_HEADER" in os.environ else None
"""
    found, unclear = init(tmp_path / "shop", {"main.py": text, "requirements.txt": "fastapi\n"})
    assert found["target"] == "main:app"
    assert not any("PROXY_HEADER" in each for each in unclear)


def test_the_hosts_that_cross_origin_requests_may_come_from_are_not_the_domains(tmp_path: Path) -> None:
    files = {
        "manage.py": 'import django\n"DJANGO_SETTINGS_MODULE", "site_.settings"\n',
        "site_/wsgi.py": WSGI,
        "site_/settings.py": 'a = get("SHOP_CORS_ALLOWED_HOSTS")\nb = get("SHOP_ALLOWED_HOSTS")\n',
        "requirements.txt": "django\n",
    }
    found, _ = init(tmp_path / "shop", files)
    assert found["environment"] == {"SHOP_ALLOWED_HOSTS": "shop.test"}
