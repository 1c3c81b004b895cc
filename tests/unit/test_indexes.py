"""Package indexes with logins: from the inventory or the requirements, and never in their text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from inventories import errors, host
from pydantic import ValidationError

from provision.apps.app_model import App
from provision.apps.indexes import requirements_with
from provision.apps.reading import apps_of
from provision.apps.settings import Index
from provision.errors import ConfigError
from provision.secrets import Secret
from provision.serving.instances import environment_file
from provision.sources.manifests import Manifests
from provision.steps.base import Change
from provision.steps.python import Venv
from provision.steps.support.index_lines import index_changes

WORD = "k3gb@Qz1"
KNOWN: dict[str, str | Secret] = {
    "INDEX_PASSWORD": Secret(WORD),
    "WHOLE": Secret("https://t0ken@h/simple"),
    "HOST": "h",
}


def shown(environment: Any) -> dict[str, str]:
    return {k: v.reveal() if isinstance(v, Secret) else v for k, v in environment.items()}


@pytest.mark.trust("6", "private-index")
@pytest.mark.parametrize(
    ("text", "left", "variables"),
    [
        ("six\n", "six\n", {}),
        ("--extra-index-url https://h/simple\nsix\n", "--extra-index-url https://h/simple\nsix\n", {}),
        ("--extra-index-url https://me:w0rd@h/s\nsix\n", "six\n", {"PIP_EXTRA_INDEX_URL": "https://me:w0rd@h/s"}),
        ("--index-url=https://t@h/s\nsix\n", "six\n", {"PIP_INDEX_URL": "https://t@h/s"}),
        ("-i 'https://t@h/s' --pre  # ours\nsix", "--pre\nsix\n", {"PIP_INDEX_URL": "https://t@h/s"}),
        (
            "--extra-index-url \\\n  https://a:b@h/s\n--extra-index-url https://g/s\nsix\n",
            "six\n",
            {"PIP_EXTRA_INDEX_URL": "https://a:b@h/s https://g/s"},
        ),
        ("-f https://t@h/wheels\nsix\n", "six\n", {"PIP_FIND_LINKS": "https://t@h/wheels"}),
        (
            "--extra-index-url https://build:${INDEX_PASSWORD}@h/s\nsix\n",
            "six\n",
            {"PIP_EXTRA_INDEX_URL": "https://build:k3gb%40Qz1@h/s"},
        ),
        ("--index-url ${WHOLE}\nsix\n", "six\n", {"PIP_INDEX_URL": "https://t0ken@h/simple"}),
        ("--index-url https://${HOST}/s\nsix\n", "six\n", {"PIP_INDEX_URL": "https://h/s"}),
        ("six  # of https://me:w0rd@h/s\n", "six  # of https://me:w0rd@h/s\n", {}),
    ],
)  # fmt: skip
def test_a_login_in_requirements_moves_to_the_installer(
    text: str, left: str, variables: dict[str, str]
) -> None:
    found = requirements_with(text, (), KNOWN, where="r.txt")
    assert (found.text, shown(found.environment)) == (left, variables)
    for name, url in variables.items():
        assert isinstance(found.environment[name], Secret) is ("@" in url)


def test_a_comment_keeps_no_login_either(tmp_path: Path) -> None:
    found = requirements_with("six  # of https://me:w0rd@h/s\n", (), {}, where="r.txt")
    assert "w0rd" not in str(Venv("/srv/x", requirements=found.text)._lines())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("shop @ https://me:w0rd@h/shop.whl", "line 2 has a login in the URL of a package"),
        ("git+https://t0kent0ken@h/shop.git#egg=shop", "line 2 has a login in the URL of a package"),
        ("--index-url https://me:${NONE}@h/s", r"\$\{NONE\} is not set"),
        ("--index-url 'https://me:w0rd@h/s", "is not a valid line of options"),
    ],
)
def test_what_can_not_be_moved_is_refused_with_its_line(line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        requirements_with(f"six\n{line}\n", (), KNOWN, where="r.txt")
    said = str(raised.value) + raised.value.hint
    assert "r.txt: " in said and "w0rd" not in said and "t0ken" not in said


def test_indexes_of_the_inventory() -> None:
    indexes = (
        Index(url="https://h/simple", username="build", password=Secret(WORD)),
        Index(url="https://g/simple", default=True),
        Index(url="https://i/simple", password=Secret("t0ken")),
    )
    found = requirements_with("--extra-index-url https://own/s\nsix\n", indexes, {}, where="r.txt")
    assert found.text == "six\n"
    assert shown(found.environment) == {
        "PIP_INDEX_URL": "https://g/simple",
        "PIP_EXTRA_INDEX_URL": "https://own/s https://build:k3gb%40Qz1@h/simple https://:t0ken@i/simple",
    }
    assert list(index_changes(found.environment)) == [
        Change("index", "", url)
        for url in ("https://g/simple", "https://own/s", "https://h/simple", "https://i/simple")
    ]


@pytest.mark.parametrize("url", ["https://me:w0rd@h/simple", "ftp://h/x", "https://h/a b", "h"])
def test_urls_of_indexes(url: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Index(url=url)
    assert "w0rd" not in str(raised.value)


@pytest.mark.parametrize(
    "venv",
    [
        Venv("/srv/x", requirements="six\n--index-url https://me:w0rd@h/s\n"),
        Venv("/srv/x", packages=["shop @ https://me:w0rd@h/shop.whl"]),
    ],
)
def test_a_step_refuses_logins_in_requirements(venv: Venv) -> None:
    with pytest.raises(ValueError, match="contains a login") as raised:
        venv.validate()
    assert "w0rd" not in str(raised.value) and "PIP_EXTRA_INDEX_URL" in str(raised.value)


APP = """
    apps:
      shop:
        source: .
        target: a:b
        domains: [a.test]
        secrets: {FERNET: k3gb}
        indexes: [{url: "https://h/simple", username: build, password: w0rd}]
    """


def test_an_application_with_both(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("--extra-index-url https://x:${FERNET}@own/s\nsix\n")
    (tmp_path / "base-requirements.txt").write_text("--index-url https://me:w0rd@h/s\n")
    (app,) = apps_of(host(tmp_path, APP), Manifests())
    release = app.release
    assert release.environment["FERNET"] == Secret("k3gb") == app.secrets["FERNET"]
    assert release.requirements == "six\n"
    shipped = {e[0]: e[2].data for e in release.entries if e[2] is not None}
    assert shipped["base-requirements.txt"] == b"--index-url https://h/s\n"
    assert shown(release.installing)["PIP_EXTRA_INDEX_URL"].split() == [
        "https://x:k3gb@own/s",
        "https://build:w0rd@h/simple",
    ]
    changed = app.model_copy(update={"secrets": {"FERNET": Secret("other")}, "indexes": ()})
    assert release.id == changed.release.id, "a secret does not shape names"
    assert isinstance(app, App)


class Taken:
    """Takes steps in place of a host."""

    def __init__(self) -> None:
        self.steps: list[Any] = []

    def submit(self, step: Any) -> None:
        self.steps.append(step)


@pytest.mark.trust("6", "last-secret-of-an-environment")
def test_an_environment_without_secrets_is_one_all_the_same(tmp_path: Path) -> None:
    """Its difference would show the last secret that goes."""
    (tmp_path / "requirements.txt").write_text("")
    kept = [line for line in APP.splitlines() if "secrets" not in line and "indexes" not in line]
    (app,) = apps_of(host(tmp_path, "\n".join(kept)), Manifests())
    taken: Any = Taken()
    environment_file(taken, app.release)
    file = taken.steps[-1]
    assert (file.path, file.mode, file.source.secret) == ("/etc/prov/shop.env", 0o600, True)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("environment: {FERNET: x}", "FERNET is in `environment` as well"),
        ("secrets: {PYTHONPATH: x}", "PYTHONPATH is not a secret"),
        ('secrets: {A: "\\0"}', "the value of A has a NUL in it"),
        ("indexes: [{url: 'https://h', default: true}, {url: 'https://g', default: true}]", "one of them"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, more: str, message: str) -> None:
    name = more.partition(":")[0]
    kept = [line for line in APP.splitlines() if name not in line]
    (said,) = errors(lambda: apps_of(host(tmp_path, "\n".join([*kept, " " * 8 + more])), Manifests()))
    assert message in said
