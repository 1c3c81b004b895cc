"""prov plan, deploy, status and logs of a target on Lambda: moto as AWS, and the made bundles run."""

from __future__ import annotations

import io
import json
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber
from cli_project import Prov, command_line, steps
from helpers.samples import sample
from inventories import project
from lambda_account import CLIENT, REGION, ROLE, Functions, account, client, trust

from provision.cloud.aws_calls import AwsCalls
from provision.oci import image_packages
from provision.platforms.lambda_ import bundle_zip
from provision.platforms.lambda_.alias_steps import LiveAlias
from provision.platforms.rule_times import rule_time
from provision.secrets import MASK

INSTALL = image_packages.install

CANARY = "canary-5a1d"
INVENTORY = """
    prod:
      hosts:
        prod:
          platform: lambda
          lambda: {region: %s, role: "%s"%s}
          apps:
            shop:
              source: ../shop
              target: shop:app
              domains: [shop.test]
              health: /healthz
              python: "3.%s"
              environment: {MODE: plain}
              secrets: {SECRET_KEY: %s}
              %s
    """
PARTS = """release: [python -c "print('made ready')"]
              jobs: {clean: {command: python clean.py, schedule: daily}}"""
APP = """
import os

def app(environ, start_response):
    status = os.environ.get("STATUS", "200 OK")
    start_response(status, [("Content-Type", "text/plain")])
    print("asked for", environ["PATH_INFO"], "of", environ["HTTP_HOST"])
    return [f"{environ['wsgi.url_scheme']} {environ['REMOTE_ADDR']} {len(os.environ['SECRET_KEY'])}".encode()]
"""


