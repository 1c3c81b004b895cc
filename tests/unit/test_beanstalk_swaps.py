"""`swap` of a target on Elastic Beanstalk: a release starts in a second environment, and gets the address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from beanstalk_account import Account, beanstalk_account, used_by_prov
from cli_project import Prov, command_line, steps
from helpers.samples import sample
from inventories import project
from test_elastic_beanstalk import ENVIRONMENT, label, release, write

SWAP = "swap: true"


@pytest.fixture(scope="module")
def server() -> Iterator[Account]:
    with beanstalk_account() as found:
        yield found


@pytest.fixture
def account(server: Account, tmp_path: Path) -> Iterator[Account]:
    with used_by_prov(server, tmp_path / "cache") as found:
        yield found


@pytest.fixture
def prov(
    tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Prov:
    """Runs the command line in a project with an application; gives exit status, stdout and stderr."""
    monkeypatch.chdir(project(tmp_path, {"shop/shop.py": "", "shop/requirements.txt": ""}))
    write(app="", block=SWAP)
    return command_line(monkeypatch, capsys)


def address(account: Account) -> str:
    """The environment that has the application's address."""
    front = account.beanstalk.fronts[ENVIRONMENT]
    own = f"127.0.0.1:{front.server_address[1]}"
    (found,) = [name for name, each in account.beanstalk.environments.items() if each.cname == own]
    return found


def test_with_swap_a_release_starts_beside_the_one_that_serves_and_gets_its_address(
    prov: Prov, account: Account
) -> None:
    assert prov("deploy", "prod")[0] == 0
    first = label(account)
    assert address(account) == ENVIRONMENT and "elasticbeanstalk:SwapEnvironmentCNAMEs" not in account.changes
    assert prov("plan", "prod")[0] == 0
    release("newer")
    for serving, other in ((ENVIRONMENT, f"{ENVIRONMENT}-2"), (f"{ENVIRONMENT}-2", ENVIRONMENT)):
        before = label(account, serving)
        account.changes.clear()
        status, out, err = prov("plan", "prod", "--json")
        assert status == 3 and account.changes == [], out + err
        planned = steps(out)
        status, out, err = prov("deploy", "prod", "--json")
        assert (status, steps(out)) == (0, planned), out + err
        assert (address(account), label(account, serving)) == (other, before)
        account.changes.clear()
        assert prov("deploy", "prod")[0] == 0 and account.changes == []
        assert f"environment {serving}" in prov("status", "prod")[1]
        release(f"after {other}")
    before = label(account, address(account))
    assert prov("deploy", "prod")[0] == 0
    assert label(account, address(account)) not in (before, first)
    account.changes.clear()
    status, out, err = prov("rollback", "prod", "--json", "--no-hold")
    assert status == 0, out + err
    # the other environment still runs it
    assert label(account, address(account)) == before
    assert [each for each in account.changes if each.startswith("elasticbeanstalk")] == [
        "elasticbeanstalk:SwapEnvironmentCNAMEs"
    ]


@pytest.mark.parametrize(
    ("text", "said"), [("hook fails", "ended with 1"), ("lies", "the health path answers 500")]
)
def test_with_swap_a_release_that_does_not_serve_gets_no_address(
    prov: Prov, account: Account, text: str, said: str
) -> None:
    assert prov("deploy", "prod")[0] == 0
    before = label(account)
    release(text)
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and said in out and f"{ENVIRONMENT} goes on serving" in out, out
    assert (address(account), label(account)) == (ENVIRONMENT, before)
    release("mended")
    assert prov("deploy", "prod")[0] == 0 and address(account) == f"{ENVIRONMENT}-2"


def test_without_swap_again_the_environment_that_serves_stays_and_the_other_one_goes(
    prov: Prov, account: Account
) -> None:
    assert prov("deploy", "prod")[0] == 0
    release("newer")
    assert prov("deploy", "prod")[0] == 0
    write(app="", block="swap: false")
    status, out, _ = prov("deploy", "prod", "--prune")
    assert status == 0 and f"no environment {ENVIRONMENT}" in out, out
    live = {name: each.status for name, each in account.beanstalk.environments.items()}
    assert live == {ENVIRONMENT: "Terminated", f"{ENVIRONMENT}-2": "Ready"}
    assert address(account) == f"{ENVIRONMENT}-2" and prov("plan", "prod", "--prune")[0] == 0


@pytest.mark.parametrize("left", sample(range(1, 12), 3))
def test_a_deploy_with_swap_that_is_cut_at_any_change_is_finished_by_the_next(
    prov: Prov, account: Account, left: int
) -> None:
    assert prov("deploy", "prod")[0] == 0
    release("newer")
    account.left = left
    first, out, _ = prov("deploy", "prod")
    assert (first, "Cut" in out) in ((1, True), (0, False)), out
    account.left = None
    account.beanstalk.settle()
    assert prov("deploy", "prod")[0] == 0 and prov("plan", "prod")[0] == 0
    assert address(account) == f"{ENVIRONMENT}-2"
