"""Frames between controller and agent: whatever the pieces, whatever the bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.controller.channel import LoggedIn
from provision.controller.frame_reader import FrameReader
from provision.controller.login import Login
from provision.controller.run_options import RunOptions
from provision.controller.session import Session
from provision.errors import ProvError, UnreachableError
from provision.system.frames import (
    LENGTHS,
    MARKER,
    MAX_HEADER,
    MAX_PAYLOAD,
    Frame,
    ProtocolError,
    pack,
    unpack,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
frames = st.builds(
    lambda op, rest, payload: Frame({**rest, "op": op}, payload),
    st.text(),
    st.dictionaries(st.text(), json_values, max_size=4),
    st.binary(max_size=300),
)


@given(st.lists(frames, max_size=6), st.data())
def test_frames_arrive_however_they_are_cut(sent: list[Frame], data: st.DataObject) -> None:
    stream = b"login banner\r\n" + MARKER + b"".join(pack(*frame) for frame in sent)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    reader, found, greeted = FrameReader(), [], False
    for begin, end in zip([0, *cuts], [*cuts, len(stream)]):
        reader.feed(stream[begin:end])
        greeted = greeted or reader.skip_to_marker()
        while greeted and (frame := reader.next()) is not None:
            found.append(frame)
    assert found == sent


@given(frames, st.integers(min_value=0))
def test_a_part_of_a_frame_is_no_frame(frame: Frame, cut: int) -> None:
    data = pack(*frame)
    assert unpack(data[: cut % len(data)]) == (None, 0)
    assert unpack(data) == (frame, len(data))


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_random_bytes_are_refused_or_waited_for(data: bytes) -> None:
    reader = FrameReader()
    reader.feed(data)
    try:
        while (frame := reader.next()) is not None:
            assert isinstance(frame.head["op"], str)
    except ProtocolError:
        return


@pytest.mark.parametrize(
    "header", [b"", b"{", b"[]", b'"op"', b"{}", b'{"op": 7}', b"\xff\xfe", b"[" * 100_000]
)
def test_a_header_that_is_none(header: bytes) -> None:
    with pytest.raises(ProtocolError):
        unpack(LENGTHS.pack(len(header), 0) + header)


@pytest.mark.parametrize("lengths", [(MAX_HEADER + 1, 0), (0, MAX_PAYLOAD + 1), (0xFFFFFFFF, 0xFFFFFFFF)])
def test_impossible_lengths_are_refused_before_anything_is_awaited(lengths: tuple[int, int]) -> None:
    with pytest.raises(ProtocolError, match="a frame of"):
        unpack(LENGTHS.pack(*lengths))


def test_what_came_instead_of_the_marker() -> None:
    reader = FrameReader()
    reader.feed(b"This account is ")
    reader.feed(b"closed." + MARKER[:-1])
    assert not reader.skip_to_marker()
    assert reader.before_marker().startswith(b"This account is closed.")


class Scripted(LoggedIn):
    """A channel on which someone says what a test wants, whatever is sent to it."""

    def __init__(self, says: bytes) -> None:
        self.out, self.err, self.eof = bytearray(), bytearray(b"PROV:shell\n"), False
        self.silent = False
        self._says = says

    def send(self, data: bytes) -> None:
        """Nobody listens."""

    def end_input(self) -> None:
        """Nobody listens."""

    def wait(self, timeout: float) -> bool:
        self.out += self._says
        self.eof = not self._says
        self._says = b""
        return True

    def close(self) -> None:
        """There is nothing to close."""


FACTS = {
    **dict.fromkeys(("distribution", "version", "codename", "family", "architecture", "kernel"), "x"),
    **dict.fromkeys(("hostname", "python", "python_path", "init", "user", "login_user"), "x"),
    "cpus": 1, "memory_mb": 1, "addresses": ["192.0.2.1"],
}  # fmt: skip


def session(says: bytes) -> Session:
    open_channel: Callable[[str], Scripted] = lambda command: Scripted(says)  # noqa: E731
    return Session("web1", open_channel, Login(), RunOptions(who="test"))


@given(st.binary(max_size=200))
def test_a_session_ends_whatever_the_other_side_says(noise: bytes) -> None:
    for says in (noise, MARKER + noise):
        with pytest.raises(ProvError) as raised:
            assert session(says).facts
        assert isinstance(raised.value, UnreachableError)


def test_an_agent_of_another_version() -> None:
    hello = pack({"op": "hello", "version": 99, "facts": FACTS, "boot": "b", "clock": 1.0})
    with pytest.raises(UnreachableError, match="protocol version 99"):
        assert session(MARKER + hello).facts