def zipped(files: dict[str, str]) -> bytes:
    """A zip with these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as bundle:
        for name, text in files.items():
            bundle.writestr(name, text)
    return out.getvalue()


EVIL = zipped({"evil.py": "handler = print"})


def write(app: str = PARTS, block: str = "", secret: str = CANARY) -> None:
    python = sys.version_info.minor
    project(Path(), {"inventory/hosts.yml": INVENTORY % (REGION, ROLE, block, python, secret, app)})


@pytest.fixture
def functions(tmp_path: Path) -> Iterator[Functions]:
    with account(tmp_path) as found:
        yield found


@pytest.fixture
def prov(
    tmp_path: Path, functions: Functions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Prov:
    """Runs the command line in a project with an application; gives exit status, stdout and stderr."""
    source = {"shop/shop.py": APP, "shop/clean.py": "print('cleaned')\n", "shop/requirements.txt": ""}
    monkeypatch.chdir(project(tmp_path, source))
    write()
    return command_line(monkeypatch, capsys)


def test_a_plan_says_what_the_deploy_then_does_and_a_second_one_does_nothing(
    prov: Prov, functions: Functions
) -> None:
    status, out, err = prov("plan", "prod", "--json")
    planned = steps(out)
    assert status == 3 and functions.changes == [], out + err
    status, out, err = prov("deploy", "prod", "--json")
    assert status == 0, out + err + "\n".join(functions.lines)
    assert steps(out) == planned
    same = {name for name, (state, _) in planned.items() if state == "ok"}
    assert same == {"deploys of shop are allowed", "migrations of shop", "old versions of prod-shop"}
    functions.changes.clear()
    status, out, _ = prov("deploy", "prod", "--json")
    assert status == 0 and functions.changes == []
    assert {state for state, _ in steps(out).values()} == {"ok"}, out
    assert CANARY not in out


def serving() -> dict[str, Any]:
    """The version that serves."""
    alias = client("lambda").get_alias(FunctionName="prod-shop", Name="live")
    found = client("lambda").get_function(FunctionName="prod-shop", Qualifier=alias["FunctionVersion"])
    return dict(found["Configuration"])


def update(**changes: Any) -> None:
    client("lambda").update_function_configuration(FunctionName="prod-shop", **changes)


def variables(**values: str) -> dict[str, Any]:
    found = client("lambda").get_function_configuration(FunctionName="prod-shop")["Environment"]["Variables"]
    return {"Variables": {**found, **values}}


def rogue_version() -> None:
    update(Environment=variables(MODE="rogue"), Description="")
    version = client("lambda").publish_version(FunctionName="prod-shop")["Version"]
    client("lambda").update_alias(FunctionName="prod-shop", Name="live", FunctionVersion=version)


def forged_version() -> None:
    update(Environment=variables(MODE="forged"))
    version = client("lambda").publish_version(FunctionName="prod-shop")["Version"]
    update(Environment=variables(MODE="plain"))
    client("lambda").update_alias(FunctionName="prod-shop", Name="live", FunctionVersion=version)


#: what another client does
MUTATIONS: dict[str, Callable[[Functions], Any]] = {
    "code": lambda f: client("lambda").update_function_code(FunctionName="prod-shop", ZipFile=EVIL),
    "memory": lambda f: update(MemorySize=128),
    "timeout": lambda f: update(Timeout=3),
    "handler": lambda f: update(Handler="evil.handler"),
    "runtime": lambda f: update(Runtime="python3.14"),
    "description": lambda f: update(Description="mine"),
    "variable": lambda f: update(Environment=variables(MODE="other")),
    "another variable": lambda f: update(Environment=variables(API_TOKEN="theirs-0f1e")),
    "another version": lambda f: rogue_version(),
    "another version that says it is the same": lambda f: forged_version(),
    "weights": lambda f: shifted(),
    "function removed": lambda f: removed_function(f),
    "alias removed": lambda f: client("lambda").delete_alias(FunctionName="prod-shop", Name="live"),
    "url": lambda f: client("lambda").update_function_url_config(
        FunctionName="prod-shop", AuthType="AWS_IAM"
    ),
    "url removed": lambda f: client("lambda").delete_function_url_config(FunctionName="prod-shop"),
    "permission removed": lambda f: f.policy["prod-shop"].pop(),
    "permission changed": lambda f: f.policy["prod-shop"][0].update(Principal={"AWS": "1234"}),
    "concurrency": lambda f: client("lambda").put_function_concurrency(
        FunctionName="prod-shop", ReservedConcurrentExecutions=5
    ),
    "rule stopped": lambda f: client("events").disable_rule(Name="prod-shop-clean"),
    "rule's times": lambda f: client("events").put_rule(
        Name="prod-shop-clean", ScheduleExpression="rate(1 day)"
    ),
    "rule's target": lambda f: client("events").put_targets(
        Rule="prod-shop-clean", Targets=[{"Id": "evil", "Arn": ROLE}]
    ),
    "rule removed": lambda f: removed_rule(),
    "parameter": lambda f: client("ssm").put_parameter(
        Name="/prov/prod/shop/SECRET_KEY", Value="other-77aa", Overwrite=True
    ),
    "parameter removed": lambda f: client("ssm").delete_parameter(Name="/prov/prod/shop/SECRET_KEY"),
    "log group removed": lambda f: client("logs").delete_log_group(logGroupName="/aws/lambda/prod-shop"),
    "logs kept": lambda f: client("logs").put_retention_policy(
        logGroupName="/aws/lambda/prod-shop", retentionInDays=1
    ),
}


def shifted() -> None:
    version = client("lambda").publish_version(FunctionName="prod-shop")["Version"]
    weights = {"AdditionalVersionWeights": {version: 0.5}}
    client("lambda").update_alias(FunctionName="prod-shop", Name="live", RoutingConfig=weights)


def removed_function(functions: Functions) -> None:
    client("lambda").delete_function(FunctionName="prod-shop")
    functions.policy.clear()


def removed_rule() -> None:
    client("events").remove_targets(Rule="prod-shop-clean", Ids=["prov"])
    client("events").delete_rule(Name="prod-shop-clean")


@pytest.mark.parametrize("mutation", sample(list(MUTATIONS), 9))
def test_a_plan_names_what_another_client_changed_and_the_deploy_puts_it_back(
    prov: Prov, functions: Functions, mutation: str
) -> None:
    assert prov("deploy", "prod")[0] == 0
    MUTATIONS[mutation](functions)
    functions.changes.clear()
    status, out, _ = prov("plan", "prod", "--json")
    planned = steps(out)
    assert status == 3 and functions.changes == [] and "theirs-0f1e" not in out and "other-77aa" not in out
    status, out, err = prov("deploy", "prod", "--json")
    assert (status, steps(out)) == (0, planned), err
    assert prov("plan", "prod")[0] == 0


@pytest.mark.parametrize("left", sample(range(1, 15), 5))
def test_a_deploy_that_is_cut_at_any_change_is_finished_by_the_next(
    prov: Prov, functions: Functions, left: int
) -> None:
    functions.left = left
    first, out, _ = prov("deploy", "prod")
    assert (first, "Cut" in out) in ((1, True), (0, False)), out
    functions.left = None
    assert prov("deploy", "prod")[0] == 0
    status, out, _ = prov("deploy", "prod", "--json")
    assert status == 0 and {state for state, _ in steps(out).values()} == {"ok"}, out
    assert len(client("lambda").list_versions_by_function(FunctionName="prod-shop")["Versions"]) <= 3


def test_requests_come_as_a_front_would_pass_them(prov: Prov, functions: Functions) -> None:
    assert prov("deploy", "prod")[0] == 0
    ((version, commands), (_, health)) = functions.asked
    assert commands == {"prov": "release 1"} and version == serving()["Version"]
    assert functions.lines == ["[release 1] made ready", "asked for /healthz of shop.test"]
    forged = {**health["headers"], "x-forwarded-for": "6.6.6.6", "x-forwarded-proto": "http"}
    answer = functions.invoke("prod-shop", version, {**health, "headers": forged})
    assert json.loads(answer["Payload"].read())["body"] == f"https 127.0.0.1 {len(CANARY)}"
    answer = functions.invoke("prod-shop", version, {"prov": "job clean"})
    assert (
        json.loads(answer["Payload"].read()) == {"status": 0} and functions.lines[-1] == "[job clean] cleaned"
    )
    answer = functions.invoke("prod-shop", version, {"prov": "rm -rf"})
    assert "has no command" in answer["Payload"].read().decode()


ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    assert scope["type"] == "http" and scope["scheme"] == "https" and scope["root_path"] == "/below"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})
"""


