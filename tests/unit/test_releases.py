"""Releases: which files belong to one, and what it is called."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from inventories import host, inventory, project

from provision.apps.app_releases import Release
from provision.apps.application import Application
from provision.apps.reading import apps_of
from provision.errors import ConfigError, ConfigErrors, ProvError
from provision.role import Params
from provision.roles.project import resolve
from provision.run.work import run_roles
from provision.secrets import Secret
from provision.sources.local_folder import source_entries
from provision.sources.manifests import Manifests
from provision.steps.tree import Entry
from roles.app import AppRole


def repository(folder: Path, files: dict[str, str]) -> Path:
    """A folder with files that is a git repository."""
    project(folder, files)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def walk(folder: Path) -> list[Entry]:
    return source_entries(folder, 1 << 30)


def paths(folder: Path) -> list[str]:
    return [path for path, *_ in walk(folder)]


FILES = dict.fromkeys(
    ["app.py", "build/out", "docs/build/x", "a.log", "keep.log", "deep/a.log", "deep/er/b.log", "deep/er/keep.log",
     "tmp/x", "other/tmp/x", "secret.env", "sub/secret.env", "sub/more/x.pyc", "sub/local", "local", "space name"],
    "x",
)  # fmt: skip


@pytest.mark.parametrize(
    "ignore",
    [
        {".gitignore": "*.log\n"},
        {".gitignore": "*.log\n!keep.log\n"},
        {".gitignore": "/build\n"},
        {".gitignore": "build/\n"},
        {".gitignore": "/tmp/\n*.env\n!/secret.env\n"},
        {".gitignore": "deep/**/b.log\n"},
        {".gitignore": "**/er\n"},
        {".gitignore": "*.log\n", "deep/.gitignore": "!*.log\n"},
        {".gitignore": "!a.log\n", "deep/.gitignore": "*.log\n"},
        {".gitignore": "deep/\n", "deep/.gitignore": "!a.log\n"},
        {"sub/.gitignore": "/local\nmore/\n"},
        {".gitignore": "*\n!*/\n!*.py\n"},
        {".gitignore": "# a comment\n\n\\#file\n  \nspace\\ name\n"},
        {},
    ],
)
def test_what_git_ignores_is_no_part_of_a_release(tmp_path: Path, ignore: dict[str, str]) -> None:
    """The judge is git itself."""
    folder = repository(tmp_path / "app", {**FILES, **ignore})
    assert paths(folder) == [p for p in as_git_sees_it(folder) if not p.startswith(".git/")]


def as_git_sees_it(folder: Path) -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return sorted(filter(None, done.stdout.split("\0")), key=lambda p: folder / p)


def test_rules_of_folders_above_count_up_to_the_repository(tmp_path: Path) -> None:
    project(tmp_path, {".gitignore": "*.py\n"})
    folder = repository(
        tmp_path / "repo", {".gitignore": "*.log\n", "apps/shop/app.py": "", "apps/shop/a.log": ""}
    )
    assert paths(folder / "apps/shop") == ["app.py"]


def test_outside_of_a_repository_only_its_own_rules_count(tmp_path: Path) -> None:
    project(
        tmp_path, {".gitignore": "*.py\n", "shop/.gitignore": "*.log\n", "shop/app.py": "", "shop/a.log": ""}
    )
    assert paths(tmp_path / "shop") == [".gitignore", "app.py"]


def test_some_things_never_belong_to_one(tmp_path: Path) -> None:
    folder = project(
        tmp_path, {"app.py": "", ".git/x": "", "a/__pycache__/x.pyc": "", ".prov/x": "", ".hg/x": ""}
    )
    assert paths(folder) == ["app.py"]


def test_links_modes_and_what_is_neither_file_nor_link(tmp_path: Path) -> None:
    folder = project(tmp_path / "app", {"run": "x", "conf": "x", "dir/x": ""})
    (folder / "run").chmod(0o700)
    (folder / "conf").chmod(0o600)
    (folder / "link").symlink_to("conf")
    (folder / "to-dir").symlink_to("dir")
    (folder / "broken").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    found = {path: (mode, target) for path, mode, _, target in walk(folder)}
    assert found == {
        "broken": (0o777, "nowhere"),
        "conf": (0o644, ""),
        "dir/x": (0o644, ""),
        "link": (0o777, "conf"),
        "run": (0o755, ""),
        "to-dir": (0o777, "dir"),
    }


# -- names


def app(folder: Path, target: str = "shop:app", **settings: Any) -> Application:
    lines = "".join(f"    {name}: {value}\n" for name, value in settings.items())
    text = f"apps:\n  shop:\n    source: {folder}\n    target: {target}\n    domains: [shop.test]\n{lines}"
    where = folder.parent / f"inventory-{len(list(folder.parent.iterdir()))}"
    return apps_of(host(where, text), Manifests())[0]


def release(folder: Path, **settings: Any) -> Release:
    return app(folder, **settings).release


@pytest.fixture
def source(tmp_path: Path) -> Path:
    files = {
        "shop.py": "app = 1\n",
        "requirements.txt": "flask\n",
        "a/migrations/0001.py": "x\n",
        "link-me": "",
    }
    return project(tmp_path / "shop", files)


def test_the_same_source_has_the_same_name(source: Path) -> None:
    first = release(source)
    os.utime(source / "shop.py", (1, 1))
    (source / "shop.py").chmod(0o600)
    assert release(source).id == first.id
    assert len(first.id) == 12
    assert first.path == f"/srv/shop/releases/{first.id}"


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "shop.py").write_text("app = 2\n"),
        lambda folder: (folder / "shop.py").chmod(0o755),
        lambda folder: (folder / "shop.py").rename(folder / "shop2.py"),
        lambda folder: (folder / "new").write_text(""),
        lambda folder: (folder / "link-me").unlink() or (folder / "link-me").symlink_to("shop.py"),
    ],
)
def test_another_source_has_another_name(source: Path, change: Any) -> None:
    before = release(source).id
    change(source)
    assert release(source).id != before


def test_settings_shape_the_name_but_secrets_do_not(source: Path) -> None:
    plain = release(source).id
    assert release(source, environment="{MODE: fast}").id != plain
    assert (
        release(source, environment="{DB_PASSWORD: one}").id
        == release(source, environment="{DB_PASSWORD: two}").id
    )


def test_credentials_are_no_part_of_the_environment(source: Path) -> None:
    settings: dict[str, Any] = {"environment": {"DB_PASSWORD": "a"}, "secrets": {"KEY": "b"}}
    plain, credentials = release(source, **settings), release(source, **settings, secrets_as="credentials")
    assert plain.environment["KEY"] == credentials.credentials["KEY"] == Secret("b")
    assert plain.credentials == {} and "KEY" not in credentials.environment
    assert credentials.environment["DB_PASSWORD"] == Secret("a")


def test_releases_with_the_same_requirements_share_an_environment(source: Path) -> None:
    first = release(source)
    (source / "shop.py").write_text("app = 2\n")
    second = release(source)
    assert first.venv == second.venv
    (source / "requirements.txt").write_text("django\n")
    assert release(source).venv != first.venv


def test_another_python_is_another_release_with_an_environment_of_its_own(source: Path) -> None:
    first, second = release(source), release(source, python="/usr/local/bin/python3.14")
    assert (first.id == second.id, first.venv == second.venv) == (False, False)


def test_migrations_have_a_state_of_their_own(source: Path) -> None:
    first = release(source).migrations
    (source / "shop.py").write_text("app = 2\n")
    assert release(source).migrations == first
    (source / "a/migrations/0002.py").write_text("y\n")
    assert release(source).migrations != first


def test_requirements_that_are_missing_or_ignored(source: Path) -> None:
    (source / ".gitignore").write_text("requirements.txt\n")
    with pytest.raises(ProvError, match="is not in the source") as raised:
        release(source)
    assert "gitignore" in raised.value.hint
    assert raised.value.where == str(source)


def test_static_files_that_are_ignored_or_misspelt(source: Path) -> None:
    for prefix, path in (("/static/", "dist"), ("/static/", "dits"), ("/favicon.ico", "dist/icon.ico")):
        (source / "dist").mkdir(exist_ok=True)
        (source / "dist/main.js").write_text("")
        (source / ".gitignore").write_text("dist/\n")
        with pytest.raises(ProvError, match=f"{path}, which {prefix} of shop is to show, ") as raised:
            release(source, static=f"{{{prefix}: {path}}}")
        assert "Is it ignored by .gitignore?" in raised.value.message
    (source / ".gitignore").unlink()
    assert release(source, static="{/static/: dist}")


def test_packages_may_be_listed_above_the_application(source: Path) -> None:
    (source / "src").mkdir()
    (source / "src/shop.py").write_text("app = 1\n")
    found = release(source, subdirectory="src", requirements="../requirements.txt")
    assert found.venv == release(source, subdirectory="src").venv, "the nearest above is found, too"
    (source / "requirements.txt").write_text("bottle\n")
    assert release(source, subdirectory="src", requirements="../requirements.txt").venv != found.venv


def test_a_module_in_src_that_nothing_imports_from(source: Path) -> None:
    (source / "src/store").mkdir(parents=True)
    (source / "src/store/web.py").write_text("")
    web = "store.web:app"
    with pytest.raises(ProvError, match="the module 'store' is in src") as caught:
        release(source, target=web)
    assert "pythonpath: [src]" in caught.value.hint
    assert release(source, target=web, pythonpath=["src"])
    assert release(source, target=web, environment={"PYTHONPATH": "src"})
    assert release(source, target="elsewhere.web:app"), "a package may bring it"
    (source / "store.py").write_text("")
    assert release(source, target="store:app")


def test_a_module_beside_manage_py_that_nothing_imports_from(source: Path) -> None:
    (source / "backend/site_").mkdir(parents=True)
    (source / "backend/site_/wsgi.py").write_text("")
    (source / "backend/manage.py").write_text("")
    given = {
        "target": "site_.wsgi:application",
        "django": {"settings": "site_.settings", "manage": "backend/manage.py"},
    }
    with pytest.raises(
        ProvError, match="the module 'site_' is in backend, which modules of shop are not"
    ) as caught:
        release(source, **given)
    assert caught.value.hint == "Set `pythonpath: [backend]`, or `subdirectory: backend`."
    assert release(source, **given, pythonpath=["backend"])


@pytest.mark.trust("1", "source-refused-first")
def test_a_source_that_is_refused_ends_the_run_before_any_role(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    # it asks the host, and changes nothing
    monkeypatch.setattr(
        "provision.run.preflight.changes_allowed",
        lambda host, homes, *needs, certificates: SimpleNamespace(
            stdout='{"past": [], "refused": [], "certificates": [], "memory": ""}'
        ),
    )
    roles = [
        (SimpleNamespace(name=name, backing=None, run=lambda host, p, n=name: ran.append(n)), params)
        for name, params in (("base", Params()), ("app", AppRole()))
    ]
    facts = SimpleNamespace(python="3.11.2")
    host: Any = SimpleNamespace(
        name="web1",
        inventory=SimpleNamespace(error=lambda path, message, hint: ConfigError(message, hint=hint)),
        assignment=SimpleNamespace(roles=roles, served=SimpleNamespace(every=())),
        emit=lambda event: None,
        apps=[app(source)],
        facts=facts,
        started=lambda: SimpleNamespace(role="", wait_for_all=lambda: None, clock_off=0.0, outcomes={}),
        run_later=lambda: None,
        at_end=[],
        begun=[],
        planning=True,
        dry_build=False,
    )
    run_roles(host)
    assert ran == ["base", "app"]
    (source / "static").symlink_to("/etc")
    host.apps = [app(source)]
    with pytest.raises(ConfigErrors, match="leads outside"):
        run_roles(host)
    assert ran == ["base", "app"]


def test_a_source_is_read_once_and_a_copy_with_other_settings_has_its_own_release(source: Path) -> None:
    read: list[Path | str] = []

    class Counted(Manifests):
        def of(self, source: Path | str, ref: str | None, max_size: int) -> list[Entry]:
            read.append(source)
            return super().of(source, ref, max_size)

    shop = app(source).read_by(Counted())
    assert read == [], "it is read when a release is asked for"
    assert shop.release is shop.release
    assert read == [source]
    assert shop.model_copy().release.id == shop.release.id
    other = shop.model_copy(update={"environment": {"A": "b"}})
    assert other.release.id != shop.release.id
    assert other.release.app is other


def test_hosts_share_what_was_read(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walks: list[Path] = []

    def noted(folder: Path, max_size: int, **options: Any) -> list[Entry]:
        walks.append(folder)
        return source_entries(folder, max_size, **options)

    monkeypatch.setattr("provision.sources.local_folder.source_entries", noted)
    text = f"apps:\n  shop:\n    source: {source}\n    target: shop:app\n    domains: [shop.test]\n"
    text = (
        "all:\n  vars:\n" + "".join(f"    {line}\n" for line in text.splitlines()) + "  hosts: {a: , b: }\n"
    )
    a, b = resolve(inventory(source.parent / "inv", text).select("all"), project=source.parent)
    assert a.served.apps[0].release.id == b.served.apps[0].release.id
    assert walks == [source]


def test_a_template_takes_the_place_of_a_file_of_the_source(source: Path) -> None:
    """Two steps that write one path would each find it changed, in every run."""
    (source / "conf").mkdir()
    (source / "conf/shop.ini").write_text("the source's own")
    template = source.parent / "shop.ini.j2"
    template.write_text("")
    made = app(source).model_copy(update={"files": {"conf/shop.ini": template}})
    assert "conf/shop.ini" in [path for path, *_ in app(source).release.entries]
    assert "conf/shop.ini" not in [path for path, *_ in made.release.entries]


def test_a_server_that_requirements_with_hashes_do_not_list(tmp_path: Path) -> None:
    listed = f"uwsgi==2.0.31 --hash=sha256:{'a' * 64}\n"
    project(tmp_path / "src", {"requirements.txt": listed})
    with pytest.raises(ProvError, match="have hashes but do not list gunicorn") as raised:
        assert release(tmp_path / "src").packages
    assert str(raised.value.hint).endswith("with its hash, or choose what they list: server: uwsgi.")


def test_a_server_that_a_lock_file_does_not_list(tmp_path: Path) -> None:
    """A lock always has hashes: this project has not asked to refuse packages without one."""
    locked = 'lock-version = "1.0"\n[[packages]]\nname = "flask"\nversion = "3.1.0"\n'
    locked += 'wheels = [{ url = "https://x.test/flask.whl", hashes = { sha256 = "bb" } }]\n'
    project(tmp_path / "src", {"pylock.toml": locked})
    (tmp_path / "src/requirements.txt").unlink(missing_ok=True)
    assert "--hash=" in release(tmp_path / "src").requirements
    (package,) = release(tmp_path / "src").packages
    assert package.startswith("gunicorn")


def test_the_folder_of_a_release_in_a_variable(source: Path) -> None:
    """As for a settings file that `files` puts there, and that an application wants an absolute path of."""
    made = release(source, environment={"SHOP_SETTINGS": "{release}/shop.cfg", "PYTHONPATH": "{release}/lib"})
    assert made.environment["SHOP_SETTINGS"] == f"{made.path}/shop.cfg"
    assert f"{made.path}/lib" in made.search_path(made.path)
    (source / "shop.py").write_text("app = 2\n")
    later = release(source, environment=made.app.environment)
    assert later.environment["SHOP_SETTINGS"] == f"{later.path}/shop.cfg" != made.environment["SHOP_SETTINGS"]
    assert later.migrations == made.migrations, "another release alone needs no migration"
