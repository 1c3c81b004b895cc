"""The role `daphne`: an example behind nginx, seen from outside and on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roles.conftest import Served


def test_what_is_served(served: Served) -> None:
    served.answers()


def test_units_and_sockets(served: Served) -> None:
    served.is_confined(processes=2)
    assert "daphne_on_systemd.py" in served.command
    assert served.fails() == ""