def test_an_asgi_application_is_served_below_its_prefix(prov: Prov, functions: Functions) -> None:
    Path("shop/shop.py").write_text(ASGI)
    write(app="interface: asgi\n              path: /below")
    status, out, err = prov("deploy", "prod")
    assert status == 0, out + err + "\n".join(functions.lines)
    assert functions.asked[-1][1]["rawPath"] == "/below/healthz"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("raise ValueError('broken at import')", "broken at import"),
        (
            "__import__('os').environ.update(STATUS='503 Busy')",
            "version 2 of prod-shop answered 503: https",
        ),
    ],
)
def test_a_release_that_is_not_healthy_does_not_serve(
    prov: Prov, functions: Functions, change: str, said: str
) -> None:
    write(app="start_timeout: 1")
    assert prov("deploy", "prod")[0] == 0
    before = serving()
    with Path("shop/shop.py").open("a") as f:
        f.write(f"{change}\n")
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and said in out and "The version before serves on" in out, out
    assert serving() == before
    Path("shop/shop.py").write_text(APP + "# mended\n")
    assert prov("deploy", "prod")[0] == 0
    assert serving()["Version"] == "3"


def test_a_command_of_the_release_that_fails_keeps_the_version_before(
    prov: Prov, functions: Functions
) -> None:
    assert prov("deploy", "prod")[0] == 0
    before = serving()
    write(app="release: [python -c \"import sys; sys.exit('no such table')\"]")
    Path("shop/new.py").write_text("")
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "release 1 ended with status 1" in out and "no such table" in out
    assert serving() == before


