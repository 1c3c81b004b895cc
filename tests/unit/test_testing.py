"""prov test before any host is booted: what is tested with what, what is refused, what pytest's XML says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from inventories import errors, project

from provision.cli.main import cli
from provision.errors import ConfigError, UsageError
from provision.testing import pytests
from provision.testing.deployed import Deployed, DeployedStep
from provision.testing.ownership import role_of
from provision.testing.trials import Trial, trial_of

ROLE = """
    from provision.role import Host, Params, task
    from provision.steps import files

    {more}

    @task
    def install(c: Host) -> None:
        files.file(c, "/etc/x", "x")
"""
INVENTORY = """
    web:
      vars:
        ansible_user: deploy
        ansible_host: 192.0.2.1
        roles: [shop]
      hosts:
        web-1:
          word: one
        web2.example.com:
        idle:
          roles: []
"""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a role that needs another one; the current folder."""
    monkeypatch.chdir(tmp_path)
    return project(
        tmp_path,
        {
            "roles/shop/__init__.py": ROLE.format(more='REQUIRES = ("store",)'),
            "roles/store/__init__.py": ROLE.format(more=""),
            "inventory/hosts.yml": INVENTORY,
        },
    )


def trial(subject: str, image: str = "debian-12") -> Trial:
    return trial_of(subject, image, Path("/nowhere/ca"))


def refused(*words: str) -> UsageError:
    with pytest.raises((UsageError, ConfigError)) as caught:
        CliRunner().invoke(cli, ["test", *words], catch_exceptions=False, standalone_mode=False)
    assert caught.value.exit_code == 2
    assert isinstance(caught.value, UsageError) or caught.value.message
    return caught.value  # type: ignore[return-value]


# -- what is tested


def test_a_role_comes_with_those_that_it_requires(made: Path) -> None:
    found = trial("shop", "debian-13")
    assert found.hosts == ["test-shop-debian-13"]
    (assignment,) = found.assignments
    assert [role.name for role, _ in assignment.roles] == ["store", "shop"]
    assert found.tests == {"test-shop-debian-13": ()}
    assert assignment.host.connection.kind == "lab"


def test_a_role_with_an_inventory_of_its_own(made: Path) -> None:
    project(
        made,
        {
            "roles/shop/tests/inventory.yml": "roles: [python, store, shop]\nplace: [here]\nansible_user: me\n",
            "roles/shop/tests/test_shop.py": "",
        },
    )
    found = trial("shop")
    (assignment,) = found.assignments
    assert [role.name for role, _ in assignment.roles] == ["python", "store", "shop"]
    assert assignment.host.vars["place"] == ["here"]
    assert assignment.host.connection.user is None, "the lab knows how to log in"
    assert str(assignment.host.origin("place")) == "roles/shop/tests/inventory.yml:2"
    assert list(found.tests.values()) == [(made / "roles/shop/tests",)]


def test_the_authority_is_not_the_projects(made: Path) -> None:
    project(
        made, {"roles/shop/tests/inventory.yml": "roles: [store, shop, tls]\ntls: {days: 3, ca: .prov/ca}\n"}
    )
    (assignment,) = trial("shop").assignments
    (tls,) = assignment.params.values()
    assert (tls.ca, tls.days) == ("/nowhere/ca", 3)  # type: ignore[attr-defined]


def test_hosts_of_the_inventory(made: Path) -> None:
    project(
        made,
        {
            "inventory/hosts.yml": INVENTORY.replace("[shop]", "[store]"),
            "tests/test_web.py": "",
            "tests/test_web_1.py": "",
        },
    )
    found = trial("web-1")
    (assignment,) = found.assignments
    assert found.hosts == ["web-1"]
    assert (assignment.host.connection.kind, assignment.host.vars["word"]) == ("lab", "one")
    assert found.tests["web-1"] == (made / "tests/test_web_1.py", made / "tests/test_web.py")
    assert assignment.host.inventory.select("web")[0] is assignment.host, (
        "what refers to it finds it in the lab"
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("- a", "roles/shop/tests/inventory.yml:1: must be a mapping of a host's variables, not a list"),
        ("a: [", "roles/shop/tests/inventory.yml:1"),
        ("roles: [shop]", "roles/shop/tests/inventory.yml:1 test-shop-debian-12.roles.0: role 'shop' needs"),
        ("roles: [stoer]", "there is no role 'stoer'. Did you mean 'store'?"),
    ],
)
def test_inventories_that_make_no_sense(made: Path, text: str, error: str) -> None:
    project(made, {"roles/shop/tests/inventory.yml": text})
    assert error in errors(lambda: trial("shop"))[0]


