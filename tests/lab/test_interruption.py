"""A run is cut, on one side or the other, and one more brings the host to where it belongs: a sample of the proof.

All of it: `make prove`, docs/proofs.md.
"""

from __future__ import annotations

import pytest
from helpers.hosts import Hosts
from helpers.interruption import SECOND, Cut, Interrupting

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

HOST = "t-cut"
CUTS = (
    Cut(
        SECOND,
        "controller killed",
        "nginx: configuration /etc/nginx (nginx.conf, sites-enabled/hello.conf)",
        0.02,
    ),
    Cut(SECOND, "agent killed", "nginx: service nginx"),
    Cut(SECOND, "sshd's session killed", "gunicorn: other instances of app-hello@.service", 0.1),
    Cut(SECOND, "link dropped, controller killed", "tls: certificate /etc/prov/tls/hello.crt", 0.1),
    Cut(SECOND, "power cut", "app: link /srv/hello/current"),
)


@pytest.fixture(scope="module")
def interrupting(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Interrupting:
    lab_hosts.one(HOST)
    return Interrupting(tmp_path_factory.mktemp("cuts"), [HOST])


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_one_more_run_converges(interrupting: Interrupting, cut: Cut) -> None:
    verdict = interrupting.one(cut)
    assert verdict.differences == []
    assert not verdict.late
