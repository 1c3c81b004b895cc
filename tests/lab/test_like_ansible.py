"""Ansible's modules and prov's steps side by side: the same changes, the same hosts afterwards.

`like_ansible/playbook.yml` and `like_ansible/__init__.py` ask for the same; docs/ansible.md lists what differs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers.cli import Run, prov
from helpers.hosts import Hosts, Kind, on
from helpers.projects import Project

from provision import lab

pytestmark = pytest.mark.lab

HERE = Path(__file__).parent / "like_ansible"
THEIRS, OURS = "t-ansible", "t-same"

#: what is on both hosts before: an archive and a repository, served by the host itself, and files to be changed
BEFORE = """
set -e
apt-get install -q -y --no-install-recommends git nano python3-venv python3-debian >/dev/null
mkdir -p /srv/www /srv/old/inner /srv/tree/deep /srv/data
mkdir /tmp/d && echo inner > /tmp/d/file && tar -C /tmp/d --mtime=2020-01-01 --owner=0 --group=0 -cf - file \\
    | gzip -n > /srv/www/data.tar.gz
printf 'color = red\\nshape = round\\n' > /srv/settings.conf
touch /srv/tree/a /srv/tree/deep/b; chmod 755 /srv/tree/a
echo six==1.17.0 > /srv/requirements.txt
git init -q -b main /tmp/repo && cd /tmp/repo && git config user.email a@example.com && git config user.name a
export GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z
echo one > file && git add file && git commit -q -m one
git tag v1 && echo two > file && git commit -q -am two
git clone -q --bare /tmp/repo /srv/repo.git
systemd-run --quiet --unit=www --working-directory=/srv/www /usr/bin/python3 -m http.server --bind 127.0.0.1 8000
sha256sum /srv/www/data.tar.gz | cut -d' ' -f1
apt-get indextargets --format '$(REPO_URI)' | head -1
"""

#: what is compared: name -> a command whose output has to be the same
COMPARED = {
    "apt": "dpkg-query -W -f '${Package} ${Status}\\n' git cron unzip",
    "apt absent": "dpkg-query -W -f '${Status}\\n' nano 2>&1 | cut -d' ' -f2-",
    "dpkg_selections": "apt-mark showhold",
    "debconf": "echo get tzdata/Areas | debconf-communicate tzdata",
    "deb822_repository": "grep -vE '^($|#|X-)' /etc/apt/sources.list.d/example.sources | sort",
    "group": "getent group staff2",
    "user": "getent passwd ann; id -Gn ann; getent shadow ann | cut -d: -f2; stat -c '%a %U %G' /home/ann",
    "user absent": "getent passwd games; echo $?",
    "file: directory": "stat -c '%a %U %G %F' /srv/app",
    "copy": "stat -c '%a %U %G' /srv/app/hello.txt; cat /srv/app/hello.txt",
    "template": "stat -c '%a %U' /srv/app/greeting.txt; cat /srv/app/greeting.txt",
    "file: link": "readlink /srv/app/link",
    "file: absent": "ls -d /srv/old; echo $?",
    "file: recurse": "find /srv/tree -printf '%p %m %u %g\\n' | sort",
    "lineinfile and blockinfile": "grep -v '^#' /srv/settings.conf; stat -c '%a %U' /srv/settings.conf",
    "cron": "grep -E '^[0-9]' /etc/cron.d/clean | tr -s ' \\t' ' '; stat -c '%a %U' /etc/cron.d/clean",
    "hostname": "hostname; cat /etc/hostname",
    "known_hosts": "ssh-keygen -F git.example.com -f /etc/ssh/ssh_known_hosts | grep -v '^#'",
    "get_url": "sha256sum /srv/data.tar.gz; stat -c '%a %U' /srv/data.tar.gz",
    "unarchive": "cat /srv/data/file; stat -c '%a %U' /srv/data/file",
    "git": "git -c safe.directory='*' -C /srv/checkout rev-parse HEAD; cat /srv/checkout/file",
    "command": "stat -c '%s %a %U' /srv/touched",
    "shell": "cat /srv/shouted",
    "script": "cat /srv/from-script; ls /tmp/ | grep -c script",
    "pip": "/srv/venv/bin/python -c 'import six; print(six.__version__)'",
    "systemd_service": "systemctl is-active sleeper; systemctl is-enabled sleeper; systemctl cat sleeper",
    "systemd_service: masked": "systemctl is-enabled fstrim.timer",
    "service": "systemctl is-active cron; systemctl is-enabled cron",
}


@dataclass(frozen=True)
class Both:
    """The same by both. again: prov's second run."""

    ansible: subprocess.CompletedProcess[str]
    first: Run
    again: Run


@pytest.fixture(scope="module")
def both(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Both:
    found = lab_hosts.up({THEIRS: Kind(), OURS: Kind()})
    with ThreadPoolExecutor() as pool:
        said, other = pool.map(lambda name: on(name, "sh", "-c", BEFORE, timeout=200), (THEIRS, OURS))
    assert said == other
    given = dict(zip(("archive", "mirror"), said.split(), strict=True))
    project = Project(tmp_path_factory.mktemp("same"))
    project.inventory({OURS: {"same": given}}, ansible_connection="lab", roles=["same"])
    shutil.copytree(HERE, project.folder / "roles/same")
    ansible = play(found[THEIRS], project.folder, given)
    first = prov("deploy", OURS, cwd=project.folder, timeout=300)
    again = prov("deploy", OURS, cwd=project.folder)
    return Both(ansible, first, again)


def play(host: lab.LabHost, folder: Path, given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the playbook on a host, as its documentation says."""
    inventory = folder / "ansible.ini"
    inventory.write_text(
        f"{host.name} ansible_host={host.address} ansible_user={host.user} ansible_port={host.port} "
        f"ansible_ssh_private_key_file={host.key} ansible_python_interpreter=/usr/bin/python3 "
        f"ansible_ssh_common_args='-o UserKnownHostsFile={host.known_hosts}'\n"
    )
    program = Path(sys.executable).with_name("ansible-playbook")
    return subprocess.run(
        [program, "-i", inventory, "-e", json.dumps(given), HERE / "playbook.yml"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "ANSIBLE_PIPELINING": "1", "LC_ALL": "C.UTF-8"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_both_have_done_everything(both: Both) -> None:
    assert both.ansible.returncode == 0, both.ansible.stdout[-3000:] + both.ansible.stderr
    assert both.first.not_in(OURS, "ok", "changed") == []
    assert both.first.status == 0


@pytest.mark.parametrize("name", COMPARED)
def test_the_host_is_the_same_afterwards(both: Both, name: str) -> None:
    theirs, ours = (on(host, "sh", "-c", COMPARED[name], check=False) for host in (THEIRS, OURS))
    assert theirs == ours
    assert theirs


def test_a_second_run_changes_nothing(both: Both) -> None:
    assert both.again.not_in(OURS, "ok") == []


def test_everything_that_is_compared_is_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs/ansible.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) >= 30
    for name in COMPARED:
        for module in name.split(":")[0].removesuffix(" absent").split(" and "):
            assert any(f"`{module}`" in row for row in rows), f"{module} is not in docs/ansible.md"
