"""Labs that begin at the same moment, on a network stack and a /run of their own: what each takes is its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LABS = 8

#: acts as the processes of several labs; says what came of it
PREPARE = """
import json, multiprocessing, os, signal, sys
from pathlib import Path
from provision.errors import LabError
from provision.lab import forwarding, network, shared, store
from provision.lab.lab_host import HostRecord
from provision.locks import locked

together = multiprocessing.get_context("fork")
top = Path(sys.argv[1])

def lab(number):
    found = store.Lab(top / f"lab{number}")
    found.path.mkdir(exist_ok=True)
    return found

def begin(number, ready, seen):
    ready.wait(20)
    try:
        with locked(lab(number).path):
            seen.put((number, str(network.subnet(lab(number)))))
    except LabError as error:
        seen.put((number, f"{error.message}. {error.hint}"))

def begin_together(numbers):
    ready, seen = together.Barrier(len(numbers)), together.SimpleQueue()
    processes = [together.Process(target=begin, args=(n, ready, seen)) for n in numbers]
    for process in processes: process.start()
    found = dict(seen.get() for _ in processes)
    for process in processes: process.join(20)
    return found

def end(number):
    with locked(lab(number).path):
        network.remove(lab(number))
        shared._forget_runtime_folders()

def left():
    return sorted(p.name for p in Path("/sys/class/net").iterdir() if p.name.startswith("prov-"))
"""


def inside(tmp_path: Path, code: str) -> dict[str, object]:
    """What a program prints as JSON, in namespaces in which nothing of this machine can be changed."""
    script = 'mount -t tmpfs tmpfs /run && mount -t sysfs sysfs /sys && ip link set lo up && exec "$@"'
    python = [sys.executable, "-c", PREPARE + code, str(tmp_path)]
    done = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-c", script, "sh", *python],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.trust("8", "lab-subnet-race")
def test_labs_that_begin_together_take_different_subnets(tmp_path: Path) -> None:
    found = inside(
        tmp_path,
        f"""
rounds = []
for _ in range(3):
    rounds.append(list(begin_together(list(range({LABS}))).values()))
    for number in range({LABS}): end(number)
print(json.dumps({{"rounds": rounds, "left": left(), "run": Path("/run/prov-lab").exists()}}))
""",
    )
    assert isinstance(found["rounds"], list)
    for taken in found["rounds"]:
        assert len(set(taken)) == LABS, taken
    assert found["left"] == [] and not found["run"], "nothing is left of labs that have ended"


@pytest.mark.trust("8", "lab-killed-claim")
def test_a_lab_that_dies_as_it_takes_a_subnet_keeps_nobody_out(tmp_path: Path) -> None:
    found = inside(
        tmp_path,
        """
def dies():
    real = network._ip
    def once(lines, namespace=None):
        real(lines, namespace)
        os.kill(os.getpid(), signal.SIGKILL)
    network._ip = once
    with locked(lab(1).path): network.subnet(lab(1))

process = together.Process(target=dies)
process.start()
process.join(20)
half = left()
other = begin_together([2, 3])
mine = begin_together([1])
end(1), end(2), end(3)
print(json.dumps({"half": half, "taken": [*other.values(), *mine.values()], "left": left()}))
""",
    )
    assert isinstance(found["half"], list) and len(found["half"]) == 1, "it died with its bridge half made"
    assert isinstance(found["taken"], list) and len(set(found["taken"])) == 3
    assert found["left"] == []


@pytest.mark.trust("8", "lab-subnet-taken-meanwhile")
def test_a_lab_whose_subnet_was_taken_while_it_was_away_is_told(tmp_path: Path) -> None:
    """As after a restart of the machine: bridges are gone, files are not."""
    found = inside(
        tmp_path,
        """
first = begin_together([1])[1]
host = HostRecord("web1", first.replace("0/24", "11"), "debian-12", "root", True)
lab(1).host("web1").path.mkdir(parents=True)
store.write_record(lab(1), host)
network.programs_run.run(["ip", "link", "delete", lab(1).tag])
second = begin_together([2])[2]
said = begin_together([1])[1]
end(2)
again = begin_together([1])[1]
print(json.dumps({"first": first, "second": second, "said": said, "again": again, "tag": lab(2).tag}))
""",
    )
    assert found["first"] == found["second"] == found["again"]
    said = str(found["said"])
    assert said.startswith(f"the lab's subnet {found['first']} has been taken by {found['tag']}. ")
    assert "prov lab down --all" in said


def test_a_damaged_record_of_the_subnet_is_said(tmp_path: Path) -> None:
    found = inside(
        tmp_path,
        """
lab(1).network.write_text('{"subnet": "nowhere"}')
try:
    network.subnet(lab(1))
except LabError as error:
    print(json.dumps({"said": error.message, "hint": error.hint, "left": left()}))
""",
    )
    assert found == {
        "said": "the record of the lab's subnet is damaged",
        "hint": "prov lab down --all",
        "left": [],
    }
