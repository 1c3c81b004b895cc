"""prov releases, rollback, resume, lock and unlock of a target on Lambda: moto as AWS, and the versions run."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from cli_project import Prov, steps
from helpers.samples import sample
from lambda_account import Functions, client
from test_lambda import APP, CANARY, PARTS, functions, prov, serving, variables, write

from provision.cli.main import cli
from provision.platforms import target_lock

__all__ = ["functions", "prov"]
OLD = "jobs: {old: {command: python clean.py, schedule: daily}}"
RECORD = "/prov-records/prod/releases/shop"


def answer(prov: Prov, *words: str) -> dict[str, Any]:
    status, out, err = prov(*words, "--json")
    assert status == 0, out + err
    found: dict[str, Any] = json.loads(out.splitlines()[0])
    return found


def two_releases(prov: Prov) -> tuple[str, str]:
    """Deploy a release with a job `old`, then one with a command and a job `clean`; return their names."""
    write(app=OLD)
    assert prov("deploy", "prod")[0] == 0
    Path("shop/shop.py").write_text(APP + "# newer\n")
    write(app=PARTS)
    assert prov("deploy", "prod", "--prune")[0] == 0
    new, old = (each["id"] for each in answer(prov, "releases", "prod")["releases"])
    return old, new


def rules() -> list[str]:
    return [each["Name"] for each in client("events").list_rules()["Rules"]]


def address() -> str:
    """The function URL."""
    found = client("lambda").get_function_url_config(FunctionName="prod-shop", Qualifier="live")
    return str(found["FunctionUrl"])


def book() -> dict[str, Any]:
    """The newest record of the application's releases."""
    found = client("ssm").get_parameters_by_path(Path=RECORD, WithDecryption=True)["Parameters"]
    newest = max(
        (each for each in found if "." not in each["Name"]),
        key=lambda each: int(each["Name"].rpartition("/")[2]),
    )
    own, count, first = newest["Value"].split(" ", 2)
    values = {each["Name"]: each["Value"] for each in found}
    rest = [values[f"{newest['Name']}.{own}.{n}"] for n in range(1, int(count))]
    read: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(first + "".join(rest))))
    return read


def put_book(value: Any) -> None:
    """Have the record say something else, as another client does."""
    found = client("ssm").get_parameters_by_path(Path=RECORD)["Parameters"]
    number = max(int(each["Name"].rpartition("/")[2]) for each in found if "." not in each["Name"]) + 1
    packed = base64.b64encode(gzip.compress(json.dumps(value).encode())).decode()
    client("ssm").put_parameter(Name=f"{RECORD}/{number}", Value=f"0 1 {packed}", Type="SecureString")


def test_releases_say_which_is_live_and_which_can_be_gone_back_to(prov: Prov, functions: Functions) -> None:
    assert answer(prov, "releases", "prod")["releases"] == []
    old, new = two_releases(prov)
    functions.changes.clear()
    newer, older = answer(prov, "releases", "prod")["releases"]
    assert functions.changes == []
    assert (newer["id"], newer["live"], newer["why_not"]) == (new, True, "it is in service")
    assert (older["id"], older["can_go_back"]) == (old, True) and "@" in older["who"]
    assert CANARY not in json.dumps(book())
    client("lambda").delete_function(FunctionName="prod-shop", Qualifier="1")
    _, older = answer(prov, "releases", "prod")["releases"]
    assert older["why_not"] == "its version of the function is gone" and not older["can_go_back"]
    status, _, err = prov("rollback", "prod")
    assert status == 1 and "has no earlier release to go back to" in err and "version of the function" in err


