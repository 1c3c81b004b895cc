"""Contents that a tree requests before it writes them: few turns, bounded, and no answer for another file."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from pathlib import Path

import pytest
from agent_sessions import Agents
from pictured import Host

from provision.controller.outcome import StepFailed
from provision.errors import StepError
from provision.steps.files import File
from provision.steps.support.prefetching import LARGEST, MOST, MOST_BYTES, Prefetcher
from provision.steps.tree import Entry, Tree
from provision.system.host_files import Stat
from provision.system.source import Source

COUNT = 600


def text(number: int) -> str:
    """Contents of their own for each file; some files are empty, and some are equal."""
    return "" if number % 50 == 7 else f"{number % 400}\n" * 100


def local_entries(folder: Path, count: int = COUNT) -> list[Entry]:
    """Files of this machine, which are read again when they are sent; every hundredth is large."""
    folder.mkdir()
    entries: list[Entry] = []
    for number in range(count):
        path = folder / f"{number:04}"
        path.write_text(text(number) if number % 100 != 50 else text(number) * 3000)
        entries.append((f"d{number % 7}/{path.name}", 0o644, Source.of_file(path), ""))
    return entries


def files_below(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def expected(folder: Path) -> dict[str, bytes]:
    return {f"d{int(p.name) % 7}/{p.name}": p.read_bytes() for p in folder.iterdir()}


def test_no_file_waits_for_a_request_of_its_own(agents: Agents, root: Path, tmp_path: Path) -> None:
    entries = local_entries(tmp_path / "local")
    with agents.session() as session:
        assert session.submit(Tree(f"{root}/app", entries)).changed
        assert agents.channels[0].turns < COUNT // 2
    assert files_below(root / "app") == expected(tmp_path / "local")
    with agents.session() as second:
        assert not second.submit(Tree(f"{root}/app", entries)).changed


def test_files_that_another_folder_has_are_not_requested(agents: Agents, root: Path, tmp_path: Path) -> None:
    entries = local_entries(tmp_path / "local", 60)
    with agents.session() as session:
        session.submit(Tree(f"{root}/old", entries)).wait()
        for path in (tmp_path / "local").iterdir():
            if int(path.name) % 2:
                path.unlink()
        (tmp_path / "local/0002").write_text("new")
        changed = entries[2]
        entries[2] = (changed[0], 0o644, Source.of_file(tmp_path / "local/0002"), "")
        sent = session.frames_sent
        assert session.submit(Tree(f"{root}/new", entries, like=f"{root}/old")).changed
        assert session.frames_sent == sent + 2, "the step, and one file"
    assert (root / "new" / changed[0]).read_text() == "new"
    assert len(files_below(root / "new")) == 60


@pytest.mark.parametrize("at", [0, 40, 399])
def test_a_file_that_vanishes_fails_alone_and_at_its_place(
    agents: Agents, root: Path, tmp_path: Path, at: int
) -> None:
    entries = local_entries(tmp_path / "local", 400)
    (tmp_path / f"local/{at:04}").unlink()
    with agents.session() as session:
        with pytest.raises(StepFailed, match=f"on this machine: .*{at:04}"):
            session.submit(Tree(f"{root}/app", entries)).wait()
        assert len(files_below(root / "app")) == at, "all before it"
        assert session.submit(File(f"{root}/next", "its own contents")).changed
    assert (root / "next").read_text() == "its own contents"


def test_a_file_that_has_changed_since_does_not_move_the_others(
    agents: Agents, root: Path, tmp_path: Path
) -> None:
    """The contents of today are sent, as for a single file; they may have become too large to go ahead."""
    entries = local_entries(tmp_path / "local", 120)
    (tmp_path / "local/0010").write_bytes(b"x" * (3 * LARGEST))
    (tmp_path / "local/0020").write_bytes(b"")
    (tmp_path / "local/0050").write_bytes(b"was large")
    with agents.session() as session:
        assert session.submit(Tree(f"{root}/app", entries)).changed
    assert files_below(root / "app") == expected(tmp_path / "local")


def test_a_new_folder_costs_no_look_at_each_of_its_files(tmp_path: Path) -> None:
    machine = Host(tmp_path)
    entries: list[Entry] = [(f"d/{n}", 0o644, Source.of(f"{n}"), "") for n in range(300)]
    looks: list[str] = []
    real = machine.files.stat

    def noted(path: str) -> Stat | None:
        looks.append(path)
        return real(path)

    machine.files.stat = noted  # type: ignore[method-assign]
    new = Tree(f"{tmp_path}/app", entries)
    assert new.check(machine)
    assert len(looks) < 10
    assert {f"{tmp_path}/app/d/{n}" for n in range(300)} <= machine.files.looked, (
        "an undo or a prune asks for them"
    )
    machine.files.stat = real  # type: ignore[method-assign]
    assert machine.run_step(new)
    assert not new.check(machine)


def test_a_disk_that_fills_up_leaves_no_answers_to_the_next_step(
    agents: Agents, root: Path, tmp_path: Path, small_disk: Path
) -> None:
    entries: list[Entry] = [(f"{n:03}", 0o644, Source.of(bytes([n]) * 50_000), "") for n in range(100)]
    with agents.session() as session:
        with pytest.raises(StepFailed, match="no space left on device"):
            session.submit(Tree(f"{small_disk}/app", entries)).wait()
        assert session.submit(File(f"{root}/next", "its own contents")).changed
    assert (root / "next").read_text() == "its own contents"


def test_a_plan_requests_what_it_keeps_and_no_large_file(agents: Agents, root: Path, tmp_path: Path) -> None:
    entries = local_entries(tmp_path / "local", 120)
    large = tmp_path / "local/9999"
    large.write_bytes(b"x" * 3 * 1024 * 1024)
    entries.append(("large", 0o644, Source.of_file(large), ""))
    large.unlink()
    with agents.session(plan=True) as session:
        assert session.submit(Tree(f"{root}/app", entries)).changed
        assert agents.channels[0].turns < 60
    assert not (root / "app").exists()


class Answering:
    """A controller that answers with the name of what was requested, and counts what is under way."""

    def __init__(self) -> None:
        self.waiting: deque[Source] = deque()
        self.most = self.most_bytes = self.single = 0
        self.lost: set[str] = set()

    def fetch(self, source: Source, request: bytes = b"") -> Generator[bytes, None, None]:
        assert not self.waiting, "its answer would come after those"
        self.single += 1
        self.waiting.append(source)
        yield from self.answer()

    def request(self, source: Source, request: bytes = b"") -> None:
        self.waiting.append(source)
        self.most = max(self.most, len(self.waiting))
        self.most_bytes = max(self.most_bytes, sum(each.size for each in self.waiting))

    def answer(self) -> Generator[bytes, None, None]:
        key = self.waiting.popleft().key
        if key in self.lost:
            raise StepError(f"{key} is gone")
        yield key.encode()

    def note(self, text: str) -> None:
        """Nothing shows it."""

    def progress(self, text: str) -> None:
        """Nothing shows it."""


@pytest.mark.parametrize("size", [0, 1, 30_000, LARGEST, LARGEST + 1, -1])
def test_what_is_under_way_is_bounded(size: int) -> None:
    controller = Answering()
    sources = [Source(f"{n}", size) for n in range(3 * MOST)]
    prefetcher = Prefetcher(controller, sources)
    assert [b"".join(prefetcher.fetch(source)).decode() for source in sources] == [s.key for s in sources]
    assert controller.most <= MOST
    assert controller.most_bytes <= MOST_BYTES
    is_prefetched = 0 <= size <= LARGEST
    assert controller.single == (0 if is_prefetched else len(sources))
    assert not is_prefetched or controller.most > 10


def test_files_that_are_not_written_after_all_are_passed_over() -> None:
    controller = Answering()
    sizes = (5, LARGEST + 1, -1, 100)
    sources = [Source(f"{n}", sizes[n % 4]) for n in range(200)]
    controller.lost = {"3", "8"}
    prefetcher = Prefetcher(controller, sources)
    for source in sources[::7]:
        unread = prefetcher.fetch(source)
        unread.close()
        if source.key not in controller.lost:
            assert b"".join(prefetcher.fetch(source)) == source.key.encode()
    stranger = Source("stranger", 5)
    assert b"".join(prefetcher.fetch(stranger)) == b"stranger"
    prefetcher.drop()
    assert not controller.waiting
