"""prov plan, deploy, releases, rollback, locks, status and logs on ECS: ministack as AWS, whose tasks run."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_project import Prov, command_line, steps
from ecs_account import REGION, ROLE, Account, ministack, used_by_prov
from helpers.samples import sample
from inventories import project

from provision.secrets import MASK

CANARY = "canary-5a1d"
INVENTORY = """
    prod:
      hosts:
        prod:
          platform: ecs
          ecs:
            region: %(region)s
            cluster: main
            registry: registry.test/team
            execution_role: "%(role)sexec"
            schedule_role: "%(role)sevents"
            subnets: [%(subnets)s]
            security_groups: [%(group)s]
            listener: "%(listener)s"
            %(block)s
          apps:
            shop:
              source: ../shop
              target: shop:app
              domains: [shop.test]
              health: /healthz
              image: base.tar
              environment: {MODE: plain}
              secrets: {SECRET_KEY: %(secret)s}
              %(app)s
    """
PARTS = """processes: {worker: sleep 1000000}
              release: [python3 -c "print('made ready')"]
              jobs: {clean: {command: python clean.py, schedule: daily}}"""


@pytest.fixture(scope="module")
def server() -> Iterator[Account]:
    with ministack() as found:
        yield found


@pytest.fixture
def account(server: Account) -> Iterator[Account]:
    server.left = None
    with used_by_prov(server) as found:
        yield found


def write(account: Account, app: str = PARTS, block: str = "count: 1", secret: str = CANARY) -> None:
    values = {"region": REGION, "role": ROLE, "app": app, "block": block, "secret": secret, **account.ids}
    project(Path(), {"inventory/hosts.yml": INVENTORY % values})


@pytest.fixture
def prov(
    tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Prov:
    """Runs the command line in a project with an application; gives exit status, stdout and stderr."""
    source = {"shop/shop.py": "", "shop/requirements.txt": "", "inventory/base.tar": ""}
    monkeypatch.chdir(project(tmp_path, source))
    write(account)
    return command_line(monkeypatch, capsys)


def test_a_plan_says_what_the_deploy_then_does_and_a_second_one_does_nothing(
    prov: Prov, account: Account
) -> None:
    status, out, err = prov("plan", "prod", "--json")
    planned = steps(out)
    assert status == 3 and account.changes == [], out + err
    status, out, err = prov("deploy", "prod", "--json")
    assert status == 0, out + err
    assert steps(out) == planned
    account.changes.clear()
    status, out, _ = prov("deploy", "prod", "--json")
    assert status == 0 and account.changes == []
    assert {state for state, _ in steps(out).values()} == {"ok"}, out


def service(name: str = "prod-shop-web") -> dict[str, str]:
    return {"cluster": "main", "service": name}


def change_definition(account: Account, change: Callable[[dict[str, Any]], Any]) -> None:
    """Register a revision that another client has changed, and let the service run it."""
    ecs = account.client("ecs")
    answer = ecs.describe_task_definition(taskDefinition="prod-shop-web", include=["TAGS"])
    taken = ("family", "networkMode", "requiresCompatibilities", "cpu", "memory", "executionRoleArn")
    wanted = {
        name: answer["taskDefinition"][name] for name in (*taken, "runtimePlatform", "containerDefinitions")
    }
    change(wanted["containerDefinitions"][0])
    found = ecs.register_task_definition(**wanted, tags=answer["tags"])["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(**service(), taskDefinition=found)


def update(account: Account, **changes: Any) -> None:
    account.client("ecs").update_service(**service(), **changes)


def rule_arn(account: Account) -> str:
    rules = account.client("elbv2").describe_rules(ListenerArn=account.ids["listener"])["Rules"]
    return next(str(each["RuleArn"]) for each in rules if not each.get("IsDefault"))


def group_arn(account: Account) -> str:
    answer = account.client("elbv2").describe_target_groups(Names=["prod-shop"])
    return str(answer["TargetGroups"][0]["TargetGroupArn"])


def environment(name: str, value: str) -> Callable[[dict[str, Any]], Any]:
    return lambda container: container["environment"].append({"name": name, "value": value})


def removed_rule(account: Account) -> None:
    account.client("events").remove_targets(Rule="prod-shop-job-clean", Ids=["prov"])
    account.client("events").delete_rule(Name="prod-shop-job-clean")


#: what another client does
MUTATIONS: dict[str, Callable[[Account], Any]] = {
    "image": lambda a: change_definition(a, lambda c: c.update(image="evil.test/shop:1")),
    "a variable": lambda a: change_definition(a, environment("DEBUG", "1")),
    "a secret as a variable": lambda a: change_definition(a, environment("API_TOKEN", "theirs-0f1e")),
    "no secret": lambda a: change_definition(a, lambda c: c.update(secrets=[])),
    "no health check": lambda a: change_definition(a, lambda c: c.pop("healthCheck")),
    "another command": lambda a: change_definition(a, lambda c: c.update(command=["sleep", "9"])),
    "a revision that is not run": lambda a: a.client("ecs").register_task_definition(
        family="prod-shop-process-worker",
        containerDefinitions=[{"name": "x", "image": "evil.test/x"}],
        tags=[{"key": "prov:target", "value": "prod"}, {"key": "prov:app", "value": "shop"}],
    ),
    "a revision without tags": lambda a: a.client("ecs").register_task_definition(
        family="prod-shop-job-clean", containerDefinitions=[{"name": "x", "image": "evil.test/x"}]
    ),
    "an earlier revision": lambda a: earlier_revision(a),
    "tasks": lambda a: update(a, desiredCount=3),
    "no tasks": lambda a: update(a, desiredCount=0),
    "circuit breaker": lambda a: update(
        a, deploymentConfiguration={"maximumPercent": 200, "minimumHealthyPercent": 0}
    ),
    "network": lambda a: update(
        a,
        networkConfiguration={
            "awsvpcConfiguration": {"subnets": [a.ids["subnets"].split(", ")[0]], "assignPublicIp": "ENABLED"}
        },
    ),
    "commands from outside": lambda a: update(a, enableExecuteCommand=True),
    "service removed": lambda a: a.client("ecs").delete_service(**service(), force=True),
    "worker removed": lambda a: a.client("ecs").delete_service(
        **service("prod-shop-process-worker"), force=True
    ),
    "rule's host": lambda a: a.client("elbv2").modify_rule(
        RuleArn=rule_arn(a),
        Conditions=[{"Field": "host-header", "HostHeaderConfig": {"Values": ["evil.test"]}}],
    ),
    "rule's action": lambda a: a.client("elbv2").modify_rule(
        RuleArn=rule_arn(a),
        Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}],
    ),
    "rule removed": lambda a: a.client("elbv2").delete_rule(RuleArn=rule_arn(a)),
    "health path": lambda a: a.client("elbv2").modify_target_group(
        TargetGroupArn=group_arn(a), HealthCheckPath="/other"
    ),
    "draining": lambda a: a.client("elbv2").modify_target_group_attributes(
        TargetGroupArn=group_arn(a),
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "300"}],
    ),
    "schedule stopped": lambda a: a.client("events").disable_rule(Name="prod-shop-job-clean"),
    "schedule's times": lambda a: a.client("events").put_rule(
        Name="prod-shop-job-clean", ScheduleExpression="rate(1 day)"
    ),
    "schedule's target": lambda a: a.client("events").put_targets(
        Rule="prod-shop-job-clean", Targets=[{"Id": "evil", "Arn": f"arn:aws:sqs:{REGION}:000000000000:evil"}]
    ),
    "schedule removed": removed_rule,
    "parameter": lambda a: a.client("ssm").put_parameter(
        Name="/prov/prod/shop/SECRET_KEY", Value="other-77aa", Overwrite=True
    ),
    "parameter removed": lambda a: a.client("ssm").delete_parameter(Name="/prov/prod/shop/SECRET_KEY"),
    "log group removed": lambda a: a.client("logs").delete_log_group(logGroupName="/prov/prod/shop"),
    "logs kept": lambda a: a.client("logs").put_retention_policy(
        logGroupName="/prov/prod/shop", retentionInDays=1
    ),
}


def earlier_revision(account: Account) -> None:
    change_definition(account, environment("A", "1"))
    update(account, taskDefinition="prod-shop-web:1")


@pytest.mark.parametrize("mutation", sample(list(MUTATIONS), 10))
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


@pytest.mark.parametrize("left", sample(range(1, 24), 6))
def test_a_deploy_that_is_cut_at_any_change_is_finished_by_the_next(
    prov: Prov, account: Account, left: int
) -> None:
    account.left = left
    first, out, _ = prov("deploy", "prod")
    assert (first, "Cut" in out) in ((1, True), (0, False)), out
    account.left = None
    status, out, err = prov("deploy", "prod")
    assert status == 0, out + err
    status, out, _ = prov("deploy", "prod", "--json")
    assert status == 0 and {state for state, _ in steps(out).values()} == {"ok"}, out
    families = account.client("ecs").list_task_definitions(familyPrefix="prod-shop-web")
    assert len(families["taskDefinitionArns"]) == 1


def image(account: Account, name: str = "prod-shop-web") -> str:
    """The image that a service runs."""
    found = account.client("ecs").describe_services(cluster="main", services=[name])["services"][0]
    answer = account.client("ecs").describe_task_definition(taskDefinition=found["taskDefinition"])
    return str(answer["taskDefinition"]["containerDefinitions"][0]["image"])


def test_a_command_of_the_release_runs_once_as_a_task_and_its_exit_code_is_believed(
    prov: Prov, account: Account
) -> None:
    release = "release:\n                - sh -c 'echo $MODE ${SECRET_KEY:+given}'"
    write(account, app=release)
    status, out, _ = prov("deploy", "prod")
    assert status == 0 and "prod-shop-release-1: plain given" in out, out
    assert account.changes.count("ecs:RunTask") == 1
    before = image(account)
    Path("shop/shop.py").write_text("# newer\n")
    write(account, app="""release: [python3 -c "import sys; sys.exit('no such table')"]""")
    for _ in range(2):
        status, out, _ = prov("deploy", "prod")
        assert status == 1 and "ended with 1" in out and "no such table" in out, out
        assert image(account) == before
    write(account, app=release)
    assert prov("deploy", "prod")[0] == 0 and image(account) != before


@pytest.mark.parametrize(("word", "said"), [("crash", "boom at import"), ("absent", "not found")])
def test_a_release_that_does_not_run_is_gone_back_from_and_the_reason_is_said(
    prov: Prov, account: Account, word: str, said: str
) -> None:
    write(account, app="processes: {worker: sleep 1000000}")
    assert prov("deploy", "prod")[0] == 0
    before = image(account)
    Path("shop/shop.py").write_text("# broken\n")
    planned = prov("plan", "prod", "--json")[1]
    change = next(each for _, diff in steps(planned).values() for each in diff if "image" in each["what"])
    (account.images / f"{word} {change['after'].rpartition(':')[2]}").write_text("boom at import")
    status, out, err = prov("deploy", "prod")
    assert status == 1 and "ECS has gone back" in out and said in out, out + err
    assert image(account) == before and image(account, "prod-shop-process-worker") == before
    Path("shop/shop.py").write_text("# mended\n")
    assert prov("deploy", "prod")[0] == 0
    assert image(account) != before


def test_secrets_are_in_no_task_definition_rule_log_or_difference(prov: Prov, account: Account) -> None:
    said = "".join("".join(map(str, prov(*words.split()))) for words in ("plan prod", "deploy prod --json"))
    write(account, secret="second-c0ffee")
    for words in (
        "plan prod",
        "deploy prod --json",
        "status prod --json",
        "logs prod",
        "releases prod --json",
    ):
        said += "".join(map(str, prov(*words.split())))
    assert MASK in said and "PROV_SECRET_VERSIONS" in said
    ecs, ssm = account.client("ecs"), account.client("ssm")
    for arn in ecs.list_task_definitions()["taskDefinitionArns"]:
        said += json.dumps(ecs.describe_task_definition(taskDefinition=arn), default=str)
    said += json.dumps(account.client("events").list_targets_by_rule(Rule="prod-shop-job-clean"))
    for each in ssm.get_parameters_by_path(Path="/prov-records", Recursive=True, WithDecryption=True)[
        "Parameters"
    ]:
        said += json.dumps(each, default=str)
    for name, value in ((k, v) for k, v in vars(account).items() if k == "ids"):
        said += f"{name} {value}"
    for secret in (CANARY, "second-c0ffee"):
        assert secret not in said
    found = ssm.get_parameter(Name="/prov/prod/shop/SECRET_KEY", WithDecryption=True)["Parameter"]
    assert (found["Value"], found["Type"]) == ("second-c0ffee", "SecureString")


def test_what_is_no_longer_declared_goes_on_request(prov: Prov, account: Account) -> None:
    assert prov("deploy", "prod")[0] == 0
    file = Path("inventory/hosts.yml")
    file.write_text(file.read_text().replace("shop:\n", "mail:\n").replace("shop.test", "mail.test"))
    status, out, _ = prov("deploy", "prod")
    assert status == 0 and "service prod-shop-web is no longer declared (--prune removes it)" in out, out
    status, planned, _ = prov("plan", "prod", "--prune", "--json")
    assert "no parameter /prov/prod/shop/SECRET_KEY" in planned
    status, out, _ = prov("deploy", "prod", "--prune", "--json")
    assert status == 0 and steps(out) == steps(planned)
    names = [
        arn.rpartition("/")[2] for arn in account.client("ecs").list_services(cluster="main")["serviceArns"]
    ]
    assert sorted(names) == ["prod-mail-process-worker", "prod-mail-web"]
    assert [each["Name"] for each in account.client("events").list_rules()["Rules"]] == [
        "prod-mail-job-clean"
    ]
    groups = account.client("elbv2").describe_target_groups()["TargetGroups"]
    assert [each["TargetGroupName"] for each in groups] == ["prod-mail"]
    assert prov("plan", "prod", "--prune")[0] == 0


def test_what_prov_did_not_make_is_refused(prov: Prov, account: Account) -> None:
    ecs = account.client("ecs")
    containers = [{"name": "x", "image": "x"}]
    ecs.register_task_definition(family="theirs", containerDefinitions=containers)
    ecs.create_service(cluster="main", serviceName="prod-shop-web", taskDefinition="theirs", desiredCount=0)
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "the service prod-shop-web exists, and prov did not make it for prod" in out
    ecs.delete_service(**service(), force=True)
    ecs.register_task_definition(family="prod-shop-web", containerDefinitions=containers)
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "the task definition prod-shop-web exists, and prov did not make it" in out
    assert account.changes == []


def test_a_rollback_runs_the_release_before_and_holds_deploys(prov: Prov, account: Account) -> None:
    write(account, app="processes: {worker: sleep 1000000}")
    assert prov("deploy", "prod")[0] == 0
    first = image(account)
    Path("shop/shop.py").write_text("# newer\n")
    write(account, app="jobs: {clean: {command: python clean.py, schedule: daily}}", secret="second-c0ffee")
    assert prov("deploy", "prod", "--prune")[0] == 0
    assert image(account) != first
    status, planned, err = prov("rollback", "prod", "--check", "--json")
    assert status == 3, planned + err
    status, out, err = prov("rollback", "prod", "--json")
    assert (status, steps(out)) == (0, steps(planned)), out + err
    assert image(account) == image(account, "prod-shop-process-worker") == first
    assert account.client("events").list_rules()["Rules"] == []
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "prov resume prod shop" in out, out
    assert prov("resume", "prod")[0] == 0
    assert prov("deploy", "prod")[0] == 0 and image(account) != first
    status, out, _ = prov("releases", "prod")
    assert status == 0 and out.count("can be gone back to") == 1 and "in service" in out, out
    assert prov("plan", "prod")[0] == 0


def test_a_release_whose_secret_is_gone_can_not_be_gone_back_to(prov: Prov, account: Account) -> None:
    assert prov("deploy", "prod")[0] == 0
    Path("shop/shop.py").write_text("# newer\n")
    file = Path("inventory/hosts.yml")
    file.write_text(file.read_text().replace("secrets: {SECRET_KEY", "secrets: {OTHER_KEY"))
    assert prov("deploy", "prod", "--prune")[0] == 0
    assert "it needs secrets that are gone: SECRET_KEY" in prov("releases", "prod")[1]
    status, out, err = prov("rollback", "prod")
    assert status != 0 and "SECRET_KEY" in out + err


def test_one_run_at_a_time_changes_a_target_and_none_while_it_is_locked(prov: Prov, account: Account) -> None:
    assert prov("lock", "prod", "the cluster moves")[0] == 0
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "the cluster moves" in out and "prov unlock prod" in out
    assert prov("unlock", "prod")[0] == 0
    Path("inventory/group_vars").mkdir(exist_ok=True)
    began, go = threading.Event(), threading.Event()
    real = account.client("ecs").create_service

    def create_service(**wanted: Any) -> Any:
        began.set()
        assert go.wait(60)
        return real(**wanted)

    results: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(account.client("ecs"), "create_service", create_service)
        from provision.cli.main import cli

        def deploy() -> None:
            results.append(cli.main(["deploy", "prod"], standalone_mode=False) or 0)

        other = threading.Thread(target=deploy)
        other.start()
        assert began.wait(60)
        status, out, _ = prov("deploy", "prod")
        go.set()
        other.join(60)
    assert status == 1 and "another run is at work on prod" in out, out
    assert prov("plan", "prod")[0] == 0


def test_what_aws_would_refuse_is_said_before_anything_is_changed(prov: Prov, account: Account) -> None:
    file = Path("inventory/hosts.yml")
    text = file.read_text()

    def refused(old: str, new: str, said: str) -> None:
        assert old in text, old
        file.write_text(text.replace(old, new))
        for command in ("plan", "deploy"):
            status, out, err = prov(command, "prod")
            assert status in (1, 2) and said in out + err and account.changes == [], out + err

    refused("cluster: main", "cluster: mian", "there is no cluster 'mian' in eu-central-1; there are: main")
    refused(account.ids["subnets"].split(", ")[0], "subnet-0123", "subnet-0123")
    refused(account.ids["group"], "sg-0123", "sg-0123")
    refused("role/exec", "role/none", f"there is no role {ROLE}none")
    refused("role/exec", "role/events", "the role events does not trust ecs-tasks.amazonaws.com")
    refused("role/events", "role/exec", "the role exec does not trust events.amazonaws.com")
    gone = account.ids["listener"][:-1] + ("1" if account.ids["listener"][-1] != "1" else "2")
    refused(account.ids["listener"], gone, "there is no listener arn:")
    refused("count: 1", "launch: ec2", "the cluster main has no instances, which `launch: ec2` needs")
    refused("count: 1", "cpu: 300", "Fargate has no `cpu` 300: it is one of 256, 512, ")
    refused(
        "count: 1", "memory: 4096", "Fargate has no `memory` 4096 for `cpu` 256: it is one of 512, 1024, 2048"
    )
    refused("count: 1", "cpu: 512\n        memory: 1500", "it is 1024 to 4096, in steps of 1024")
    refused(
        f"region: {REGION}", "region: eu-west-1", "`listener` is in eu-central-1, and `region` is eu-west-1"
    )
    refused("schedule_role", "task_role", "lacks `schedule_role`, by which EventBridge starts jobs")


def test_an_image_that_is_not_in_ecr_is_said_before_anything_is_changed(prov: Prov, account: Account) -> None:
    file, registry = Path("inventory/hosts.yml"), f"000000000000.dkr.ecr.{REGION}.amazonaws.com"
    file.write_text(file.read_text().replace("registry.test/team", registry))
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "is not in the registry" in out and "prov image push prod shop" in out, out
    assert account.changes == []
    ecr = account.client("ecr")
    ecr.create_repository(repositoryName="shop")
    status, out, _ = prov("plan", "prod")
    assert status == 3 and "push it before you deploy:  prov image push prod shop" in out, out
    planned = steps(prov("plan", "prod", "--json")[1])["task definition prod-shop-web"][1][0]["after"]
    manifest = json.dumps({"schemaVersion": 2, "config": {}, "layers": []})
    ecr.put_image(repositoryName="shop", imageManifest=manifest, imageTag=planned.rpartition(":")[2])
    status, out, err = prov("deploy", "prod")
    assert status == 0, out + err


def test_credentials_that_can_not_be_used_are_named(
    prov: Prov, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    from provision.cloud.aws_calls import AwsCalls

    real = AwsCalls._client

    def expired(self: AwsCalls, service: str) -> Any:
        found = real(self, service)

        class Expired:
            def __getattr__(self, name: str) -> Any:
                def refuse(**_: Any) -> Any:
                    answer = {"Error": {"Code": "ExpiredTokenException", "Message": "expired"}}
                    raise found.exceptions.ClientError(answer, name)

                return refuse

        return Expired()

    monkeypatch.setattr(AwsCalls, "_client", expired)
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "the credentials of the user of these credentials have expired" in out, out


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("media: {/media/: media}", "prod.apps.shop.media: needs files that last"),
        ("writable: [cache]", "prod.apps.shop.writable: needs files that last"),
        ("deny: [192.0.2.0/24]", "prod.apps.shop.deny: keeps people out on a host"),
        ("secrets_as: credentials", "prod.apps.shop.secrets_as: gives secrets as files"),
        ("jobs: {j: {command: x, schedule: '0 0 1 * 1'}}", "EventBridge takes one of them"),
        ("processes: {w: {command: x, stop_timeout: 300}}", "Fargate kills a task after 120 s"),
    ],
)
def test_what_ecs_can_not_have_is_refused(prov: Prov, account: Account, app: str, said: str) -> None:
    write(account, app=app)
    status, _, err = prov("plan", "prod")
    assert status == 2 and said in err, err


def test_status_says_how_services_are(prov: Prov, account: Account) -> None:
    status, out, _ = prov("status", "prod")
    assert status == 3 and "! web: has no service" in out, out
    assert prov("deploy", "prod")[0] == 0
    account.changes.clear()
    status, out, _ = prov("status", "prod")
    assert status == 0 and account.changes == [], out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == "prod: ok" and "web 1 of 1 tasks run" in lines and "worker 1 of 1 tasks run" in lines
    assert "job clean cron(0 0 * * ? *) enabled" in lines
    update(account, desiredCount=0)
    account.client("events").disable_rule(Name="prod-shop-job-clean")
    status, out, _ = prov("status", "prod")
    assert status == 3 and "web: is stopped" in out and "disabled" in out, out


def test_logs_are_those_of_the_tasks(prov: Prov, account: Account) -> None:
    assert prov("logs", "prod")[0] == 0
    assert prov("deploy", "prod")[0] == 0
    status, out, _ = prov("logs", "prod", "shop", "--process", "release")
    assert status == 0 and "made ready" in out, out
    assert "made ready" not in prov("logs", "prod", "shop", "--process", "web")[1]
    assert "made ready" in prov("logs", "prod", "--since", "10m")[1]
    assert "aws --region eu-central-1 logs tail --follow /prov/prod/shop" in "".join(
        map(str, prov("logs", "prod", "--follow"))
    )


def test_commands_for_hosts_are_refused_with_what_to_do_here(prov: Prov, account: Account) -> None:
    said = "aws --region eu-central-1 ecs update-service --cluster main --service prod-shop-web --force-new-deployment"
    assert said in "".join(map(str, prov("restart", "prod")))
    assert "prov rollback prod" in "".join(map(str, prov("undo", "prod")))
