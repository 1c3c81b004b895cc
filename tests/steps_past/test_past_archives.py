"""Archives unpacked where others have been, and where people have been since."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from forked import Host, Hosts
from hypothesis import strategies as st
from past import drawn, hold
from pasts import PEOPLE

from provision.steps.fetch import Unpack

#: path -> contents; None is a folder
Files = dict[str, bytes | None]
names = st.sampled_from(["a", "b", "d/x", "d/y", "d/e/z", "d", "b/c"])


def tar(files: Files) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            member.size = len(data or b"")
            archive.addfile(member, io.BytesIO(data or b""))
    return out.getvalue()


def zipped(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, data in files.items():
            archive.writestr(path + ("/" if data is None else ""), data or b"")
    return out.getvalue()


def unpack(host: Host, data: bytes, *, owner: str | None = None, verify: bool = False) -> Unpack:
    """The step for an archive on the host."""
    at = host.root.parent / "archive"
    at.write_bytes(data)
    to = str(host.root / "to")
    return Unpack(str(at), to, hashlib.sha256(data).hexdigest(), owner=owner, verify=verify)


def whole(files: dict[str, bytes]) -> Files:
    """Those of which none is below another."""
    return {p: d for p, d in files.items() if not any(p.startswith(o + "/") for o in files)}


@drawn(
    old=st.dictionaries(names, st.binary(max_size=3), max_size=4).map(whole),
    new=st.dictionaries(names, st.binary(max_size=3), min_size=1, max_size=4).map(whole),
    theirs=st.dictionaries(st.sampled_from(["mine", "d/mine", "b/mine"]), st.binary(max_size=3), max_size=2),
    form=st.sampled_from([tar, zipped]),
    owner=st.none() | st.sampled_from(sorted(PEOPLE)),
)
def test_unpack(
    hosts: Hosts,
    old: Files,
    new: Files,
    theirs: dict[str, bytes],
    form: Callable[[Files], bytes],
    owner: str | None,
) -> None:
    host = hosts.new()
    if old:
        (real,) = host.run(unpack(host, form(old)))
        assert real.state == "changed", real.error
    for path in sorted(theirs):
        at = host.root / "to" / path
        if any(parent.is_file() for parent in at.parents):
            theirs.pop(path)
            continue
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(theirs[path])
    held = hold(host, unpack(host, form(new), owner=owner))
    if held.failed:
        # only by what others have put where a file belongs
        assert any(f"{path}/" in f"{other}/" for path in new for other in theirs if path != other), (
            held.failed
        )
        return
    for path, content in new.items():
        assert held.after[f"to/{path}"][4] == content
        assert owner is None or held.after[f"to/{path}"][2] == PEOPLE[owner][0]
    for path in old.keys() - new.keys():
        folder = any(other.startswith(path + "/") for other in [*new, *theirs])
        assert folder == (f"to/{path}" in held.after), path
    for path, what in held.before.items():
        if path.removeprefix("to/") in theirs:
            assert held.after[path] == what


def test_a_tar_that_ends_with_a_zip_is_a_tar(hosts: Hosts) -> None:
    host = hosts.new()
    inner = zipped({"jarfile": b"inside the jar"})
    held = hold(host, unpack(host, tar({"in/aaa": b"top", "in/lib.jar": inner})))
    assert held.after["to/in/lib.jar"][4] == inner and "to/jarfile" not in held.after


def test_an_encrypted_zip_is_refused_before_anything_is_made(hosts: Hosts) -> None:
    host = hosts.new()
    data = bytearray(zipped({"f": b"x"}))
    for head, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(head) + flags] |= 1
    held = hold(host, unpack(host, bytes(data)))
    assert "is encrypted" in held.failed and held.after == held.before


def test_zstd(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    host = hosts.new()
    plain = tar({"a": b"x" * 5000})
    data = subprocess.run(["zstd", "-cq"], input=plain, capture_output=True, check=True).stdout
    held = hold(host, unpack(host, data))
    assert held.after["to/a"][4] == b"x" * 5000
    step = unpack(host, data)
    monkeypatch.setattr("provision.steps.support.archives.MAX_MEMBERS", 0)
    assert "holds more than" in hold(host, Unpack(step.archive, step.path, step.sha256, max_size=100)).failed
    monkeypatch.undo()
    assert "can be read" in hold(host, unpack(host, data[:9])).failed
    step = unpack(host, data)
    monkeypatch.setattr("provision.steps.support.zstandard.PROGRAM", "no-such-program")
    assert "no program for it" in hold(host, step).failed


def test_sparse_files_and_hard_links_come_whole(hosts: Hosts) -> None:
    host = hosts.new()
    at = host.folder / "in"
    at.mkdir()
    with (at / "sparse").open("wb") as f:
        f.truncate(1 << 20)
        f.seek(1 << 19)
        f.write(b"middle")
    (at / "again").hardlink_to(at / "sparse")
    argv = ["tar", "--sparse", "-C", str(at), "-c", "sparse", "again"]
    held = hold(host, unpack(host, subprocess.run(argv, check=True, capture_output=True).stdout))
    wanted = b"\0" * (1 << 19) + b"middle" + b"\0" * ((1 << 19) - 6)
    assert held.after["to/sparse"][4] == held.after["to/again"][4] == wanted


def test_contents_are_looked_at_if_asked_for(hosts: Hosts) -> None:
    host = hosts.new()
    data = tar({"a": b"1", "b": b"2"})
    assert host.run(unpack(host, data))[0].state == "changed"
    (host.root / "to/a").write_bytes(b"9")
    assert host.run(unpack(host, data))[0].state == "ok"
    held = hold(host, unpack(host, data, verify=True))
    assert held.outcomes[0].diff[0][:3] == ("unpacked again", "", "changed: a")
    assert held.after["to/a"][4] == b"1"


def test_the_owner_alone_changes(hosts: Hosts) -> None:
    host = hosts.new()
    data = tar({"a": b"1", "b": b"2"})
    assert host.run(unpack(host, data))[0].state == "changed"
    Path(host.root.parent / "archive").unlink()
    step = Unpack(
        str(host.root.parent / "archive"),
        str(host.root / "to"),
        hashlib.sha256(data).hexdigest(),
        owner="games",
    )
    held = hold(host, step)
    assert not held.failed and held.after["to/a"][2] == PEOPLE["games"][0]
