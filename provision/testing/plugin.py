"""The pytest plugin `prov`: fixtures for tests of roles and steps (docs/testing.md).

They are host, prov_host and deployed for tests of roles, and step_host for tests of steps.
pytest imports it in every run of every project where prov is installed, so it imports very little itself.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provision.testing import INSTALL
from provision.testing.lender import lender
from provision.testing.ownership import TESTINFRAS, is_ours, project_of_steps, role_of

if TYPE_CHECKING:
    from provision.testing.deployed import Deployed
    from provision.testing.provhost import ProvHost
    from provision.testing.stephost import StepHost


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add options for running pytest without `prov test`."""
    group = parser.getgroup("prov", "roles tested on throwaway hosts")
    group.addoption(
        "--prov-image",
        default="debian-12",
        metavar="IMAGE",
        help="Image of the hosts that are booted for roles.",
    )
    group.addoption("--prov-host", metavar="NAME", help="Test this host of the inventory, as it is.")
    group.addoption("--prov-trial", metavar="FILE", help="What prov test tells its runs of pytest.")


def pytest_configure(config: pytest.Config) -> None:
    """Register `host`. This is late enough to override pytest-testinfra's fixture of that name."""
    if importlib.util.find_spec("testinfra") is not None:
        from provision.testing import hostfixture

        config.pluginmanager.register(hostfixture, "prov-host")


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect roles as plain folders: as a package of tests, a role would be imported under a wrong name."""
    if (path / "__init__.py").is_file() and role_of(path / "tests" / "x") == path.name:
        folder: pytest.Collector = pytest.Dir.from_parent(parent, path=path)
        return folder
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path) -> None:
    """Let a test in steps/tests/ import `steps.NAME`, wherever pytest was started."""
    project = project_of_steps(module_path)
    if project is not None and str(project) not in sys.path:
        sys.path.insert(0, str(project))


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Leave tests of other hosts to pytest-testinfra."""
    if "host" not in metafunc.fixturenames:
        return
    ours = is_ours(metafunc.config, metafunc.definition.path)
    if ours and importlib.util.find_spec("testinfra") is None:
        raise pytest.UsageError(f"the fixture `host` needs pytest-testinfra: {INSTALL}")
    if not ours and metafunc.config.pluginmanager.hasplugin("pytest11.testinfra"):
        metafunc.fixturenames.append(TESTINFRAS)


@pytest.fixture(scope="module")
def prov_host(request: pytest.FixtureRequest) -> ProvHost:
    """The host under test: name, address, facts, apps, vars, ca, run(argv), fetch(url), connected(port)."""
    return lender(request.config).lend(request.path).host


@pytest.fixture(scope="module")
def deployed(request: pytest.FixtureRequest) -> Deployed:
    """The result of the first deploy: its steps by name. Tests that request it are skipped without one."""
    found = lender(request.config).lend(request.path).deployed
    if found is None:
        pytest.skip("nothing was deployed in this run: the host is tested as it is")
    return found


@pytest.fixture
def step_host(tmp_path: Path) -> StepHost:
    """Return a host for trying steps: this machine, with the steps' changes kept in memory."""
    from provision.testing.stephost import StepHost

    return StepHost(tmp_path / "ledger")