# -- what is refused


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["shpo"], "there is no role, host or group 'shpo'. Did you mean 'shop'?"),
        (["web_1"], "there is no role, host or group 'web_1'. Did you mean 'web-1'?"),
        (["shop", "--image", "debian-11"], "unknown image 'debian-11'. Did you mean 'debian-1"),
        (["shop", "--driver", "vagrand"], "unknown driver 'vagrand'. Did you mean 'vagrant'?"),
        (["web2*"], "'web2.example.com' can't be a lab host's name, so it can't be tested by its own"),
        (
            ["web-1", "--keep", "--image", "debian-12,debian-13"],
            "--keep would leave web-1 where the next test",
        ),
        (["idle"], "nothing to test: no roles are listed for idle"),
        (["shop", "-i", "nosuch.yml", "nothing"], "no such inventory file or folder"),
    ],
)
def test_mistakes(made: Path, words: list[str], message: str) -> None:
    project(made, {"roles/shop/__init__.py": ROLE.format(more="")})
    assert message in refused(*words).message


def test_without_an_inventory_there_are_roles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "Did you mean 'nginx'?" in refused("ngnix").message
    assert trial("nginx").is_role


def test_a_broken_role(made: Path) -> None:
    project(made, {"roles/shop/__init__.py": "import nosuch\n"})
    assert "role 'shop' can't be imported" in refused("shop").message


def test_pytest_testinfra_is_missing(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(made, {"roles/store/tests/test_store.py": ""})
    real = __import__("importlib.util").util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *more: None if name == "testinfra" else real(name, *more)
    )
    found = refused("store")
    assert found.message == "the tests need pytest-testinfra"
    assert found.hint == "Install it:  pip install 'prov-deploy[test]'"


# -- the plugin


def test_whose_tests_a_file_is_among(made: Path) -> None:
    assert role_of(made / "roles/shop/tests/test_shop.py") == "shop"
    assert role_of(made / "roles/shop/tests/deeper/test_shop.py") == "shop"
    assert role_of(made / "roles/shop/test_shop.py") == ""
    assert role_of(made / "roles/nosuch/tests/test_shop.py") == ""
    assert role_of(made / "tests/test_web.py") == ""


def run_pytest(folder: Path, *words: str) -> str:
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False).stdout


def test_it_costs_nothing_where_it_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(
        "import sys\n"
        "def test_x():\n"
        "    ours = ('provision.roles.role_host', 'provision.lab')\n"
        "    heavy = (*ours, 'fabric', 'paramiko', 'pydantic', 'yaml', 'jinja2')\n"
        "    assert 'provision.testing.plugin' in sys.modules\n"
        "    assert [name for name in heavy if name in sys.modules] == []\n"
    )
    assert "1 passed" in run_pytest(tmp_path)


def test_testinfras_own_fixture_stays_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(
        "def test_x(host):\n    assert host.backend.get_connection_type() == 'local'\n"
    )
    said = run_pytest(tmp_path, "-vv")
    assert "test_x[local] PASSED" in said
    assert "1 passed" in said


def test_tests_in_no_roles_folder_have_no_host(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text("def test_x(prov_host):\n    pass\n")
    said = run_pytest(tmp_path)
    assert "is in no role's folder of tests" in said
    assert "--prov-host NAME" in said
    assert "Traceback" not in said


# -- what came of it

XML = """<testsuites><testsuite>
<testcase classname="t" name="good" time="0.5"/>
<testcase classname="t" name="bad" time="1"><failure message="first&#10;second">all of it</failure></testcase>
<testcase classname="t" name="bad" time="0"><error message="teardown">more</error></testcase>
<testcase classname="t" name="left" time="0"><skipped message="why">where</skipped></testcase>
<testcase classname="" name="roles.x.tests.test_x" time="0"><error message="collection failure">E</error></testcase>
</testsuite></testsuites>"""


def test_what_pytest_found() -> None:
    found = {test.name: (test.state, test.why) for test in pytests.parse(XML, "h")}
    assert found == {
        "good": ("passed", ""),
        "bad": ("failed", "teardown"),
        "left": ("skipped", "why"),
        "roles.x.tests.test_x": ("failed", "collection failure"),
    }


def test_steps_by_name() -> None:
    steps = [
        DeployedStep("a", "file /x", "changed"),
        DeployedStep("b", "file /x", "ok"),
        DeployedStep("b", "file /y", "ok"),
    ]
    found = Deployed.from_json(json.loads(json.dumps(Deployed(steps).as_json())))
    assert found["file /x"].state == "changed"
    assert found.changed == ["file /x"]
    assert list(found) == ["file /x", "file /y"]
    with pytest.raises(KeyError, match="no step 'file /z' was deployed; there are: file /x, file /y"):
        found["file /z"]
