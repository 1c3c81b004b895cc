"""Saved plans: the file, what has changed since, and what a deploy is held to."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import pytest

from provision.agent.secret_masks import Masks
from provision.errors import ConfigError, ConfigErrors, UsageError
from provision.inventory.masking import masked, secrets_of
from provision.saved import plan_file as plans
from provision.saved.differences import check_configuration, check_hosts
from provision.saved.holding import leaves, without_secrets
from provision.saved.plan_file import Asked, PlannedHost, PlannedStep, SavedPlan, Seal
from provision.secrets import Secret
from provision.steps.base import Change

SECRETS = {"web1": ["hunter2", "s3cret"]}
MODE = Change("mode", "0600", "0644")


def step(name: str = "file /etc/motd", state: Any = "changed", **options: Any) -> PlannedStep:
    values = {"diff": (MODE,), "digest": "d"} if state == "changed" else {}
    return PlannedStep(role="base", step=name, state=state, **{"wanted": "w", **values, **options})


def plan(
    *steps: PlannedStep, variables: dict[str, str] | None = None, code: dict[str, str] | None = None
) -> SavedPlan:
    return SavedPlan(
        made=1e9,
        seconds=1.5,
        by="ann@desk",
        asked=Asked(target="web1"),
        code=code or {"roles/base/__init__.py": "1"},
        seal=Seal.of(SECRETS),
        hosts={"web1": PlannedHost(variables=variables or {"motd": '"hi"'}, steps=steps or (step(),))},
    )


# -- the file


def test_a_plan_is_read_as_it_was_saved_by_its_owner_alone(tmp_path: Path) -> None:
    saved = plan(step(), step("service nginx", "ok", why="is running"), step("command ls", "maybe"))
    plans.write(tmp_path / "web1.plan", saved)
    assert plans.read(tmp_path / "web1.plan") == saved
    assert (tmp_path / "web1.plan").stat().st_mode & 0o777 == 0o600
    plans.check_place(tmp_path / "web1.plan")
    text = (tmp_path / "web1.plan").read_text()
    assert not any(secret in text for secret in SECRETS["web1"])


def rewritten(text: str, **head: Any) -> str:
    return json.dumps({**json.loads(text), **head})


DAMAGES: dict[str, Any] = {
    "truncated": (lambda t: t[: len(t) // 2], "is damaged: it is incomplete"),
    "a bit turned": (lambda t: t.replace("0644", "0645"), "is damaged: its checksum"),
    "a body of another kind": (lambda t: rewritten(t, plan=[1], sha256=plans.checksum([1])), "is damaged: "),
    "a part missing": (
        lambda t: rewritten(t, plan={"made": 1}, sha256=plans.checksum({"made": 1})),
        "is damaged: seconds: field required",
    ),
    "newer": (lambda t: rewritten(t, version=2), "was saved by a newer prov (format 2; this one knows 1)"),
    "without a version": (lambda t: rewritten(t, version=None), "is damaged"),
    "empty": (lambda t: "", "is not a saved plan"),
    "YAML": (lambda t: "tests:\n  hosts:\n", "is not a saved plan"),
    "other JSON": (lambda t: '{"format": "terraform"}', "is not a saved plan"),
    "a list": (lambda t: "[]", "is not a saved plan"),
    "deep": (lambda t: "[" * 100_000, "is not a saved plan"),
    "binary": (lambda t: b"\xff\xfe\x00", "is not a saved plan"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_bad_files(tmp_path: Path, damage: Any, message: str) -> None:
    place = tmp_path / "web1.plan"
    plans.write(place, plan())
    bad = damage(place.read_text())
    place.write_bytes(bad if isinstance(bad, bytes) else bad.encode())
    with pytest.raises(UsageError) as caught:
        plans.read(place)
    assert str(caught.value).startswith(f"{place}: {message}")
    assert caught.value.hint


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        plans.read(tmp_path / "none.plan")
    with pytest.raises(UsageError, match="is a directory"):
        plans.read(tmp_path)


def test_places_that_take_no_plan(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("tests:\n")
    for place, message in (
        (tmp_path / "hosts.yml", "already exists and is not a plan file"),
        (tmp_path / "no" / "web1.plan", "there is no folder"),
        (tmp_path, "is not a file"),
    ):
        with pytest.raises(UsageError, match=message):
            plans.check_place(place)


def test_a_disk_that_is_full_leaves_the_old_plan_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "web1.plan"
    plans.write(place, plan())
    before, limits = place.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
    try:
        with pytest.raises(ConfigError, match="could not be saved: file too large"):
            plans.write(place, plan(*[step()] * 50))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert place.read_bytes() == before
    assert list(tmp_path.iterdir()) == [place]


# -- what has changed since


def differences(check: Any, *arguments: Any) -> list[str]:
    try:
        check(*arguments)
    except ConfigErrors as refused:
        assert refused.exit_code == 2
        return [e.message.removeprefix("changed since the plan was saved: ") for e in refused.errors]
    return []


def test_the_inventory_and_the_roles() -> None:
    saved = plan(
        variables={"motd": '"hi"', "port": "80"}, code={"roles/base/__init__.py": "1", "roles/base/x.j2": "1"}
    )
    now = {"roles/base/__init__.py": "2", "roles/base/y.j2": "1"}
    assert not differences(check_configuration, saved, {"web1": saved.hosts["web1"].variables}, saved.code)
    assert differences(
        check_configuration, saved, {"web1": {"motd": '"ho"', "new": "1"}, "web2": {}}, now
    ) == [
        "web2: new in the inventory",
        'web1: motd: planned with "hi", now "ho"',
        "web1: new: planned with nothing, now 1",
        "web1: port: planned with 80, now nothing",
        "edited: roles/base/__init__.py",
        "gone: roles/base/x.j2",
        "new: roles/base/y.j2",
    ]
    assert differences(check_configuration, saved, {}, saved.code) == [
        "web1: TARGET no longer matches this host"
    ]


def test_another_version_of_prov() -> None:
    saved = plan().model_copy(update={"prov": "0.0.1"})
    (text,) = differences(check_configuration, saved, {"web1": saved.hosts["web1"].variables}, saved.code)
    assert text.startswith("the plan was made by prov 0.0.1, and this is ")


def host(*steps: PlannedStep) -> dict[str, PlannedHost]:
    return {"web1": PlannedHost(variables={}, steps=steps)}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ([step()], []),
        ([step(why="another")], []),
        ([step(state="ok")], ["web1: base: file /etc/motd: planned: change mode; now: nothing"]),
        (
            [step(diff=(Change("content", text="+x"),), digest="e")],
            ["web1: base: file /etc/motd: planned: change mode; now: change content"],
        ),
        (
            [step(digest="e")],
            ["web1: base: file /etc/motd: planned: change mode; now: change mode, but otherwise"],
        ),
        ([step(wanted="v")], ["web1: base: file /etc/motd: its arguments have changed"]),
        (
            [step("package vim"), step()],
            ["web1: base: package vim: not in the plan; now: change mode"],
        ),
        ([], ["web1: base: file /etc/motd: planned: change mode; now the step is gone"]),
    ],
)
def test_steps(now: list[PlannedStep], said: list[str]) -> None:
    assert differences(check_hosts, plan(), host(*now), SECRETS) == said


def test_secrets() -> None:
    assert differences(check_hosts, plan(), host(step()), {"web1": ["hunter2", "other"]}) == [
        "a secret has changed"
    ]


def test_many_differences_are_counted() -> None:
    told = differences(check_hosts, plan(), host(*[step(f"file /{n}") for n in range(30)]), SECRETS)
    assert len(told) == 21
    assert told[-1] == "and 11 more differences"


# -- secrets


def test_a_message_without_its_secrets() -> None:
    found: list[str] = []
    fields = {
        "path": "/x",
        "content": {"$source": ["key", "abc", 3, True]},
        "other": {"$source": ["key", "def", 3, False]},
        "environment": {"$dict": [["TOKEN", {"$secret": "hunter2"}]]},
    }
    shown = without_secrets(fields, found)
    assert found == ["abc", "hunter2"]
    assert "hunter2" not in json.dumps(shown)
    assert shown["other"] == fields["other"]


@pytest.mark.trust("6", "plan-file-has-passwords")
def test_digests_of_arguments_are_not_of_known_secrets() -> None:
    """A short one could be guessed by them."""
    for first, second in (
        ("hunter22", "other-word"),
        ({"$source": ["a", "a" * 64, 3, False]}, {"$source": ["b", "b" * 64, 3, False]}),
    ):
        shown = [
            without_secrets({"a": ["x", value]}, [], Masks(["hunter22", "other-word"]))
            for value in (first, second)
        ]
        assert shown[0] == shown[1]
        assert without_secrets({"a": first}, []) != without_secrets({"a": second}, [])


def test_what_is_masked_is_what_is_sealed() -> None:
    value = {
        "db_password": "one",
        "url": "postgres://u:two@h/x",
        "inner": [{"token": Secret("three")}, {"api_keys": ["four"]}],
        "plain": "five",
    }
    assert list(secrets_of(value)) == ["one", "u:two", "three", "four"]
    assert list(secrets_of({"tokens": ["a", "b"]})) == ["a", "b"]
    assert not any(word in json.dumps(masked(value)) for word in ("one", "two", "three"))


def test_variables_by_their_paths() -> None:
    value = {"apps": {"shop": {"domains": ["a", "b"], "env": {}}}, "n": 1, "none": None, "empty": []}
    assert dict(leaves(value, ())) == {
        "apps.shop.domains.0": '"a"',
        "apps.shop.domains.1": '"b"',
        "apps.shop.env": "{}",
        "n": "1",
        "none": "null",
        "empty": "[]",
    }
