"""Which transport a host gets."""

from __future__ import annotations

from provision.controller.transport import Target, Transport


def transport_to(target: Target) -> Transport:
    """Return the way to a host. Raises ConfigError for a configuration of ssh that can't be followed."""
    from provision.controller.paramiko_transport import ParamikoTransport

    return ParamikoTransport(target)
