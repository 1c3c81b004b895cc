"""The queue between hosts' threads and the one that shows events."""

from __future__ import annotations

import signal
import threading

from provision.controller.event_queue import EventQueue


def test_a_signal_that_does_not_end_the_wait_is_handled() -> None:
    """The kernel gives it to another thread, so that the main thread's wait is not interrupted, as if it had come just
    before that."""
    events: EventQueue[str] = EventQueue()
    late = threading.Timer(10.0, events.put, ["late"])
    other = threading.Timer(0.2, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGINT))
    before = signal.signal(signal.SIGINT, lambda *_: events.put("stopped"))
    late.start()
    other.start()
    # only the other threads take it: they began with an open mask
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        assert events.get() == "stopped"
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, before)
        late.cancel()
        other.join()