def test_a_rollback_has_the_version_before_serve_and_holds_deploys(prov: Prov, functions: Functions) -> None:
    old, _ = two_releases(prov)
    assert serving()["Version"] == "2" and rules() == ["prod-shop-clean"]
    url = address()
    public = [each for each in functions.policy["prod-shop"] if "url" in each["Sid"]]
    status, planned, err = prov("rollback", "prod", "--check", "--json")
    assert status == 3 and serving()["Version"] == "2", planned + err
    functions.changes.clear()
    status, out, err = prov("rollback", "prod", "--json")
    assert (status, steps(out)) == (0, steps(planned)), out + err
    assert steps(out)["alias live of prod-shop"][1][0]["after"] == f"release {old}"
    assert "prov resume prod shop lets them through" in err
    assert serving()["Version"] == "1" and rules() == ["prod-shop-old"]
    assert "lambda:PublishVersion" not in functions.changes
    assert "lambda:UpdateFunctionCode" not in functions.changes
    sids = [each["Sid"] for each in functions.policy["prod-shop"]]
    assert sorted(sids) == ["prov-job-old", "prov-url", "prov-url-invoke"]
    assert [each for each in functions.policy["prod-shop"] if "url" in each["Sid"]] == public
    assert address() == url
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "shop is held: " in out and "prov resume prod shop" in out
    status, out, _ = prov("plan", "prod")
    assert status == 3 and "shop is held: " in out and "a deploy refuses" in out
    assert prov("resume", "prod")[0] == 0
    assert prov("deploy", "prod", "--prune")[0] == 0 and serving()["Version"] == "2"
    assert not answer(prov, "releases", "prod")["hold"]
    assert prov("plan", "prod", "--prune")[0] == 0


def test_a_rollback_again_changes_nothing_and_unknown_releases_are_refused(
    prov: Prov, functions: Functions
) -> None:
    old, new = two_releases(prov)
    assert prov("rollback", "prod", "shop", old, "--no-hold")[0] == 0
    status, _, err = prov("rollback", "prod", "shop", old)
    assert status == 1 and "is in service" in err
    status, _, err = prov("rollback", "prod", "shop", "ffff")
    assert status == 1 and new in err and "is not on" in err
    assert prov("rollback", "prod", "shop", new, "--no-hold")[0] == 0
    assert prov("plan", "prod")[0] == 0


def test_a_version_keeps_the_secrets_that_it_was_deployed_with(prov: Prov, functions: Functions) -> None:
    assert prov("deploy", "prod")[0] == 0
    write(secret="second-c0ffee")
    assert prov("deploy", "prod")[0] == 0 and serving()["Version"] == "2"
    status, out, err = prov("rollback", "prod")
    assert status == 0 and "and others since: SECRET_KEY" in out, out + err
    health = functions.asked[-1][1]
    found = json.loads(functions.invoke("prod-shop", serving()["Version"], health)["Payload"].read())
    assert found["body"].endswith(f" {len(CANARY)}")
    said = out + err + json.dumps(book()) + "".join(map(str, prov("releases", "prod", "--json")))
    assert CANARY not in said and "second-c0ffee" not in said


def test_a_release_whose_secret_is_gone_can_not_be_gone_back_to(prov: Prov, functions: Functions) -> None:
    assert prov("deploy", "prod")[0] == 0
    Path("shop/shop.py").write_text(APP.replace("SECRET_KEY", "OTHER_KEY"))
    file = Path("inventory/hosts.yml")
    file.write_text(file.read_text().replace("secrets: {SECRET_KEY", "secrets: {OTHER_KEY"))
    status, out, err = prov("deploy", "prod", "--prune")
    assert status == 0, out + err
    assert "it needs secrets that are gone: SECRET_KEY" in prov("releases", "prod")[1]
    status, out, err = prov("rollback", "prod")
    assert status == 1 and "SECRET_KEY" in out + err and serving()["Version"] == "2"


def test_a_release_that_is_not_healthy_any_more_does_not_serve(prov: Prov, functions: Functions) -> None:
    app = "start_timeout: 1"
    gone = str(Path("gone").resolve())
    gate = f"import os\nif os.path.exists({gone!r}): os.environ['STATUS'] = '503 Busy'\n"
    Path("shop/shop.py").write_text(APP + gate)
    write(app=app)
    assert prov("deploy", "prod")[0] == 0
    Path("shop/shop.py").write_text(APP)
    assert prov("deploy", "prod")[0] == 0
    Path("gone").touch()
    status, out, _ = prov("rollback", "prod")
    assert status == 1 and "version 1 of prod-shop answered 503" in out, out
    assert "The version in service serves on. prov releases names other releases" in out
    assert serving()["Version"] == "2" and prov("plan", "prod")[0] == 0


