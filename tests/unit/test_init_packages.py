"""prov init: what the packages of an application take, and folders that it writes to beside its code."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_init_application import init

from provision.errors import ConfigError

APP = {"app.py": "from flask import Flask\napp = Flask(__name__)\n"}
BUILD = {"build": ["libpq-dev", "gcc", "python3-dev"]}


@pytest.mark.parametrize(
    ("files", "packages"),
    [
        ({"requirements.txt": "flask\npsycopg2==2.9.9\n"}, BUILD),
        ({"requirements/prod.txt": "flask\nPsycopg2 >= 2 ; python_version > '3'\n"}, BUILD),
        ({"requirements.txt": "psycopg2 ; sys_platform == 'win32'\npsycopg2-binary\n# psycopg2\n"}, None),
        ({"pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["psycopg2"]\n'}, BUILD),
        ({"uv.lock": "", "pyproject.toml": ""}, None),
        ({"requirements.txt": "-r other.txt\n"}, None),
    ],
)
def test_what_has_to_be_built_is_said_before_the_first_deploy(
    tmp_path: Path, files: dict[str, str], packages: object
) -> None:
    found, _ = init(tmp_path / "shop", APP | files)
    assert found.get("packages") == packages


def test_a_pyproject_that_only_has_settings_of_tools_lists_no_packages(tmp_path: Path) -> None:
    tools = {"pyproject.toml": "[tool.black]\nline-length = 100\n"}
    found, unclear = init(tmp_path / "shop", APP | tools | {"requirements/requirements.txt": "flask\n"})
    assert found["requirements"] == "requirements/requirements.txt"
    assert not [each for each in unclear if "pyproject.toml" in each]
    with pytest.raises(ConfigError, match="has no \\[project\\] table with dependencies"):
        init(tmp_path / "other", APP | tools)


@pytest.mark.parametrize(
    ("text", "writable"),
    [
        ("app = Flask(__name__, instance_relative_config=True)", ["instance"]),
        ("app = Flask(__name__)\nos.makedirs(app.instance_path)", ["instance"]),
        ('app = Flask(__name__, instance_path="/var/lib/shop")\nos.makedirs(app.instance_path)', None),
        ("app = Flask(__name__)", None),
    ],
)
def test_the_instance_folder_of_flask_is_kept(tmp_path: Path, text: str, writable: object) -> None:
    files = {"app.py": f"from flask import Flask\n{text}\n", "requirements.txt": "flask\n"}
    found, _ = init(tmp_path / "shop", files)
    assert found.get("writable") == writable


def test_a_database_that_only_a_settings_class_asks_for_is_used(tmp_path: Path) -> None:
    files = {
        "main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
        "conf.py": "class Settings(BaseSettings):\n    database_url: PostgresDsn\n",
        "requirements.txt": "fastapi\n",
        "docker-compose.yml": "services: {db: {image: 'postgres:16'}}\n",
    }
    found, unclear = init(tmp_path / "shop", files)
    assert found["uses"] == {"database": "postgres"}
    assert not [each for each in unclear if "DATABASE_URL" in each]
