"""Opens a connection as prov does, and prints the seconds that it took:

python -m bench.connect ADDRESS PORT USER KEY
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from provision.controller.connection import VerifiedConnection


def main(address: str, port: str, user: str, key: str) -> None:
    """Connect and log in, with ~/.ssh/known_hosts, and nothing else."""
    connection = VerifiedConnection(
        address,
        known_hosts=Path("~/.ssh/known_hosts").expanduser(),
        port=int(port),
        user=user,
        connect_kwargs={"key_filename": [key], "look_for_keys": False, "allow_agent": False},
    )
    began = time.monotonic()
    connection.open()
    sys.stdout.write(f"{time.monotonic() - began}\n")
    connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:5])
