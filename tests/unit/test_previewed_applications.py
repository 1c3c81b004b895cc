"""Previews: the application that one is, its name and domain, and what can have none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from inventories import project
from test_git_sources import Repository, repository  # noqa: F401 (fixture)

from provision.apps.application import Application
from provision.apps.previewed_apps import PreviewOrder, label_of, preview_of
from provision.cli.main import cli
from provision.cli.prepare import RolePart, Scope, assigned
from provision.errors import ProvError, UsageError
from provision.report.previews_report import PreviewsShown
from provision.secrets import Secret

INVENTORY = """
all:
  hosts:
    web1:
      ansible_connection: lab
      roles: [app, postgres, redis]
      apps:
        shop:
          source: "{url}"
          target: "shop:app"
          domains: [shop.test, www.shop.test]
          redirects: [old.shop.test]
          default: true
          environment: {{MODE: live}}
          secrets: {{KEY: "a secret of the shop"}}
          processes: {{worker: "python worker.py"}}
          uses: {{database: {{postgres: , name: store}}, queue: redis}}
          rate_limit: 10/s
        blog: {{source: src, target: "blog:app", domains: [blog.test]}}
        far: {{source: "{url}", target: "far:app", domains: [far.test], uses: {{database: {{postgres: db1}}}}}}
        a-name-of-two-and-twenty: {{source: "{url}", target: "a:app", domains: [a.test]}}
    db1: {{ansible_connection: lab, ansible_host: 10.0.0.9, roles: [postgres]}}
"""


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Repository) -> dict[str, Application]:  # noqa: F811
    repository.commit(**{"shop.py": "app = 1", "requirements.txt": ""})
    folder = project(
        tmp_path / "project",
        {"inventory/hosts.yml": INVENTORY.format(url=repository.url), "src/requirements.txt": ""},
    )
    (folder / "inventory/src").symlink_to(folder / "src")
    monkeypatch.chdir(folder)
    (one,) = assigned(Scope("web1"), RolePart())
    return {app.name: app for app in one.served.apps}


def of(live: dict[str, Application], app: str = "shop", ref: str = "feature/X", **more: Any) -> Application:
    return preview_of(live[app], PreviewOrder(app, ref, **more))


def test_a_preview_has_all_of_its_own_and_the_settings_of_the_live_one(live: dict[str, Application]) -> None:
    found = of(live, settings={"MODE": "preview", "KEY": "another secret", "API_TOKEN": "abc-def-ghi"})
    assert (found.name, found.user, found.ref) == ("shop-feature-x", "app-shop-feature-x", "feature/X")
    assert (found.domains, found.redirects, found.default) == (("feature-x.shop.test",), (), False)
    assert (found.processes, found.rate_limit) == ({}, None)
    assert found.environment == {"MODE": "preview"}
    assert {name: value.reveal() for name, value in found.secrets.items()} == {
        "KEY": "another secret",
        "API_TOKEN": "abc-def-ghi",
    }
    assert [binding.name for binding in found.bindings] == ["shop-feature-x", "shop-feature-x-queue"]
    assert {binding.app.user for binding in found.bindings} == {"app-shop-feature-x"}
    assert "/shop-feature-x?" in str(found.bindings[0].environment([])["DATABASE_URL"])


def test_the_live_one_is_as_it_was(live: dict[str, Application]) -> None:
    before = json.loads(live["shop"].model_dump_json())
    of(live, settings={"MODE": "preview"})
    assert json.loads(live["shop"].model_dump_json()) == before
    assert [binding.name for binding in live["shop"].bindings] == ["store", "shop-queue"]
    assert live["shop"].secrets["KEY"] == Secret("a secret of the shop")


def test_processes_and_domains_can_be_asked_for(live: dict[str, Application]) -> None:
    found = of(live, domain="preview.example.com", label="pr-7", with_processes=True)
    assert (found.name, found.domains) == ("shop-pr-7", ("preview.example.com",))
    assert list(found.processes) == ["worker"]
    with pytest.raises(UsageError, match="'no domain' can't be a domain: 'no domain' is not a host name"):
        of(live, domain="no domain")


@pytest.mark.parametrize(
    ("ref", "label"),
    [("feature-x", "feature-x"), ("feature/X_1", "feature-x-1"), ("v1.5.0", "v1-5-0"), ("--x--", "x")],
)
def test_a_ref_becomes_a_label(ref: str, label: str) -> None:
    assert label_of("shop", ref) == label


def test_long_refs_are_cut_and_stay_apart() -> None:
    one, two = (label_of("shop", f"a-very-long-name-of-a-branch-{n}") for n in (1, 2))
    assert one != two
    for label in (one, two):
        assert len(f"shop-{label}") <= 28
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", label)
    with pytest.raises(UsageError, match="has no letter or digit"):
        label_of("shop", "///")


@pytest.mark.parametrize(
    ("app", "why"),
    [
        ("blog", "comes from a folder"),
        ("far", "reaches far on db1 by a certificate, not by a socket"),
        ("a-name-of-two-and-twenty", "leaves no room for that of a preview"),
    ],
)
def test_what_can_have_no_preview_says_why(live: dict[str, Application], app: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        of(live, app)


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([], "say what to do"),
        (["--list", "--down", "shop-x"], "say what to do"),
        (["--app", "shop"], "a preview needs --app NAME and --ref REF"),
        (["--app", "shup", "--ref", "main"], "web1 has no application 'shup'"),
        (["--app", "shop", "--ref", "nosuch", "--yes"], "has no 'nosuch'"),
        (
            ["--app", "shop", "--ref", "main", "--domain", "blog.test"],
            "blog.test is that of the application blog",
        ),
        (["--app", "shop", "--ref", "main", "--set", "mode=x"], "'mode' is not the name of a variable"),
        (["--app", "shop", "--ref", "main"], "a preview needs --yes where prov can't ask"),
        (["--app", "shop-main", "--ref", "main"], "web1 has no application 'shop-main'"),
    ],
)
def test_what_is_wrong_is_said_before_any_host_is_asked(options: list[str], why: str) -> None:
    with pytest.raises(ProvError) as raised:
        CliRunner().invoke(cli, ["preview", "web1", *options], catch_exceptions=False)
    assert why in f"{raised.value}"


@pytest.mark.usefixtures("live")
def test_a_preview_is_of_one_host() -> None:
    with pytest.raises(UsageError, match="'all' matches 2 hosts, expected one: web1, db1"):
        CliRunner().invoke(cli, ["preview", "all", "--app", "shop", "--ref", "main"], catch_exceptions=False)


def test_a_list_has_a_row_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    from provision.controller.events import Answered

    one = {
        "name": "shop-x",
        "ref": "x",
        "commit": "c" * 40,
        "url": "https://x.shop.test/",
        "since": "2026-11-28T13:00:00Z",
        "until": "2026-12-05T13:00:00Z",
    }
    report = PreviewsShown()
    report.take(
        Answered("web1", "previews", {"previews": [one, {"name": "odd", "damaged": "can't be read"}]})
    )
    report.take(Answered("web2", "previews", {"previews": []}))
    head, title, row, damaged, none = capsys.readouterr().out.splitlines()
    assert (head, none) == ("web1:", "web2: no previews")
    assert title.split() == ["PREVIEW", "REF", "COMMIT", "ADDRESS", "SINCE", "UNTIL"]
    assert row.split()[:4] == ["shop-x", "x", "c" * 12, "https://x.shop.test/"]
    assert damaged == "  odd: can't be read"
