"""The variables that an application can't start without, as its files read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.apps.environment_reading import required_variables
from provision.apps.project_files import ProjectFiles


def needed(folder: Path, **texts: str) -> list[str]:
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    names = [f"{name}.py" for name in texts]
    return list(required_variables(ProjectFiles(folder, names), names))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param(
            'if "UNIT_HEIGHT" in os.environ and os.environ["UNIT_HEIGHT"] != "":\n'
            '    HEIGHT = int(os.environ["UNIT_HEIGHT"])\n',
            [],
            id="asked for first",
        ),
        pytest.param(
            'USE_S3 = env.bool("USE_S3", False)\nUSE_CDN = env.bool("USE_CDN", False)\n'
            'if USE_S3 or USE_CDN:\n    KEY = env.str("AWS_KEY")\n',
            [],
            id="behind flags that are off",
        ),
        pytest.param(
            'ON = env.bool("ON", True)\nif ON:\n    KEY = env.str("AWS_KEY")\n',
            ["AWS_KEY"],
            id="behind one that is on",
        ),
        pytest.param(
            'ON = env.bool("ON", False)\nif ON or DEBUG:\n    KEY = env.str("AWS_KEY")\n',
            ["AWS_KEY"],
            id="behind one of two that is known",
        ),
        pytest.param(
            'if os.environ.get("DB_URI"):\n    A = env("DB_URI")\nelse:\n    A = env("DB_NAME")\n',
            ["DB_NAME"],
            id="instead of another",
        ),
        pytest.param(
            'SECRET_KEY = env.str("SECRET_KEY", "")\nif not SECRET_KEY:\n    SECRET_KEY = secrets.token_urlsafe(50)\n',
            [],
            id="a key of its own",
        ),
        pytest.param('SECRET_KEY = env.str("SECRET_KEY", "")\n', ["SECRET_KEY"], id="no key of its own"),
    ],
)
def test_only_what_it_reads_in_any_case_is_needed(tmp_path: Path, text: str, names: list[str]) -> None:
    assert needed(tmp_path, settings=text) == names


def test_settings_classes_may_be_of_other_modules(tmp_path: Path) -> None:
    assert needed(
        tmp_path,
        shop="class ShopSettings(BaseAppSettings):\n    database_url: PostgresDsn\n    debug: bool = False\n",
        base="class BaseAppSettings(BaseSettings):\n    mode: str = 'live'\n",
        other="class Other(BaseModel):\n    name: str\n",
    ) == ["DATABASE_URL"]
