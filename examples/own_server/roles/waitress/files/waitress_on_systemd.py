"""waitress on the socket that systemd passes as descriptor 3 (sd_listen_fds(3))."""

import socket
import sys

from behind_front import application
from waitress import serve

serve(
    application,
    sockets=[socket.socket(fileno=3)],
    threads=int(sys.argv[1]),
    backlog=2048,
    # what the front says of the client is for behind_front.py
    clear_untrusted_proxy_headers=False,
)
