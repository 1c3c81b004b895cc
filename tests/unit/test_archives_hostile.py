"""Archives of strangers: nothing of them lands outside of the directory, and none fills memory or disk."""

from __future__ import annotations

import gzip
import io
import os
import random
import tarfile
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.errors import StepError
from provision.steps.fetch import MAX_SIZE
from provision.steps.support.archives import Member, read_members
from provision.steps.support.extraction import put, refuse_in_the_way
from provision.system.host_files import Files

MEGABYTE = 1024 * 1024
LINK, HARD, FOLDER = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", data: bytes = b"x") -> Any:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, 0o6777
    info.size = len(data) if kind == tarfile.REGTYPE else 0
    return info, data


def tar(*entries: Any, form: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data) if info.size else None)
    return out.getvalue()


def members(data: bytes, strip: int = 0, max_size: int = MAX_SIZE) -> list[Member]:
    return read_members(io.BytesIO(data), strip, "t", max_size)


def unpack(folder: Path, found: list[Member]) -> None:
    host: Any = SimpleNamespace(files=Files(lambda source: iter(())))  # type: ignore[arg-type,return-value]
    refuse_in_the_way(host, str(folder), found, "t")
    for member in found:
        put(host, str(folder), member, "t", os.geteuid(), os.getegid())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "to").mkdir()
    return tmp_path / "to"


@pytest.mark.trust("1", "archive-leads-outside")
@pytest.mark.parametrize(
    ("entries", "why"),
    [
        # two entries of one name, as in the git tree that wrote outside
        ([entry("a", FOLDER), entry("a/x"), entry("a", LINK, "b")], "a link"),
        ([entry("a", LINK, "b"), entry("a/x")], "a link"),
        ([entry("a"), entry("a/x")], "a file"),
        ([entry("./a", LINK, "b"), entry("a//x")], "a link"),
        # each link is inside by its words; one after another they are not
        ([entry("x/y/up", LINK, "../.."), entry("out", LINK, "x/y/up/../secret")], "leads outside"),
        ([entry("d/up", LINK, ".."), entry("e/out", LINK, "../d/up/../../etc")], "leads outside"),
        ([entry("a", LINK, "/etc")], "leads outside"),
        ([entry("a", LINK, "..")], "leads outside"),
        ([entry("a", LINK, "b/../../etc")], "leads outside"),
        # something else may be a link of that name
        ([entry("a", LINK, "b/../c")], "leads outside"),
        ([entry("/etc/cron.d/x")], "absolute"),
        ([entry("../x")], "leads outside"),
        ([entry("a/../../x")], "leads outside"),
        ([entry("a", HARD, "/etc/shadow")], "no file before it"),
        ([entry("a", HARD, "../x")], "no file before it"),
        ([entry("a", HARD, "b"), entry("b")], "no file before it"),
        ([entry("l", LINK, "m"), entry("a", HARD, "l")], "no file before it"),
        # prov would take it for its own notes of what it may remove
        (
            [entry("./.prov-other.json", data=b'{"members": ["data"], "strip": 0}')],
            "earlier versions of prov",
        ),
        ([entry("a\nb")], "control character"),
        ([entry("a\x1b[2Jb")], "control character"),
        ([entry("/".join(["d"] * 1100))], "folders deep"),
        ([entry("n" * 256)], "longer than 255"),
        ([entry("/".join(["n" * 250] * 13))], "longer than 3072"),
        ([entry("d", tarfile.FIFOTYPE)], "device or a pipe"),
        ([entry("d", tarfile.BLKTYPE)], "device or a pipe"),
    ],
)
def test_what_leads_outside_is_refused_before_anything_is_made(entries: Any, why: str) -> None:
    with pytest.raises(StepError, match=why) as raised:
        members(tar(*entries))
    assert "Nothing has been unpacked" in raised.value.hint


@pytest.mark.trust("1", "archive-unpacks-through-links")
def test_a_link_that_was_there_is_not_unpacked_through(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (folder / "lib").symlink_to(tmp_path / "outside")
    with pytest.raises(StepError, match="nothing is unpacked through it"):
        unpack(folder, members(tar(entry("first"), entry("lib/x"))))
    assert [p.name for p in folder.iterdir()] == ["lib"] and not list((tmp_path / "outside").iterdir())


@pytest.mark.trust("1", "archive-bits")
def test_what_only_the_packer_wanted_is_dropped(folder: Path) -> None:
    unpack(folder, members(tar(entry("d", FOLDER), entry("d/run"), entry("copy", HARD, "d/run"))))
    modes = {p.name: p.stat().st_mode & 0o7777 for p in folder.rglob("*")}
    assert modes == {"d": 0o755, "run": 0o755, "copy": 0o755}
    assert (folder / "copy").stat().st_nlink == 1, "a hard link is a copy"


def test_names_that_differ_by_case_or_composition_only_are_names(folder: Path) -> None:
    names = ["README", "readme", "caf\u00e9", "cafe\u0301"]
    unpack(folder, members(tar(*map(entry, names))))
    assert sorted(p.name for p in folder.iterdir()) == sorted(names)


def test_the_last_of_one_name_counts(folder: Path) -> None:
    unpack(folder, members(tar(entry("a", data=b"old"), entry("b"), entry("a", data=b"new"))))
    assert (folder / "a").read_bytes() == b"new"


@pytest.mark.trust("1", "archive-bomb")
def test_bombs_are_bounded() -> None:
    zeros = gzip.compress(b"\0" * (64 * MEGABYTE))
    info = tarfile.TarInfo("big")
    info.size = 60 * MEGABYTE
    claimed = gzip.compress(info.tobuf() + b"\0" * (info.size + 1024))
    with pytest.raises(StepError, match=r"holds more than 10 MB"):
        members(claimed, max_size=10 * MEGABYTE)
    assert len(members(claimed, max_size=100 * MEGABYTE)) == 1
    with pytest.raises(StepError):
        members(zeros, max_size=MEGABYTE)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"\0" * 6 * MEGABYTE)
        archive.writestr("b", b"\0" * 6 * MEGABYTE)
    with pytest.raises(StepError, match="holds more than") as raised:
        members(out.getvalue(), max_size=10 * MEGABYTE)
    assert "raise max_size" in raised.value.hint
    copies = tar(entry("a", data=b"x" * MEGABYTE), *(entry(f"c{n}", HARD, "a") for n in range(20)))
    with pytest.raises(StepError, match="holds more than"):
        members(copies, max_size=10 * MEGABYTE)


