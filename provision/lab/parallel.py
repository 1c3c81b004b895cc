"""Run the same work for several hosts in parallel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from provision.errors import LabError


def each(names: Sequence[str], work: Callable[[str], None]) -> None:
    """Run work for every name in parallel and wait for all.

    Raises the only error, or one that sums up several.
    The threads are daemons: Ctrl-C ends prov at once, and leaves the same as `kill -9`.
    """
    errors: dict[str, Exception] = {}

    def guarded(name: str) -> None:
        try:
            work(name)
        except BrokenPipeError as error:
            errors[name] = error
        except OSError as error:
            errors[name] = LabError(f"{name}: {error}")  # usually a full disk
        except Exception as error:  # raised again below, in the caller's thread
            errors[name] = error

    threads = [
        threading.Thread(target=guarded, args=(name,), name=f"lab-{name}", daemon=True) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failed = [errors[name] for name in names if name in errors]
    if len(failed) > 1 and all(isinstance(error, LabError) for error in failed):
        hints = dict.fromkeys(getattr(error, "hint", "") for error in failed)
        raise LabError(
            "\n".join(str(error) for error in failed), hint="\n".join(filter(None, hints))
        ) from failed[0]
    if failed:
        raise failed[0]
