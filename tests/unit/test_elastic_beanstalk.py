"""prov plan, deploy, releases, rollback, locks, status and logs on Elastic Beanstalk: a double of its API, and moto."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from beanstalk_account import BUCKET, ROLE, Account, beanstalk_account, used_by_prov
from beanstalk_double import REGION, STACKS
from cli_project import Prov, command_line, steps
from helpers.samples import sample
from inventories import project

from provision.cloud.aws_calls import AwsCalls
from provision.platforms.elastic_beanstalk import source_bundle
from provision.secrets import MASK

CANARY = "canary-6e2b"
INVENTORY = """
    prod:
      hosts:
        prod:
          platform: elastic_beanstalk
          elastic_beanstalk:
            region: %(region)s
            bucket: %(bucket)s
            service_role: "%(role)s"
            instance_profile: web
            %(block)s
          apps:
            shop:
              source: ../shop
              target: shop:app
              domains: [shop.test]
              health: /healthz
              start_timeout: 1
              environment: {MODE: plain}
              secrets: {SECRET_KEY: %(secret)s}
              %(app)s
    """
PARTS = """processes: {worker: sleep 1000000}
              release: [python ready.py]
              static: {/static/: assets}
              jobs: {clean: {command: python clean.py, schedule: daily}}"""
ENVIRONMENT = "prod-shop"


@pytest.fixture(scope="module")
def server() -> Iterator[Account]:
    with beanstalk_account() as found:
        yield found


@pytest.fixture
def account(server: Account, tmp_path: Path) -> Iterator[Account]:
    with used_by_prov(server, tmp_path / "cache") as found:
        yield found


def write(app: str = PARTS, block: str = "min: 1", secret: str = CANARY) -> None:
    values = {"region": REGION, "bucket": BUCKET, "role": ROLE, "app": app, "block": block, "secret": secret}
    project(Path(), {"inventory/hosts.yml": INVENTORY % values})


@pytest.fixture
def prov(
    tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Prov:
    """Runs the command line in a project with an application; gives exit status, stdout and stderr."""
    source = {"shop/shop.py": "", "shop/requirements.txt": "", "shop/assets/a.css": "b{}"}
    monkeypatch.chdir(project(tmp_path, source))
    write()
    return command_line(monkeypatch, capsys)


def release(text: str) -> None:
    Path("shop/shop.py").write_text(f"# {text}\n")


def label(account: Account, name: str = ENVIRONMENT) -> str:
    """The version that an environment runs."""
    return account.beanstalk.environments[name].label


def bundle(account: Account, of: str) -> zipfile.ZipFile:
    """The bundle of a version."""
    place = account.beanstalk.versions[(ENVIRONMENT, of)]["SourceBundle"]
    body = account.client("s3").get_object(Bucket=place["S3Bucket"], Key=place["S3Key"])["Body"].read()
    return zipfile.ZipFile(io.BytesIO(body))


def keys(account: Account) -> list[str]:
    found = account.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", ())
    return [each["Key"] for each in found]


def test_a_plan_says_what_the_deploy_then_does_and_a_second_one_does_nothing(
    prov: Prov, account: Account
) -> None:
    status, out, err = prov("plan", "prod", "--json")
    planned = steps(out)
    assert status == 3 and account.changes == [], out + err
    status, out, err = prov("deploy", "prod", "--json")
    assert status == 0, out + err
    assert steps(out) == planned
    assert account.beanstalk.asked == [("/healthz", "shop.test")]
    account.changes.clear()
    status, out, _ = prov("deploy", "prod", "--json")
    assert status == 0 and account.changes == []
    assert {state for state, _ in steps(out).values()} == {"ok"}, out


def options(account: Account, values: dict[tuple[str, str], str], *removed: tuple[str, str]) -> None:
    """What another client does to option settings."""
    account.client("elasticbeanstalk").update_environment(
        EnvironmentName=ENVIRONMENT,
        OptionSettings=[{"Namespace": n, "OptionName": o, "Value": v} for (n, o), v in values.items()],
        OptionsToRemove=[{"Namespace": n, "OptionName": o} for n, o in removed],
    )
    account.beanstalk.settle()


def other_version(account: Account) -> None:
    """Another client deploys a version of its own."""
    account.client("s3").copy_object(
        Bucket=BUCKET, Key="theirs.zip", CopySource={"Bucket": BUCKET, "Key": keys(account)[0]}
    )
    eb = account.client("elasticbeanstalk")
    eb.create_application_version(
        ApplicationName=ENVIRONMENT,
        VersionLabel="theirs",
        SourceBundle={"S3Bucket": BUCKET, "S3Key": "theirs.zip"},
    )
    eb.update_environment(EnvironmentName=ENVIRONMENT, VersionLabel="theirs")
    account.beanstalk.settle()


def terminated(account: Account) -> None:
    account.client("elasticbeanstalk").terminate_environment(EnvironmentName=ENVIRONMENT)


def version_removed(account: Account) -> None:
    terminated(account)
    (only,) = [name for _, name in account.beanstalk.versions]
    account.client("elasticbeanstalk").delete_application_version(
        ApplicationName=ENVIRONMENT, VersionLabel=only, DeleteSourceBundle=True
    )


def downgraded(account: Account) -> None:
    account.client("elasticbeanstalk").update_environment(
        EnvironmentName=ENVIRONMENT, SolutionStackName=STACKS[2]
    )
    account.beanstalk.settle()


def another_secret(account: Account) -> None:
    account.client("ssm").put_parameter(Name="/theirs", Value="other-77aa", Type="SecureString")
    arn = f"arn:aws:ssm:{REGION}:123456789012:parameter/theirs"
    options(account, {(f"{VARIABLES}secrets", "SECRET_KEY"): arn})


EB = "aws:elasticbeanstalk:"
VARIABLES = f"{EB}application:environment"
#: what another client does
MUTATIONS: dict[str, Callable[[Account], Any]] = {
    "a variable": lambda a: options(a, {(VARIABLES, "DEBUG"): "1"}),
    "a variable's value": lambda a: options(a, {(VARIABLES, "MODE"): "other"}),
    "a variable removed": lambda a: options(a, {}, (VARIABLES, "MODE")),
    "a secret as a variable": lambda a: options(a, {(VARIABLES, "API_TOKEN"): "theirs-0f1e"}),
    "another PYTHONPATH": lambda a: options(a, {(VARIABLES, "PYTHONPATH"): "/tmp/evil"}),
    "no secret": lambda a: options(a, {}, (f"{VARIABLES}secrets", "SECRET_KEY")),
    "another secret": lambda a: another_secret(a),
    "static files": lambda a: options(a, {(f"{EB}environment:proxy:staticfiles", "/static"): "theirs"}),
    "more static files": lambda a: options(a, {(f"{EB}environment:proxy:staticfiles", "/src"): "."}),
    "health path": lambda a: options(a, {(f"{EB}environment:process:default", "HealthCheckPath"): "/"}),
    "statuses": lambda a: options(a, {(f"{EB}environment:process:default", "MatcherHTTPCode"): "200-599"}),
    "instances": lambda a: options(a, {("aws:autoscaling:asg", "MaxSize"): "9"}),
    "instance type": lambda a: options(a, {("aws:ec2:instances", "InstanceTypes"): "m5.large"}),
    "instance profile": lambda a: options(
        a, {("aws:autoscaling:launchconfiguration", "IamInstanceProfile"): "theirs"}
    ),
    "IMDSv1": lambda a: options(a, {("aws:autoscaling:launchconfiguration", "DisableIMDSv1"): "false"}),
    "policy": lambda a: options(a, {(f"{EB}command", "DeploymentPolicy"): "AllAtOnce"}),
    "logs": lambda a: options(a, {(f"{EB}cloudwatch:logs", "StreamLogs"): "false"}),
    "a listener": lambda a: options(a, {("aws:elbv2:listener:443", "Protocol"): "HTTPS"}),
    "version": other_version,
    "version and environment removed": version_removed,
    "environment terminated": terminated,
    "another platform": downgraded,
    "bundle removed": lambda a: a.client("s3").delete_object(Bucket=BUCKET, Key=keys(a)[0]),
    "parameter": lambda a: a.client("ssm").put_parameter(
        Name="/prov/prod/shop/SECRET_KEY", Value="other-77aa", Overwrite=True
    ),
    "parameter removed": lambda a: a.client("ssm").delete_parameter(Name="/prov/prod/shop/SECRET_KEY"),
    "unhealthy": lambda a: setattr(a.beanstalk.environments[ENVIRONMENT], "health", "Severe"),
}


@pytest.mark.parametrize("mutation", sample(list(MUTATIONS), 4))
def test_a_plan_names_what_another_client_changed_and_the_deploy_puts_it_back(
    prov: Prov, account: Account, mutation: str
) -> None:
    assert prov("deploy", "prod")[0] == 0
    MUTATIONS[mutation](account)
    account.changes.clear()
    status, out, err = prov("plan", "prod", "--json")
    planned = steps(out)
    assert status == 3 and account.changes == [], out + err
    assert "theirs-0f1e" not in out and "other-77aa" not in out
    status, out, err = prov("deploy", "prod", "--json")
    assert (status, steps(out)) == (0, planned), out + err
    assert prov("plan", "prod")[0] == 0


@pytest.mark.parametrize("left", sample(range(1, 12), 3))
def test_a_deploy_that_is_cut_at_any_change_is_finished_by_the_next(
    prov: Prov, account: Account, left: int
) -> None:
    account.left = left
    first, out, _ = prov("deploy", "prod")
    assert (first, "Cut" in out) in ((1, True), (0, False)), out
    account.left = None
    account.beanstalk.settle()
    status, out, err = prov("deploy", "prod")
    assert status == 0, out + err
    status, out, _ = prov("deploy", "prod", "--json")
    assert status == 0 and {state for state, _ in steps(out).values()} == {"ok"}, out
    assert len(keys(account)) == len(account.beanstalk.versions) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hook fails", "50_prov.sh ended with 1"),
        ("crashes", "its health is Severe"),
        ("lies", "the health path answers 500"),
    ],
)
def test_a_release_that_does_not_serve_is_gone_back_from_and_the_reason_is_said(
    prov: Prov, account: Account, text: str, said: str
) -> None:
    assert prov("deploy", "prod")[0] == 0
    before = label(account)
    state = dict(account.beanstalk.environments[ENVIRONMENT].options)
    release(text)
    write(app=PARTS + "\n              workers: 7", block="min: 2")
    status, out, err = prov("deploy", "prod")
    assert status == 1 and said in out and "it went back to release" in out, out + err
    assert label(account) == before
    assert account.beanstalk.environments[ENVIRONMENT].options == state
    assert prov("plan", "prod")[0] == 3
    release("mended")
    assert prov("deploy", "prod")[0] == 0
    assert label(account) != before


def test_a_first_release_that_does_not_serve_is_not_recorded_as_one_that_does(
    prov: Prov, account: Account
) -> None:
    release("lies")
    for _ in range(2):
        status, out, _ = prov("deploy", "prod")
        assert status == 1 and "the health path answers 500" in out, out
    release("mended")
    assert prov("deploy", "prod")[0] == 0


def test_secrets_are_in_no_bundle_option_record_or_difference(prov: Prov, account: Account) -> None:
    said = "".join("".join(map(str, prov(*words.split()))) for words in ("plan prod", "deploy prod --json"))
    before = label(account)
    write(secret="second-c0ffee")
    words = ("plan prod", "deploy prod --json", "status prod --json", "logs prod", "releases prod --json")
    for each in words:
        said += "".join(map(str, prov(*each.split())))
    assert MASK in said and "PROV_SECRET_VERSIONS" in said and label(account) == before
    found = account.beanstalk.environments[ENVIRONMENT]
    said += json.dumps([[*key, value] for key, value in found.options.items()])
    for name in bundle(account, before).namelist():
        said += bundle(account, before).read(name).decode()
    ssm = account.client("ssm")
    for each in ssm.get_parameters_by_path(Path="/prov-records", Recursive=True, WithDecryption=True)[
        "Parameters"
    ]:
        said += json.dumps(each, default=str)
    for secret in (CANARY, "second-c0ffee"):
        assert secret not in said
    one = ssm.get_parameter(Name="/prov/prod/shop/SECRET_KEY", WithDecryption=True)["Parameter"]
    assert (one["Value"], one["Type"]) == ("second-c0ffee", "SecureString")


def test_the_same_release_is_the_same_bundle(prov: Prov, account: Account, tmp_path: Path) -> None:
    assert prov("deploy", "prod")[0] == 0
    first = label(account)
    (key,) = keys(account)
    data = account.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    (tmp_path / f"cache/prov/elastic_beanstalk/{first}.zip").unlink()
    account.client("s3").delete_object(Bucket=BUCKET, Key=key)
    time.sleep(2)
    Path("shop/shop.py").touch()
    assert prov("deploy", "prod")[0] == 0
    assert account.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read() == data
    assert label(account) == first


def test_a_rollback_runs_the_release_before_and_holds_deploys(prov: Prov, account: Account) -> None:
    write(app="processes: {worker: sleep 1000000}")
    assert prov("deploy", "prod")[0] == 0
    first = label(account)
    release("newer")
    write(app="static: {/static/: assets}\n              health: /other", secret="second-c0ffee")
    file = Path("inventory/hosts.yml")
    file.write_text(
        file.read_text().replace("MODE: plain", "MODE: other").replace("health: /healthz\n", "\n")
    )
    assert prov("deploy", "prod")[0] == 0
    assert label(account) != first
    status, planned, err = prov("rollback", "prod", "--check", "--json")
    assert status == 3, planned + err
    account.beanstalk.asked.clear()
    status, out, err = prov("rollback", "prod", "--json")
    assert (status, steps(out)) == (0, steps(planned)), out + err
    found = account.beanstalk.environments[ENVIRONMENT]
    assert (found.label, found.options[(VARIABLES, "MODE")]) == (first, "plain")
    assert account.beanstalk.asked == [("/healthz", "shop.test")]
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "prov resume prod shop" in out, out
    assert prov("resume", "prod")[0] == 0
    assert prov("deploy", "prod")[0] == 0 and label(account) != first
    status, out, _ = prov("releases", "prod")
    assert status == 0 and out.count("can be gone back to") == 1 and "in service" in out, out
    assert prov("plan", "prod")[0] == 0


def test_what_a_release_needs_and_is_gone_keeps_from_going_back(prov: Prov, account: Account) -> None:
    assert prov("deploy", "prod")[0] == 0
    first = label(account)
    release("newer")
    file = Path("inventory/hosts.yml")
    file.write_text(file.read_text().replace("secrets: {SECRET_KEY", "secrets: {OTHER_KEY"))
    assert prov("deploy", "prod", "--prune")[0] == 0
    assert "it needs secrets that are gone: SECRET_KEY" in prov("releases", "prod")[1]
    status, out, err = prov("rollback", "prod")
    assert status != 0 and "SECRET_KEY" in out + err
    account.client("elasticbeanstalk").delete_application_version(
        ApplicationName=ENVIRONMENT, VersionLabel=first
    )
    assert f"its version {first} was removed" in prov("releases", "prod")[1]


def test_no_more_versions_are_kept_than_asked_for_and_those_of_others_stay(
    prov: Prov, account: Account
) -> None:
    write(app="keep_releases: 2")
    labels = []
    for n in range(4):
        release(f"number {n}")
        if n == 2:
            other_version(account)
        assert prov("deploy", "prod")[0] == 0
        labels.append(label(account))
    assert {each for _, each in account.beanstalk.versions} == {labels[2], labels[3], "theirs"}
    assert len(keys(account)) == 3
    assert prov("plan", "prod")[0] == 0


def test_what_is_no_longer_declared_goes_on_request(prov: Prov, account: Account) -> None:
    assert prov("deploy", "prod")[0] == 0
    file = Path("inventory/hosts.yml")
    file.write_text(file.read_text().replace("shop:\n", "mail:\n").replace("shop.test", "mail.test"))
    status, out, _ = prov("deploy", "prod")
    assert status == 0 and "environment prod-shop is no longer declared (--prune removes it)" in out, out
    status, planned, _ = prov("plan", "prod", "--prune", "--json")
    assert "no parameter /prov/prod/shop/SECRET_KEY" in planned
    status, out, _ = prov("deploy", "prod", "--prune", "--json")
    assert status == 0 and steps(out) == steps(planned)
    live = {name: each.status for name, each in account.beanstalk.environments.items()}
    assert live == {"prod-shop": "Terminated", "prod-mail": "Ready"}
    assert prov("plan", "prod", "--prune")[0] == 0


def test_one_run_at_a_time_changes_a_target_and_none_while_it_is_locked(prov: Prov, account: Account) -> None:
    assert prov("lock", "prod", "the account moves")[0] == 0
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "the account moves" in out and "prov unlock prod" in out
    assert prov("unlock", "prod")[0] == 0
    assert prov("deploy", "prod")[0] == 0


def test_what_aws_would_refuse_is_said_before_anything_is_changed(prov: Prov, account: Account) -> None:
    file = Path("inventory/hosts.yml")
    text = file.read_text()
    eb = account.client("elasticbeanstalk")

    def refused(old: str, new: str, said: str) -> None:
        assert old in text, old
        file.write_text(text.replace(old, new))
        for command in ("plan", "deploy"):
            status, out, err = prov(command, "prod")
            assert status in (1, 2) and said in out + err and account.changes == [], out + err

    refused("role/beanstalk", "role/none", f"there is no role {ROLE.replace('beanstalk', 'none')}")
    refused("role/beanstalk", "role/other", "the role other does not trust elasticbeanstalk.amazonaws.com")
    refused("instance_profile: web", "instance_profile: wbe", "there is no instance profile wbe")
    refused(f"bucket: {BUCKET}", "bucket: none-such", "there is no bucket none-such")
    near = "64bit Amazon Linux 2023 * running Python 3.13"
    refused("min: 1", "stack: 64bit Amazon Linux 2023 * running Pyton 3.13", near)
    refused("target: shop:app", "target: shop:app\n          python: '3.8'", "has no Python 3.8")
    refused("min: 1", "min: 5", "`max` 4 is less than `min` 5")
    refused("min: 1", "type: single\n        policy: rolling", "has one")
    account.beanstalk.taken.add(ENVIRONMENT)
    refused("min: 1", "min: 1", "prod-shop.eu-central-1.elasticbeanstalk.com is taken by another environment")
    account.beanstalk.taken.clear()
    eb.create_application(ApplicationName="theirs")
    account.client("s3").put_object(Bucket=BUCKET, Key="theirs.zip", Body=empty_bundle())
    eb.create_application_version(
        ApplicationName="theirs", VersionLabel="1", SourceBundle={"S3Bucket": BUCKET, "S3Key": "theirs.zip"}
    )
    eb.create_environment(
        ApplicationName="theirs",
        EnvironmentName=ENVIRONMENT,
        CNAMEPrefix="theirs",
        SolutionStackName=STACKS[0],
        VersionLabel="1",
    )
    refused("min: 1", "min: 1", "the environment prod-shop exists, of the application theirs")
    refused("min: 1", "environment: shop-prod\n        cname: theirs", "is taken by another environment")
    account.beanstalk.quota = 1
    refused(
        "min: 1", "environment: shop-prod", "the account has 1 environments in eu-central-1, and may have 1"
    )
    account.beanstalk.quota = 200


def empty_bundle() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as out:
        out.writestr("Procfile", "web: x\n")
        out.writestr("shop.py", "")
    return data.getvalue()


def test_an_environment_that_is_being_changed_is_left_alone(prov: Prov, account: Account) -> None:
    assert prov("deploy", "prod")[0] == 0
    account.client("elasticbeanstalk").update_environment(EnvironmentName=ENVIRONMENT)
    account.changes.clear()
    release("newer")
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "the environment prod-shop is Updating: another change is under way" in out, out
    assert account.changes == []
    account.beanstalk.settle()
    assert prov("deploy", "prod")[0] == 0


def test_an_account_that_is_full_of_versions_is_told_before_anything_is_changed(
    prov: Prov, account: Account
) -> None:
    assert prov("deploy", "prod")[0] == 0
    account.changes.clear()
    account.beanstalk.quota = 1
    release("newer")
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "the account has 1 application versions" in out and account.changes == [], out


def test_a_bundle_that_is_too_large_is_told_before_anything_is_changed(
    prov: Prov, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_bundle, "MOST", 1000)
    status, out, _ = prov("plan", "prod")
    assert status == 1 and "and Elastic Beanstalk takes 0 MB" in out and "(the largest: " in out, out
    assert account.changes == []


def test_credentials_that_have_expired_are_named(
    prov: Prov, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = AwsCalls._client

    def expired(self: AwsCalls, service: str) -> Any:
        found = real(self, service)

        class Expired:
            def __getattr__(self, name: str) -> Any:
                def refuse(**_: Any) -> Any:
                    answer = {"Error": {"Code": "ExpiredToken", "Message": "expired"}}
                    raise found.exceptions.ClientError(answer, name)

                return refuse

        return Expired()

    monkeypatch.setattr(AwsCalls, "_client", expired)
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "have expired" in out, out


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("media: {/media/: media}", "prod.apps.shop.media: needs files that last"),
        ("writable: [cache]", "prod.apps.shop.writable: needs files that last"),
        ("deny: [192.0.2.0/24]", "prod.apps.shop.deny: keeps people out on a host"),
        ("secrets_as: credentials", "prod.apps.shop.secrets_as: gives secrets as files"),
        ("processes: {beat: {command: x, on: one}}", "prod.apps.shop.processes.beat.on: runs once"),
        ("jobs: {j: {command: x, schedule: daily}}", "prod.apps.shop.jobs: would run in both"),
        ("processes: {web: x}", "prod.apps.shop.processes.web: is the name of the web process"),
        ("release: [{command: x, timeout: 3600}]", "prod.apps.shop.release: may take 4200 s"),
        ("static: {/: assets}", "prod.apps.shop.static: /: the proxy passes everything else on"),
    ],
)
def test_what_elastic_beanstalk_can_not_have_is_refused(
    prov: Prov, account: Account, app: str, said: str
) -> None:
    write(app=app, block="swap: true" if "both" in said else "min: 1")
    status, _, err = prov("plan", "prod")
    assert status == 2 and said in err, err


def test_status_says_how_environments_are(prov: Prov, account: Account) -> None:
    status, out, _ = prov("status", "prod")
    assert status == 3 and "has no environment prod-shop" in out, out
    assert prov("deploy", "prod")[0] == 0
    account.changes.clear()
    status, out, _ = prov("status", "prod")
    assert status == 0 and account.changes == [], out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "prod: ok" and "environment prod-shop Ready, Ok" in lines and "instances 2 Ok" in lines
    account.beanstalk.environments[ENVIRONMENT].health = "Severe"
    status, out, _ = prov("status", "prod")
    assert status == 3 and "its health is Severe; 100.0 % of the requests are failing" in out, out


def test_logs_are_those_of_the_web_process_and_of_the_platform(prov: Prov, account: Account) -> None:
    assert prov("logs", "prod")[0] == 0
    logs = account.client("logs")
    for name, text in (("web.stdout.log", "GET /healthz"), ("eb-engine.log", "prov: runs python ready.py")):
        group = f"/aws/elasticbeanstalk/prod-shop/var/log/{name}"
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="i-0123")
        event = {"timestamp": int(time.time() * 1000), "message": text}
        logs.put_log_events(logGroupName=group, logStreamName="i-0123", logEvents=[event])
    assert "GET /healthz" in prov("logs", "prod")[1]
    status, out, _ = prov("logs", "prod", "shop", "--process", "release")
    assert status == 0 and "prov: runs python ready.py" in out and "GET" not in out, out
    assert "are on the instances alone" in "".join(map(str, prov("logs", "prod", "--process", "worker")))
    assert "logs tail --follow" in "".join(map(str, prov("logs", "prod", "--follow")))


def test_commands_for_hosts_are_refused_with_what_to_do_here(prov: Prov, account: Account) -> None:
    said = "elasticbeanstalk restart-app-server --environment-name prod-shop"
    assert said in "".join(map(str, prov("restart", "prod")))
    assert "prov rollback prod" in "".join(map(str, prov("undo", "prod")))


def test_an_environment_gets_what_the_inventory_says(prov: Prov, account: Account) -> None:
    certificate = f"arn:aws:acm:{REGION}:123456789012:certificate/1"
    write(
        block=f"{{min: 3, max: 6, certificate: '{certificate}'}}".strip("{}").replace(", ", "\n            ")
    )
    assert prov("deploy", "prod")[0] == 0
    found = account.beanstalk.environments[ENVIRONMENT].options
    assert account.beanstalk.environments[ENVIRONMENT].stack == STACKS[1]
    wanted = {
        (f"{EB}environment", "EnvironmentType"): "LoadBalanced",
        ("aws:autoscaling:asg", "MinSize"): "3",
        (f"{EB}command", "DeploymentPolicy"): "RollingWithAdditionalBatch",
        (f"{EB}environment:process:default", "HealthCheckPath"): "/healthz",
        (f"{EB}environment:proxy:staticfiles", "/static"): "assets",
        ("aws:elbv2:listener:443", "SSLCertificateArns"): certificate,
        (VARIABLES, "MODE"): "plain",
        (f"{VARIABLES}secrets", "SECRET_KEY"): f"arn:aws:ssm:{REGION}:123456789012:parameter"
        "/prov/prod/shop/SECRET_KEY",
    }
    assert wanted.items() <= found.items()
    write(block="type: single")
    assert prov("plan", "prod")[0] == 3
