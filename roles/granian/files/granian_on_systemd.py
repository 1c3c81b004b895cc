"""granian on a socket that is systemd's. Made by prov.

granian binds its own sockets only. Here what it would bind is the listening socket that systemd has passed, so that
connections wait in it while granian starts again, and no one but the front can connect.
"""

from granian import cli  # type: ignore[import-not-found]
from granian.net import SocketHolder  # type: ignore[import-not-found]
from granian.server import common  # type: ignore[import-not-found]

FIRST = 3  # sd_listen_fds(3), SD_LISTEN_FDS_START


class Passed:
    """In the place of granian's description of a Unix socket to bind."""

    def __init__(self, path: str, backlog: int, permissions: "int | None") -> None:
        self._backlog = backlog

    def build(self) -> SocketHolder:
        return SocketHolder(FIRST, True, self._backlog)


assert common.UnixSocketSpec
common.UnixSocketSpec = Passed

cli.entrypoint()
