"""All modules of docs/ansible.md that can be run on lab hosts, by Ansible and by prov: the same hosts afterwards.

On Debian 12 and 13, with a first change, a second run, a second change and a removal; each row is in
tests/lab/like_ansible/rows. Ansible with its collections is in an environment of its own, which `make prove` makes.
Only rows whose tests run are given to the hosts: `-k "postgresql_owner or everything"` compares one.
"""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml
from helpers.alike import HERE, PHASES, Both, Comparison, Row, rows
from helpers.hosts import Hosts

pytestmark = pytest.mark.lab

IMAGES = ("debian-12", "debian-13")
PROGRAM = HERE / ".venv/bin/ansible-playbook"


@pytest.fixture(scope="module", params=IMAGES)
def both(request: pytest.FixtureRequest, lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """What came of the rows of an image."""
    assert PROGRAM.exists(), f"{PROGRAM} is missing: `make prove` installs it"
    image = str(request.param)
    params = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    chosen = {given["row"].row for given in params if "row" in given}
    mine = [row for row in rows() if image in row.images and row.row in chosen]
    found = Comparison(lab_hosts, tmp_path_factory.mktemp("all"), image, mine, PROGRAM).run()
    lab_hosts.down([name for name in lab_hosts.known if name.endswith(image[-2:])])
    return found


@pytest.mark.parametrize("phase", PHASES)
def test_both_have_done_everything(both: Both, phase: str) -> None:
    both.check_done(phase)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.row)
def test_the_hosts_are_the_same_after_each_change(both: Both, row: Row) -> None:
    if row.row in both.seen["before"]:
        both.check(row)
    else:
        assert row.images != IMAGES and row.why


def test_options_that_the_page_names_are_those_of_the_modules() -> None:
    named = yaml.safe_load((HERE / "options.yml").read_text())
    argv = [str(PROGRAM.with_name("ansible-doc")), "-t", "module", "-j", *named]
    said = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120).stdout)
    missing = {
        module: found
        for module, options in named.items()
        if (found := set(options) - set(said[module]["doc"]["options"]))
    }
    assert missing == {}
