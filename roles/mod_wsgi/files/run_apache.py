"""An Apache of its own for one instance, behind the socket that systemd passes. Made by prov, role mod_wsgi.

    python run_apache.py INSTANCE CONFIGURATION

Apache listens on addresses only, so it gets one of the loopback network that no one else has (127.0.0.0/8 is all
this host's), and systemd-socket-proxyd(8) stands on the socket that the front talks to. If either ends, so does all.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import sysconfig
import time
from pathlib import Path

PORT = 8008
MODULES = Path("/usr/lib/apache2/modules")
PROXY = "/lib/systemd/systemd-socket-proxyd"
#: connections that are relayed at once
CONNECTIONS = 8192


def address(instance: str) -> str:
    """An address of the loopback network that goes with the instance: 22 bits of its name, which is a hash."""
    number = int(instance.partition("-")[0], 16)
    return f"127.{64 + number % 64}.{number // 64 % 256}.{1 + number // 16384 % 254}"


def module() -> str:
    """mod_wsgi for this very Python: of the environment if it is there, else the distribution's.

    Ends the process if there is none: another Python's would crash, or not find the application's packages.
    """
    built = sorted(Path(sysconfig.get_path("platlib")).glob("mod_wsgi/server/mod_wsgi*.so"))
    if built:
        return str(built[0])
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not (MODULES / f"mod_wsgi.so-{version}").exists():
        raise SystemExit(
            f"the distribution's mod_wsgi is not for Python {version}, with which the environment is made: list "
            "mod_wsgi in the requirements, and have gcc, apache2-dev and that Python's headers on the host"
        )
    return str(MODULES / f"mod_wsgi.so-{version}")


def start(argv: list[str], *, listens: bool) -> int:
    """Run a program; with the socket if it listens there, else without (sd_listen_fds(3))."""
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
        if listens:
            os.environ["LISTEN_PID"] = str(os.getpid())
        else:
            os.close(3)
        os.execv(argv[0], argv)
    return pid


def ready(server: int, host: str) -> None:
    """Tell systemd that Apache listens (sd_notify(3)). Ends the process if Apache has ended."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((host, PORT)) == 0:
                break
        if os.waitpid(server, os.WNOHANG)[0]:
            raise SystemExit(1)
        time.sleep(0.05)
    name = os.environ.get("NOTIFY_SOCKET", "")
    if name:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(b"READY=1", name.replace("@", "\0", 1) if name.startswith("@") else name)


WATCHED = {signal.SIGTERM, signal.SIGCHLD}


def main(instance: str, configuration: str) -> None:
    """Run both until one ends, or until we are told to."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    host = address(instance)
    # sys.prefix: where this environment is, through whatever link it was called
    before = [f"LoadModule wsgi_module {module()}", f"Define PROV_VENV {sys.prefix}"]
    apache = ["/usr/sbin/apache2", "-DFOREGROUND", "-f", configuration, "-c", f"Listen {host}:{PORT}"]
    for line in before:
        apache += ["-C", line]
    server = start(apache, listens=False)
    ready(server, host)
    relay = start([PROXY, f"--connections-max={CONNECTIONS}", f"{host}:{PORT}"], listens=True)
    received = signal.sigwait(WATCHED)
    if received == signal.SIGTERM:
        # requests are finished, for GracefulShutdownTimeout at most
        os.kill(server, signal.SIGWINCH)
        os.waitpid(server, 0)
    for pid in (relay, server):
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            continue
    raise SystemExit(0 if received == signal.SIGTERM else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