def test_a_canary_gets_a_part_of_the_requests_first(
    prov: Prov, functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = []
    real = LiveAlias._point

    def point(self: LiveAlias, version: str, weights: dict[str, float]) -> None:
        shares.append((version, weights))
        real(self, version, weights)

    monkeypatch.setattr(LiveAlias, "_point", point)
    canary = ", canary: {percent: 10, seconds: 1}"
    write(block=canary)
    assert prov("deploy", "prod")[0] == 0 and shares == []
    Path("shop/new.py").write_text("")
    assert prov("deploy", "prod")[0] == 0
    assert shares == [("1", {"2": 0.1}), ("2", {})]
    assert prov("plan", "prod")[0] == 0


def test_going_back_takes_the_version_that_exists(prov: Prov, functions: Functions) -> None:
    for text in ("", "# two", ""):
        Path("shop/new.py").write_text(text)
        assert prov("deploy", "prod")[0] == 0
    assert serving()["Version"] == "1"
    assert functions.changes.count("lambda:PublishVersion") == 2


def test_no_more_versions_are_kept_than_releases(prov: Prov, functions: Functions) -> None:
    write(app="keep_releases: 2")
    for text in ("", "# two", "# three"):
        Path("shop/new.py").write_text(text)
        assert prov("deploy", "prod")[0] == 0
    every = client("lambda").list_versions_by_function(FunctionName="prod-shop")["Versions"]
    assert [each["Version"] for each in every] == ["$LATEST", "2", "3"]


def test_secrets_are_in_no_bundle_configuration_log_or_difference(
    prov: Prov, functions: Functions, tmp_path: Path
) -> None:
    said = "".join("".join(map(str, prov(*words.split()))) for words in ("plan prod", "deploy prod --json"))
    write(secret="second-c0ffee")
    said += "".join("".join(map(str, prov(*words.split()))) for words in ("plan prod", "deploy prod --json"))
    for each in ("plan prod", "status prod --json", "logs prod"):
        said += "".join(map(str, prov(*each.split())))
    assert MASK in said and "PROV_PARAMETERS" in said and '{\\"SECRET_KEY\\":2}' in said
    for secret in (CANARY, "second-c0ffee"):
        assert secret not in said + json.dumps([serving(), functions.lines], default=str)
        for path in (tmp_path / "cache").rglob("*"):
            if path.suffix == ".zip":
                with zipfile.ZipFile(path) as bundle:
                    assert not any(secret.encode() in bundle.read(name) for name in bundle.namelist())
            elif path.is_file():
                assert secret.encode() not in path.read_bytes()
    # the version before still reads the value that it was made with
    health = functions.asked[-1][1]
    answer = functions.invoke("prod-shop", "1", health)
    assert json.loads(answer["Payload"].read())["body"].endswith(f" {len(CANARY)}")


def test_what_is_no_longer_declared_goes_on_request(prov: Prov, functions: Functions) -> None:
    assert prov("deploy", "prod")[0] == 0
    file = Path("inventory/hosts.yml")
    file.write_text(file.read_text().replace("shop:\n", "mail:\n"))
    status, out, _ = prov("deploy", "prod")
    assert status == 0 and "function prod-shop is no longer declared (--prune removes it)" in out
    status, planned, _ = prov("plan", "prod", "--prune", "--json")
    functions.left = None
    status, out, _ = prov("deploy", "prod", "--prune", "--json")
    assert status == 0 and steps(out) == steps(planned)
    names = [each["FunctionName"] for each in client("lambda").list_functions()["Functions"]]
    assert names == ["prod-mail"]
    assert [each["Name"] for each in client("events").list_rules()["Rules"]] == ["prod-mail-clean"]
    assert prov("plan", "prod", "--prune")[0] == 0


def test_a_function_that_is_not_provs_is_refused(prov: Prov, functions: Functions) -> None:
    client("lambda").create_function(
        FunctionName="prod-shop",
        Runtime="python3.13",
        Role=ROLE,
        Handler="evil.handler",
        Code={"ZipFile": EVIL},
    )
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "the function prod-shop exists, and prov did not make it for prod" in out
    assert functions.changes == []


def test_what_aws_would_refuse_is_said_before_anything_is_changed(
    prov: Prov, functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(said: str) -> None:
        for command in ("plan", "deploy"):
            status, out, err = prov(command, "prod")
            assert status == 1 and said in out + err and functions.changes == [], out + err

    with monkeypatch.context() as patch:
        patch.setattr(bundle_zip, "MOST_UNPACKED", 10_000)
        refused("MB unpacked, and Lambda takes 0 MB (the largest: ")
    with monkeypatch.context() as patch:
        patch.setattr(bundle_zip, "MOST_DIRECT", 10_000)
        refused("Name an S3 bucket in the block `lambda`")
    write(block=", bucket: none-such")
    refused("there is no S3 bucket 'none-such'")
    write()
    with Stubber(client("iam")) as stub:
        stub.add_client_error("get_role", "ExpiredToken")
        stub.add_client_error("get_role", "ExpiredToken")
        refused("the credentials of the user of these credentials have expired")
    client("iam").update_assume_role_policy(RoleName="shop", PolicyDocument=json.dumps(trust("ec2")))
    refused("the role shop does not trust lambda.amazonaws.com")
    client("iam").delete_role(RoleName="shop")
    refused(f"there is no role {ROLE}")
    with monkeypatch.context() as patch:
        patch.setattr(AwsCalls, "_client", CLIENT)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            patch.setenv(name, "/nonexistent")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        refused("no credentials for AWS were found")


def test_packages_without_wheels_for_the_platform_are_refused(
    prov: Prov, functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_packages, "install", INSTALL)
    monkeypatch.setenv("UV_NO_INDEX", "1")
    Path("shop/requirements.txt").write_text("no-such-package==1\n")
    status, out, _ = prov("deploy", "prod")
    assert (
        status == 1
        and "could not be installed for Python 3." in out
        and "only wheels can be installed" in out
    )
    assert functions.changes == []


@pytest.mark.parametrize(
    ("app", "said"),
    [
        (
            "processes: {worker: python w.py}",
            "hosts.yml:15 prod.apps.shop.processes: runs processes that do not end",
        ),
        ("media: {/media/: media}", "prod.apps.shop.media: needs files that last"),
        ("writable: [cache]", "prod.apps.shop.writable: needs files that last"),
        ("deny: [192.0.2.0/24]", "prod.apps.shop.deny: "),
        ("maintenance: true", "prod.apps.shop.maintenance: keeps people out on a host"),
        ("jobs: {j: {command: x, schedule: '0 0 1 * 1'}}", "EventBridge takes one of them"),
        ("jobs: {j: {command: x, schedule: daily, timeout: 1000}}", "Lambda stops a function after 900 s"),
        ("release: [{command: x, timeout: 1000}]", "prod.apps.shop.release.0.timeout: "),
        ("environment: {AWS_REGION: x}", "is a variable that Lambda sets"),
    ],
)
def test_what_a_function_can_not_have_is_refused(
    prov: Prov, functions: Functions, app: str, said: str
) -> None:
    text = (INVENTORY % (REGION, ROLE, "", 13, CANARY, app)).replace("environment: {MODE: plain}", "")
    project(Path(), {"inventory/hosts.yml": text})
    status, _, err = prov("plan", "prod")
    assert status == 2 and said in err, err
    assert functions.requests == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("platform: lambda\n", "platform: lamda\n", "'lamda' is not one of"),
        (f'role: "{ROLE}"', "memory: 512", "role"),
        (ROLE, "shop", "'shop' is not the ARN of a role"),
        (f"region: {REGION}", "region: europe", "'europe' is not a region like eu-central-1"),
        (f"region: {REGION}", "region: eu-centrall-1", "knows no region 'eu-centrall-1'"),
        ('python: "3.', 'python: "3.7', "Lambda has no Python 3.7"),
    ],
)
def test_a_block_that_can_not_be_used_is_refused(
    prov: Prov, functions: Functions, old: str, new: str, said: str
) -> None:
    file = Path("inventory/hosts.yml")
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    status, out, err = prov("deploy", "prod")
    assert status in (1, 2) and said in out + err, out + err
    assert functions.changes == []


