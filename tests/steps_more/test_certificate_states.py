"""What hosts tell of their certificates, and what is wrong with these."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from steps_bench import Bench, refuses
from test_served import certificate

from provision.steps.certificate_states import CertificateStates
from provision.steps.support.served_certificates import faults

DAY = 86400.0


def told(bench: Bench, path: Path, state: Path | None = None) -> dict[str, Any]:
    """What a host tells of one certificate. Port 443 of its network is its own."""
    bench.script = "ip link set lo up && "
    (outcome,) = bench.run(CertificateStates({"shop": (str(path), "shop.test", str(state or ""))}))
    found: dict[str, Any] = json.loads(outcome.stdout)["shop"]
    return found


def test_a_good_one_and_another_one_that_is_served(bench: Bench) -> None:
    path, other = certificate(bench.root, "shop"), certificate(bench.root, "other")
    found = told(bench, path)
    assert found["issuer"] == "CN=shop.test"
    assert (found["days"], found["served"]) == (29, "")
    assert found["problems"] == ["port 443 shows no certificate for shop.test"]
    for shown, problems in ((path, []), (other, ["port 443 shows another certificate for shop.test"])):
        key = shown.with_suffix(".key")
        server = f"timeout 60 openssl s_server -accept 443 -cert {shown} -key {key} -quiet"
        bench.script = f"ip link set lo up && {server} >/dev/null 2>&1 </dev/null & sleep 1;"
        (outcome,) = bench.run(CertificateStates({"shop": (str(path), "shop.test", "")}))
        found = json.loads(outcome.stdout)["shop"]
        assert found["problems"] == problems
        assert (found["served"] == found["serial"]) == (problems == [])


def test_one_that_is_missing_or_damaged(bench: Bench) -> None:
    path = bench.root / "shop.crt"
    for text in (None, "x"):
        if text is not None:
            path.write_text(text)
        assert told(bench, path)["problems"][0] == "there is no certificate"


def test_renewals(bench: Bench) -> None:
    path, state = certificate(bench.root, "shop"), bench.root / "state.json"
    state.write_text(json.dumps({"renew_at": 5, "next": 7, "error": "no such name", "window": [1, 2]}))
    found = told(bench, path, state)
    assert (found["renews"], found["tries"], found["window"]) == (5.0, 7.0, [1, 2])
    assert found["problems"][0] == "the last renewal failed: no such name"
    for text in ("[]", "{", '{"renew_at": "x"}'):
        state.write_text(text)
        assert "renews" not in told(bench, path, state)


@pytest.mark.parametrize(
    ("whole", "left", "renewed", "wrong"),
    [
        (90, 31, {}, []),
        (90, 29, {}, ["the certificate is valid for 29 more days"]),
        (90, 29, {"renews": time.time() + DAY}, []),
        (90, 29, {"renews": time.time() - DAY}, ["the certificate is valid for 29 more days"]),
        (6, 3, {}, []),
        (6, 1, {}, ["the certificate is valid for 1 more days"]),
        (398, 100, {}, []),
        (398, 29, {}, ["the certificate is valid for 29 more days"]),
        (90, -1, {}, ["the certificate has expired"]),
    ],
)
def test_what_is_wrong(whole: int, left: int, renewed: dict[str, Any], wrong: list[str]) -> None:
    now = time.time() + 60
    found = {"begin": now + (left - whole) * DAY, "end": now + left * DAY, "days": left}
    assert faults(found, renewed) == wrong


def test_nonsense_is_refused() -> None:
    refuses(CertificateStates({"shop": ("shop.crt", "shop.test", "")}), "absolute")
    refuses(CertificateStates({"shop": ("/shop.crt", "shop.test", "state")}), "absolute")