def test_a_rollback_onto_a_newer_database_needs_force(prov: Prov, functions: Functions) -> None:
    def migration(name: str) -> None:
        Path("shop/db/migrations").mkdir(parents=True, exist_ok=True)
        Path("shop/db/migrations", name).write_text("")

    migration("0001_initial.py")
    assert prov("deploy", "prod")[0] == 0
    migration("0002_more.py")
    status, out, _ = prov("deploy", "prod", "--json")
    (change,) = steps(out)["migrations of shop"][1]
    assert status == 0 and change["after"] == "db/migrations/0002_more.py"
    status, _, err = prov("rollback", "prod")
    assert status == 1 and "db/migrations/0002_more.py" in err and "--force" in err
    Path("shop/db/migrations/0002_more.py").unlink()
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "migrations that this code does not know: db/migrations/0002_more.py" in out
    assert serving()["Version"] == "2"
    status, out, err = prov("rollback", "prod", "--force")
    assert status == 0 and "its code meets the newer schema" in err and serving()["Version"] == "1", out


def test_migrations_that_have_run_are_noted_though_the_release_does_not_serve(
    prov: Prov, functions: Functions
) -> None:
    assert prov("deploy", "prod")[0] == 0
    Path("shop/db/migrations").mkdir(parents=True)
    Path("shop/db/migrations/0001_initial.py").write_text("")
    Path("shop/shop.py").write_text("raise ValueError('broken at import')\n")
    assert prov("deploy", "prod")[0] == 1 and serving()["Version"] == "1"
    assert book()["schema"] == ["db/migrations/0001_initial.py"]


def test_old_versions_go_and_those_of_others_stay(prov: Prov, functions: Functions) -> None:
    write(app="keep_releases: 2")
    assert prov("deploy", "prod")[0] == 0
    update = client("lambda").update_function_configuration
    update(FunctionName="prod-shop", Environment=variables(MODE="theirs"), Description="theirs")
    client("lambda").publish_version(FunctionName="prod-shop")
    client("lambda").create_alias(FunctionName="prod-shop", Name="audit", FunctionVersion="1")
    for text in ("# two", "# three"):
        Path("shop/new.py").write_text(text)
        assert prov("deploy", "prod")[0] == 0
    client("lambda").delete_alias(FunctionName="prod-shop", Name="audit")
    status, planned, _ = prov("plan", "prod", "--json")
    (change,) = steps(planned)["old versions of prod-shop"][1]
    assert status == 3 and change["what"] == "version 1" and "(version 1)" in change["before"]
    status, out, _ = prov("deploy", "prod", "--json")
    assert (status, steps(out)) == (0, steps(planned))
    every = client("lambda").list_versions_by_function(FunctionName="prod-shop")["Versions"]
    assert [each["Version"] for each in every] == ["$LATEST", "2", "3", "4"]
    assert prov("plan", "prod")[0] == 0


def test_a_record_that_another_client_wrote_reaches_no_other_function(
    prov: Prov, functions: Functions
) -> None:
    old, _ = two_releases(prov)
    found = book()
    (entry,) = [each for each in found["instances"].values() if each["release"] == old]
    about = dict(entry["about"])
    for change, said in (
        ({"function": "other"}, "can't be served again: its version of the function is gone"),
        ({"secrets": {"/prov/prod/other/KEY": 1}}, "it needs secrets that are gone: KEY"),
        ({"health": "x"}, "its record is damaged: "),
    ):
        entry["about"] = {**about, **change}
        put_book(found)
        status, out, err = prov("rollback", "prod", "shop", old)
        assert status == 1 and said in out + err, out + err
    client("ssm").put_parameter(Name="/prov/prod/other/KEY", Value="x", Type="SecureString")
    entry["about"] = {**about, "secrets": {"/prov/prod/other/KEY": 1}}
    put_book(found)
    status, out, _ = prov("rollback", "prod", "shop", old)
    assert status == 1 and "has a function that is not its own" in out
    put_book([])
    assert "damaged" in answer(prov, "releases", "prod")["error"]
    assert prov("rollback", "prod")[0] == 1 and serving()["Version"] == "2"