def test_status_says_which_version_serves(prov: Prov, functions: Functions) -> None:
    status, out, _ = prov("status", "prod")
    assert status == 3 and "! has no function" in out
    prov("deploy", "prod")
    functions.changes.clear()
    status, out, _ = prov("status", "prod")
    assert status == 0 and functions.changes == [], out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "prod: ok" and lines[2] == "web version 1 serves"
    assert lines[3].startswith("URL https://") and lines[4] == "job clean cron(0 0 * * ? *) enabled"
    client("events").disable_rule(Name="prod-shop-clean")
    shifted()
    status, out, _ = prov("status", "prod")
    assert status == 3 and "job clean: cron(0 0 * * ? *) disabled" in out and "50% go to version" in out
    rogue_version()
    assert "and prov did not make it" in prov("status", "prod")[1]


def test_logs_are_those_of_the_functions(prov: Prov, functions: Functions) -> None:
    assert prov("logs", "prod")[0] == 0
    prov("deploy", "prod")
    group, stream = "/aws/lambda/prod-shop", "2026/01/01/[2]abc"
    client("logs").create_log_stream(logGroupName=group, logStreamName=stream)
    now = int(time.time() * 1000)
    texts = [
        "START RequestId: 1",
        "asked\x1b[31m",
        "[job clean] cleaned",
        "[release 1] made",
        "REPORT RequestId: 1",
    ]
    events = [{"timestamp": now + n, "message": text} for n, text in enumerate(texts)]
    client("logs").put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    def found(*words: str) -> list[tuple[str, str]]:
        status, out, err = prov("logs", "prod", *words, "--json")
        assert status == 0, err
        every = [json.loads(line) for line in out.splitlines()]
        return [(each["source"], each["text"]) for each in every if each["event"] == "log"]

    shown = ["asked\x1b[31m", "[job clean] cleaned", "[release 1] made"]
    assert [text for _, text in found()] == shown == [text for _, text in found("--since", "10m")]
    assert found("--process", "clean") == [("shop 2", "[job clean] cleaned")]
    assert found("--process", "release") == [("shop 2", "[release 1] made")]
    assert found("--process", "web") == [("shop 2", "asked\x1b[31m")]
    assert "\x1b" not in prov("logs", "prod")[1]
    assert "has no process 'other'" in prov("logs", "prod", "--process", "other")[2]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("undo prod", "Go back to the release before:  prov rollback prod"),
        ("history prod", "Its releases, who deployed them, when, and from which commit:  prov releases prod"),
        ("logs prod shop -f", f"aws --region {REGION} logs tail --follow /aws/lambda/prod-shop"),
        ("restart prod shop", "prov deploy prod"),
        ("stop prod shop", "--reserved-concurrent-executions 0"),
    ],
)
def test_commands_for_hosts_say_what_to_do_instead(
    prov: Prov, functions: Functions, command: str, said: str
) -> None:
    status, _, err = prov(*command.split())
    assert status == 2 and said in err, err
    assert functions.requests == []


def test_the_same_release_is_the_same_bundle(
    prov: Prov, functions: Functions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for folder in ("one", "two"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / folder))
        prov("plan", "prod")
        (bundle,) = (tmp_path / folder).rglob("*.zip")
        made.append(bundle.read_bytes())
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("daily", "cron(0 0 * * ? *)"),
        ("weekly", "cron(0 0 ? * 2 *)"),
        ("*/15 8-10 * * *", "cron(0,15,30,45 8,9,10 * * ? *)"),
        ("Sat,Sun 03:30", "cron(30 3 ? * 1,7 *)"),
    ],
)
def test_schedules_are_those_of_eventbridge(schedule: str, expected: str) -> None:
    assert rule_time(schedule) == expected
