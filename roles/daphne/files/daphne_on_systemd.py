"""daphne on a socket that is systemd's. Made by prov.

Twisted opens every Unix socket that it is given to all users, shortens its queue to 50, and removes it at the end
(twisted.internet.unix, Port). This one must stay private, as a process that connects may say who the client is; daphne
only accepts on it.
"""

from daphne.cli import CommandLineInterface  # type: ignore[import-not-found]
from twisted.internet import unix  # type: ignore[import-not-found]

BACKLOG = 2048


class Port(unix.Port):  # type: ignore[misc]
    """Listens on a socket that is open already."""

    def startListening(self) -> None:
        self.backlog = BACKLOG
        super().startListening()


assert unix._inFilesystemNamespace
unix._inFilesystemNamespace = lambda path: False
unix.Port = Port

CommandLineInterface.entrypoint()
