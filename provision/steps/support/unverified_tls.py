"""TLS to a server of this host whose certificate is not judged. Shipped to hosts (Python 3.8, standard library)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


def connect(address: str, port: int, name: str, seconds: float) -> "ssl.SSLSocket":
    """Return a connection to a server, asked by a name. Send nothing secret: anyone may have answered.

    seconds: for the connection, and for each answer later.  Raises OSError, and ValueError for what can be no name.
    """
    # imported here: fronts' steps come by with every run, and few of those ask
    import socket

    plain = socket.create_connection((address, port), seconds)
    # the wrapped socket also closes the plain one, even if the handshake fails
    return unjudged().wrap_socket(plain, server_hostname=name)


def unjudged() -> "ssl.SSLContext":
    """Return the settings of such connections."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
