"""Targets on EKS: moto as AWS, and the double of an API server, which asks STS who has signed a token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_project import Prov, command_line, steps
from cluster_double import Cluster, without_records
from eks_account import ACCOUNT, KEYS, REGION, EksAccount, authority, eks
from inventories import project
from test_kubernetes_deploy import CANARY, INVENTORY, PARTS, container_of

from provision.cloud.aws_calls import AwsCalls
from provision.platforms import target_lock
from provision.platforms.eks.eks_clusters import principal_of
from provision.platforms.kubernetes import rollouts

KUBERNETES = "kubernetes: {namespace: shop, context: test, kubeconfig: ../config,"
EKS = f"eks: {{cluster: main, region: {REGION}, namespace: shop,"


def write(app: str = PARTS, block: str = "replicas: 2") -> None:
    text = INVENTORY.replace("platform: kubernetes", "platform: eks").replace(KUBERNETES, EKS)
    project(Path(), {"inventory/hosts.yml": text % (block, CANARY, app)})


@pytest.fixture
def account(tmp_path: Path) -> Iterator[EksAccount]:
    with eks(tmp_path, Cluster()) as found:
        yield found


@pytest.fixture
def prov(
    tmp_path: Path, account: EksAccount, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Prov:
    """Runs the command line in a project with an application; gives exit status, stdout and stderr."""
    source = {"shop/shop.py": "", "shop/requirements.txt": "", "base.tar": ""}
    monkeypatch.chdir(project(tmp_path, source))
    monkeypatch.setattr(rollouts, "PERIOD", 0.01)
    monkeypatch.setattr(target_lock, "WATCHED", 0.0)
    write()
    return command_line(monkeypatch, capsys)


def test_a_plan_says_what_the_deploy_then_does_and_a_second_one_does_nothing(
    prov: Prov, account: EksAccount
) -> None:
    status, out, err = prov("plan", "prod", "--json")
    planned = steps(out)
    assert status == 3 and without_records(account.cluster) == {}, out + err
    status, out, err = prov("deploy", "prod", "--json")
    assert (status, steps(out)) == (0, planned), out + err
    status, out, err = prov("deploy", "prod", "--json")
    assert status == 0 and {state for state, _ in steps(out).values()} == {"ok"}, out + err
    container_of(account.cluster, "shop")["image"] = "evil"
    status, planned_out, _ = prov("plan", "prod", "--json")
    assert status == 3
    status, out, _ = prov("deploy", "prod", "--json")
    assert (status, steps(out)) == (0, steps(planned_out))


def test_commands_are_those_of_kubernetes(prov: Prov, account: EksAccount) -> None:
    said = "".join(map(str, prov("deploy", "prod", "--json")))
    first = container_of(account.cluster, "shop")["image"]
    Path("shop/shop.py").write_text("# newer\n")
    for words in ("plan prod --json", "deploy prod", "status prod --json", "logs prod", "drift prod"):
        said += "".join(map(str, prov(*words.split())))
    assert container_of(account.cluster, "shop")["image"] != first
    status, out, err = prov("rollback", "prod")
    assert status == 0 and container_of(account.cluster, "shop")["image"] == first, out + err
    said += out + err + "".join(map(str, prov("releases", "prod", "--json")))
    assert prov("deploy", "prod")[0] == 1 and prov("resume", "prod")[0] == 0
    assert prov("lock", "prod", "the cluster moves")[0] == 0 and prov("deploy", "prod")[0] == 1
    assert prov("unlock", "prod")[0] == 0 and prov("deploy", "prod")[0] == 0
    for secret in (CANARY, KEYS["AWS_SECRET_ACCESS_KEY"], *set(account.tokens)):
        assert secret not in said


def test_manifests_are_written_without_asking_aws(prov: Prov, account: EksAccount) -> None:
    status, out, err = prov("kubernetes", "render", "prod")
    assert status == 0 and "kind: Deployment" in out, err
    assert account.tokens == []


def test_a_token_is_made_again_before_it_ends(
    prov: Prov, account: EksAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    real = AwsCalls.presigned

    def presigned(self: AwsCalls, *arguments: Any) -> str:
        made.append(arguments)
        return real(self, *arguments)

    monkeypatch.setattr(AwsCalls, "presigned", presigned)
    assert prov("plan", "prod")[0] == 3
    few = len(made)
    assert few <= 2 < len(account.tokens)
    monkeypatch.setattr("provision.platforms.eks.eks_clusters.RENEWED", -1)
    made.clear()
    account.tokens.clear()
    assert prov("plan", "prod")[0] == 3
    assert len(made) == len(account.tokens) + few


def test_an_identity_that_the_cluster_does_not_know_is_named(prov: Prov, account: EksAccount) -> None:
    account.entries.clear()
    for words in ("plan prod", "deploy prod", "releases prod"):
        status, out, err = prov(*words.split())
        assert status == 1, out + err
        assert f"the cluster main does not let arn:aws:sts::{ACCOUNT}:user/moto in" in out + err
        line = (
            f"aws --region {REGION} eks create-access-entry --cluster-name main --principal-arn arn:aws:sts::"
        )
        assert line in out + err and "ConfigMap aws-auth of kube-system" in out + err
    assert account.cluster.objects == {}


def test_the_role_of_a_session_is_what_a_cluster_lets_in() -> None:
    arn = f"arn:aws-cn:sts::{ACCOUNT}:assumed-role/Deploys/ann"
    assert principal_of(arn) == f"arn:aws-cn:iam::{ACCOUNT}:role/Deploys"
    assert principal_of(f"arn:aws:iam::{ACCOUNT}:user/ann") == f"arn:aws:iam::{ACCOUNT}:user/ann"


def refused(prov: Prov, account: EksAccount, said: str, status: int = 1) -> None:
    """A plan and a deploy fail, and say so."""
    for command in ("plan", "deploy"):
        found, out, err = prov(command, "prod")
        assert (found, said in out + err) == (status, True), out + err
    assert account.cluster.objects == {}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            "CREATING",
            f"is CREATING, expected ACTIVE\n  Wait until it is:  aws --region {REGION} eks wait cluster-",
        ),
        ("DELETING", "is DELETING, expected ACTIVE"),
        ("FAILED", "is FAILED, expected ACTIVE"),
    ],
)
def test_a_cluster_that_does_not_serve_is_refused(
    prov: Prov, account: EksAccount, status: str, said: str
) -> None:
    account.described.status = status
    found = "".join(map(str, prov("plan", "prod")))
    first, _, rest = said.partition("\n")
    assert first in found and rest.strip() in found
    refused(prov, account, first)
    assert account.tokens == []


def test_a_cluster_that_is_being_updated_serves(prov: Prov, account: EksAccount) -> None:
    account.described.status = "UPDATING"
    assert prov("deploy", "prod")[0] == 0


def test_a_cluster_that_does_not_exist_is_refused_with_those_that_do(prov: Prov, account: EksAccount) -> None:
    file = Path("inventory/hosts.yml")
    file.write_text(file.read_text().replace("cluster: main", "cluster: mian"))
    refused(prov, account, f"there is no cluster 'mian' in {REGION}; there are: main")


def test_a_cluster_without_an_address_of_aws_is_refused(prov: Prov, account: EksAccount) -> None:
    account.described.endpoint = ""
    refused(prov, account, "AWS has no address for the cluster main")
    account.described.endpoint = "http://127.0.0.1:1"
    refused(prov, account, "AWS has no address for the cluster main")


def test_a_server_that_another_authority_signed_gets_no_token(
    prov: Prov, account: EksAccount, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    account.described.certificate_authority = {"data": authority(other)[1]}
    refused(prov, account, "could not be reached", status=4)
    assert account.tokens == []
    account.described.certificate_authority = {"data": "no certificate"}
    refused(prov, account, "what AWS says of the cluster main can't be used")


def test_a_server_that_does_not_answer_is_unreachable(prov: Prov, account: EksAccount) -> None:
    account.described.endpoint = "https://127.0.0.1:1"
    refused(prov, account, "Is this machine in a network that it is open to (", status=4)
    account.described.resources_vpc_config["endpointPublicAccess"] = False
    refused(prov, account, "Its address is private: run prov inside its VPC", status=4)


def test_credentials_that_can_not_be_used_are_named(
    prov: Prov, account: EksAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = AwsCalls._client

    class Expired:
        def __init__(self, found: Any) -> None:
            self.found = found

        def describe_cluster(self, **_: Any) -> Any:
            answer = {"Error": {"Code": "ExpiredTokenException", "Message": "expired"}}
            raise self.found.exceptions.ClientError(answer, "DescribeCluster")

    with monkeypatch.context() as patch:
        patch.setattr(AwsCalls, "_client", lambda self, service: Expired(real(self, service)))
        refused(prov, account, "the credentials of the user of these credentials have expired")
    for name in KEYS:
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    refused(prov, account, "no credentials for AWS were found")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("cluster: main, ", "", "cluster"),
        ("cluster: main", "cluster: -main", "'-main' is not the name of a cluster"),
        (f"region: {REGION}", "region: europe", "'europe' is not a region like eu-central-1"),
        (f"region: {REGION}", "region: eu-centrall-1", "knows no region 'eu-centrall-1'"),
        ("clients: [x]", "context: test, clients: [x]", "context"),
        ("eks: {", "kubernetes: {", "needs a block `eks`"),
    ],
)
def test_a_block_that_can_not_be_used_is_refused(
    prov: Prov, account: EksAccount, old: str, new: str, said: str
) -> None:
    file = Path("inventory/hosts.yml")
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    status, out, err = prov("deploy", "prod")
    assert status in (1, 2) and said in out + err, out + err
    assert account.tokens == [] and account.cluster.requests == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            "restart prod",
            f"aws --region {REGION} eks update-kubeconfig --name main --alias main && kubectl --context main"
            " --namespace shop rollout restart deployment/shop",
        ),
        ("undo prod", "prov rollback prod"),
        ("logs prod -f", "--namespace shop logs --follow"),
    ],
)
def test_commands_for_hosts_say_what_to_do_instead(
    prov: Prov, account: EksAccount, command: str, said: str
) -> None:
    status, _, err = prov(*command.split())
    assert status == 2 and said in err, err
    assert account.tokens == []
