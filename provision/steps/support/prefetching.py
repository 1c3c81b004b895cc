"""Contents of many files, requested before they are needed: no file waits for a request of its own. Shipped."""

import contextlib
from collections import deque
from typing import TYPE_CHECKING, Deque, Generator, Iterable, Iterator, Optional

from provision.errors import StepError
from provision.system.source import CHUNK, Source

if TYPE_CHECKING:
    from provision.system.host import Controller, System

#: requests without an answer, and the bytes of their contents; a larger file than LARGEST is requested when it is
#: needed, because it keeps the connection busy anyway
MOST, MOST_BYTES, LARGEST = 256, 4 * 1024 * 1024, CHUNK


@contextlib.contextmanager
def prefetched(host: "System", sources: Iterable[Source]) -> Iterator[None]:
    """Request contents ahead of their use in the block. sources: in the order in which they are written."""
    prefetcher = Prefetcher(host.controller, sources)
    before, host.files.fetch = host.files.fetch, prefetcher.fetch
    try:
        yield
    finally:
        host.files.fetch = before
        prefetcher.drop()


class Prefetcher:
    """Keeps requests under way. The controller answers them in their order (Session), each on its own."""

    def __init__(self, controller: "Controller", sources: Iterable[Source]) -> None:
        self._controller = controller
        self._coming = deque(sources)
        self._asked: "Deque[Source]" = deque()

    def fetch(self, source: Source, request: bytes = b"") -> Generator[bytes, None, None]:
        """Yield the contents of a source, in pieces. Raises StepError if this source is not available."""
        self._ask()
        self.drop(until=source)
        if self._asked:
            self._asked.popleft()
            yield from self._controller.answer()
            return
        if self._coming and self._coming[0] == source:
            self._coming.popleft()
        yield from self._controller.fetch(source, request)

    def drop(self, until: Optional[Source] = None) -> None:
        """Pass over the answers to earlier requests, to all of them by default."""
        while self._asked and self._asked[0] != until:
            self._asked.popleft()
            # its error is that of a file which was not written
            with contextlib.suppress(StepError):
                for _ in self._controller.answer():
                    pass

    def _ask(self) -> None:
        """Send several requests at once, when half of them have their answers."""
        if len(self._asked) > MOST // 2:
            return
        room = MOST_BYTES - sum(source.size for source in self._asked)
        while self._coming and len(self._asked) < MOST and can_wait(self._coming[0], room):
            source = self._coming.popleft()
            room -= source.size
            self._controller.request(source)
            self._asked.append(source)


def can_wait(source: Source, room: int) -> bool:
    """Return whether contents come from the controller, and have a small size that is known."""
    return source.open is None and 0 <= source.size <= min(room, LARGEST)
