"""Start a server in a container, on a socket that is passed to it as descriptor 3 (sd_listen_fds(3)).

If systemd or an engine has passed none, it is made here: platforms for containers name a port. So every server is
started as it is on a host.
"""

import os
import socket
import sys

BACKLOG = 2048


def listening(port: int) -> socket.socket:
    """A socket for all addresses, of IPv6 and IPv4 where the kernel has both."""
    try:
        return socket.create_server(
            ("::", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True
        )
    except (OSError, ValueError):
        return socket.create_server(("", port), backlog=BACKLOG)


if os.environ.get("LISTEN_FDS") is None:
    found = listening(int(os.environ.get("PORT", "8000")))
    if found.fileno() != 3:
        os.dup2(found.fileno(), 3)
    os.set_inheritable(3, True)
    os.environ["LISTEN_FDS"] = "1"
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[1], sys.argv[1:])