@pytest.mark.parametrize("left", sample(range(1, 10), 3))
def test_a_rollback_that_is_cut_at_any_change_is_finished_by_the_next(
    prov: Prov, functions: Functions, left: int
) -> None:
    old, _ = two_releases(prov)
    functions.left = left
    first, out, _ = prov("rollback", "prod", "shop", old)
    assert (first, "Cut" in out) in ((1, True), (0, False)), out
    functions.left = None
    if not answer(prov, "releases", "prod")["releases"][1]["live"]:
        assert prov("rollback", "prod", "shop", old)[0] == 0
    assert serving()["Version"] == "1" and rules() == ["prod-shop-old"]
    assert prov("resume", "prod")[0] == 0 and prov("deploy", "prod", "--prune")[0] == 0
    assert serving()["Version"] == "2"
    status, out, _ = prov("plan", "prod", "--prune", "--json")
    assert status == 0 and {state for state, _ in steps(out).values()} == {"ok"}, out


def test_two_operators_are_kept_apart(
    prov: Prov, functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prov("lock", "prod", "the account moves")[0] == 0
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "the account moves" in out and "prov unlock prod" in out
    status, out, _ = prov("plan", "prod")
    assert status == 3 and ": the account moves; a deploy refuses" in out and functions.changes == []
    assert prov("unlock", "prod")[0] == 0
    began, go = threading.Event(), threading.Event()
    real = client("lambda").create_function

    def create_function(**wanted: Any) -> Any:
        began.set()
        assert go.wait(60)
        return real(**wanted)

    results: list[int] = []

    def deploy() -> None:
        results.append(cli.main(["deploy", "prod"], standalone_mode=False) or 0)

    with monkeypatch.context() as patch:
        patch.setattr(client("lambda"), "create_function", create_function)
        other = threading.Thread(target=deploy)
        other.start()
        assert began.wait(60)
        for words in (("deploy", "prod"), ("resume", "prod")):
            status, out, _ = prov(*words)
            assert status == 1 and "another run is at work on prod" in out, out
        go.set()
        other.join(60)
    assert results == [0] and prov("plan", "prod")[0] == 0


def test_a_run_that_has_died_keeps_no_one_away(
    prov: Prov, functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_lock, "WATCHED", 0.0)
    run = {"id": "x", "who": "eve@ci (pid 7)", "since": "2026-01-01T00:00:00Z", "renewed": 0}
    packed = base64.b64encode(gzip.compress(json.dumps({"operator": None, "run": run}).encode())).decode()
    client("ssm").put_parameter(Name="/prov-records/prod/lock/1", Value=f"0 1 {packed}", Type="SecureString")
    status, out, _ = prov("deploy", "prod")
    assert status == 0 and "the run of eve@ci seems to have died" in out


REMOVES = """
from django.db import migrations
class Migration(migrations.Migration):
    operations = [migrations.RemoveField("order", "note")]
"""


def test_a_plan_says_how_requests_go_over_and_what_migrations_do_to_the_release_in_service(
    prov: Prov, functions: Functions
) -> None:
    folder = Path("shop/db/migrations")
    folder.mkdir(parents=True)
    (folder / "0001_initial.py").write_text("")
    said = prov("plan", "prod")[1]
    assert "without a gap" not in said and "Until the switch" not in said
    assert prov("deploy", "prod")[0] == 0
    (folder / "0002_less.py").write_text(REMOVES)
    status, out, _ = prov("plan", "prod")
    said = " ".join(out.split())
    assert status == 3 and "shop: switches without a gap (prod)" in said
    assert "db/migrations/0002_less.py removes " in said
    assert "Until the switch, and after a rollback, code from before it serves shop" in said
    events = [json.loads(line) for line in prov("plan", "prod", "--json")[1].splitlines()]
    (switch,) = [each for each in events if each["event"] == "switch"]
    assert (switch["app"], switch["gaps"]) == ("shop", [])
    assert "without a gap" not in prov("deploy", "prod")[1]
    assert "without a gap" not in prov("plan", "prod")[1]
    assert "shop: switches without a gap" in prov("rollback", "prod", "--check", "--force")[1]
