"""Sites that prov made for applications which are no longer declared leave the front's configuration at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_sessions import Agents

from provision.controller.outcome import Outcome
from provision.steps.configuration import Configuration, warnings
from provision.steps.files import File

NGINX = """\
nginx: [warn] conflicting server name "shop.test" on 0.0.0.0:80, ignored
nginx: the configuration file /etc/nginx/nginx.conf syntax is ok
"""
APACHE = "[Sat Nov 21 14:02:07.1 2026] [core:warn] [pid 7:tid 9] AH00526: something is odd\nSyntax OK\n"


def front(root: Path, *sites: str, judge: tuple[str, ...] = ("true",)) -> Configuration:
    files = {f"sites/{site}.conf": "of prov\n" for site in sites}
    return Configuration(f"{root}/front", files, own=["sites/*.conf"], check_with=judge)


def deploy(agents: Agents, step: Configuration, *, role: str = "nginx", plan: bool = False) -> Outcome:
    with agents.session(plan=plan) as session:
        session.role = role
        return session.submit(step).wait()


def sites(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "front/sites").iterdir())


@pytest.mark.trust("9", "renamed-app")
def test_the_site_of_a_renamed_application_goes_with_the_deploy(agents: Agents, root: Path) -> None:
    (root / "front/sites").mkdir(parents=True)
    deploy(agents, front(root, "shop"))
    planned = deploy(agents, front(root, "store"), plan=True)
    done = deploy(agents, front(root, "store"))
    assert planned.diff == done.diff
    assert [change.before for change in done.diff if change.what == "removed"] == ["sites/shop.conf"]
    assert sites(root) == ["store.conf"]
    assert not deploy(agents, front(root, "store")).changed


@pytest.mark.trust("9", "sites-of-others")
def test_sites_of_others_stay(agents: Agents, root: Path) -> None:
    (root / "front/sites").mkdir(parents=True)
    (root / "front/sites/hand.conf").write_text("by hand")
    (root / "front/sites/before.conf").write_text("by hand")
    deploy(agents, front(root, "shop", "before"))
    with agents.session() as session:
        session.role = "nginx"
        session.submit(File(f"{root}/front/sites/mine.conf", "by a step of its own"))
    deploy(agents, front(root, "shop"), role="mine")
    assert not deploy(agents, front(root, "before", "shop")).changed
    assert sites(root) == ["before.conf", "hand.conf", "mine.conf", "shop.conf"]
    assert deploy(agents, front(root)).changed
    assert sites(root) == ["before.conf", "hand.conf", "mine.conf"], "one was there before prov came"


def test_what_the_judge_warns_of_is_shown(agents: Agents, root: Path) -> None:
    (root / "front/sites").mkdir(parents=True)
    judge = ("sh", "-c", 'echo "nginx: [warn] conflicting server name" >&2')
    done = deploy(agents, front(root, "shop", judge=judge))
    assert done.why == "nginx: [warn] conflicting server name"
    assert warnings(NGINX) == 'nginx: [warn] conflicting server name "shop.test" on 0.0.0.0:80, ignored'
    assert warnings(APACHE) == "AH00526: something is odd"
