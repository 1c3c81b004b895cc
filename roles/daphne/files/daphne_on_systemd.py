"""daphne on a socket that is systemd's. Made by prov.

Twisted opens every Unix socket that it is given to all users, and removes it at the end (twisted.internet.unix, Port).
This one must stay private, as whoever connects may say who the client is; and it is not daphne's to do either with.
"""

from daphne.cli import CommandLineInterface  # type: ignore[import-not-found]
from twisted.internet import unix  # type: ignore[import-not-found]

assert unix._inFilesystemNamespace
unix._inFilesystemNamespace = lambda path: False

CommandLineInterface.entrypoint()