@pytest.mark.trust("1", "archive-headers-fill-memory")
def test_headers_that_would_fill_memory_are_refused() -> None:
    pax = tarfile.TarInfo("x")
    pax.type, pax.size = tarfile.XHDTYPE, 512 * MEGABYTE
    with pytest.raises(StepError, match="a header of more than"):
        members(gzip.compress(pax.tobuf() + b"\0" * (600 * MEGABYTE), compresslevel=1))
    chain = b""
    for _ in range(3000):
        long = tarfile.TarInfo("././@LongLink")
        long.type, long.size = tarfile.GNUTYPE_LONGNAME, 2
        chain += long.tobuf() + b"a\0".ljust(512, b"\0")
    with pytest.raises(StepError):
        members(chain + tar(entry("a")))


@pytest.mark.trust("1", "archive-bomb")
def test_many_members_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.steps.support.archives.MAX_MEMBERS", 100)
    with pytest.raises(StepError, match="more than 100 members"):
        members(tar(*(entry(f"f{n}") for n in range(101))))
    back = tarfile.TarInfo("back")
    back.size = -1024
    with pytest.raises(StepError):
        members(back.tobuf(tarfile.GNU_FORMAT) + tar(entry("a")))


def test_a_tar_that_ends_with_a_zip_is_a_tar() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("inner", "x")
    found = members(tar(entry("aaa"), entry("lib.jar", data=out.getvalue())))
    assert [m.path for m in found] == ["aaa", "lib.jar"]


def test_an_encrypted_zip_is_refused_in_words() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a", "x")
    data = bytearray(out.getvalue())
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + at] |= 1
    with pytest.raises(StepError, match="'a' is encrypted"):
        members(bytes(data))


WORDS = ["a", "b", "d", "d/e", "..", ".", "/", "x" * 300, "a\n", "caf\udce9", "", "lnk", "d/lnk", "d/e/lnk"]
TARGETS = [
    "a",
    "..",
    "../..",
    "/etc",
    "d",
    "d/..",
    "d/../..",
    "lnk/..",
    "../lnk/../..",
    "d/lnk/..",
    "lnk",
    ".",
]
KINDS = [tarfile.REGTYPE, LINK, LINK, HARD, FOLDER, tarfile.FIFOTYPE, tarfile.CONTTYPE]


def nasty(rng: random.Random) -> bytes:
    """A tar of random names, kinds and targets, sometimes damaged."""
    entries = []
    for _ in range(rng.randint(1, 8)):
        name = "/".join(
            rng.choices(WORDS, weights=[9, 9, 9, 5, 1, 1, 1, 1, 1, 1, 1, 6, 6, 4], k=rng.randint(1, 3))
        )
        entries.append(
            entry(name, rng.choice(KINDS), rng.choice(TARGETS), rng.randbytes(rng.randint(1, 700)))
        )
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", errors="surrogateescape") as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data) if info.size else None)
    data = bytearray(out.getvalue())
    for _ in range(rng.choice([0, 0, 0, 1, 3])):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


@pytest.mark.trust("1", "archive-fuzz")
def test_random_archives_never_reach_outside(tmp_path: Path) -> None:
    """One directory is unpacked into again and again, so that links of an earlier archive are in the way."""
    rng = random.Random(13)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "etc").write_text("untouched")
    folder = outside / "in" / "to"
    folder.mkdir(parents=True)
    good = 0
    end = time.monotonic() + 200
    for round in range(2500):
        if round % 40 == 0:
            empty(folder)
        try:
            unpack(folder, members(nasty(rng)))
            good += 1
        except StepError:
            pass
        for path in folder.rglob("*"):
            target = Path(os.path.realpath(path))
            assert target == folder or folder in target.parents or (path.is_symlink() and is_loop(path)), path
        assert sorted(p.name for p in outside.iterdir()) == ["etc", "in"]
        assert [p.name for p in (outside / "in").iterdir()] == ["to"]
        assert (outside / "etc").read_text() == "untouched"
        assert time.monotonic() < end
    assert good > 150, "most of them are refused, but not all"


def is_loop(path: Path) -> bool:
    """Whether a link leads nowhere, as it leads to itself."""
    try:
        path.stat()
    except OSError as error:
        return "Too many levels" in str(error)
    return False


def empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
