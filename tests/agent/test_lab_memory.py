"""A lab whose folder is on an overlay, as in a container: it is kept on a tmpfs, which goes with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from provision.lab import memory_disk

#: what `up` and `down --all --images` do with the folder of a lab; several processes at once
CODE = """
import json, multiprocessing, sys
from pathlib import Path
from provision.errors import LabError
from provision.lab import memory_disk, shared, store
from provision.locks import locked

together = multiprocessing.get_context("fork")
lab = store.Lab(Path(sys.argv[1]))
told = together.SimpleQueue()

def begin(ready):
    ready.wait(20)
    memory_disk.ensure(lab, told.put)

def mounts():
    return [line.split()[2] for line in Path("/proc/mounts").read_text().splitlines() if str(lab.path) in line]

ready = together.Barrier(4)
processes = [together.Process(target=begin, args=(ready,)) for _ in range(4)]
for process in processes: process.start()
for process in processes: process.join(20)
said = told.get()
found = {"codes": [p.exitcode for p in processes], "said": said, "once": told.empty(), "mounts": mounts()}
lab.images.mkdir()
(lab.images / "image").touch()
with locked(lab.path): shared.settle(lab)
found["kept for the image"] = mounts()
(lab.images / "image").unlink()
with locked(lab.path): shared.settle(lab)
found["after"] = [mounts(), lab.path.exists()]
lab.path.mkdir()
(lab.path / "file").touch()
try:
    memory_disk.ensure(lab, told.put)
except LabError as error:
    found["refused"] = [error.message, error.hint]
print(json.dumps(found))
"""


def test_a_lab_on_an_overlay_is_kept_in_memory(tmp_path: Path) -> None:
    for name in ("lower", "upper", "work", "root"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    script = (
        f'mount -t tmpfs tmpfs /run && mount -t overlay overlay -o {options} {tmp_path}/root && exec "$@"'
    )
    lab = tmp_path / "root/lab"
    done = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-c", script, "sh", sys.executable, "-c", CODE, str(lab)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["codes"] == [0] * 4
    assert found["said"] == f"{lab} is on an overlay, where no host's disk can be: the lab is kept in memory"
    assert found["once"] is True
    assert found["mounts"] == found["kept for the image"] == ["tmpfs"]
    assert found["after"] == [[], False]
    message, hint = found["refused"]
    assert "is on an overlay" in message and "PROV_LAB_DIR" in hint


def test_the_file_system_of_a_folder_that_is_yet_to_be(tmp_path: Path) -> None:
    kind, source = memory_disk.file_system(tmp_path)
    assert kind and source
    assert memory_disk.file_system(tmp_path / "a/b") == (kind, source)
    assert memory_disk.file_system(Path("/proc/self"))[0] == "proc"
