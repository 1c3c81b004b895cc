"""A certificate of one's own, and sslyze's judgement of TLS.

sslyze has an environment of its own: what it requires goes ill with what prov does.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.cli import PROV

UV = Path(PROV).with_name("uv")
#: in the order in which they came
PROTOCOLS = ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2", "tls_1_3")


def own_request(folder: Path) -> bytes:
    """Ask for a certificate with a new key, own.key in a folder; the request in PEM."""
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    argv = ["openssl", "req", *kind, "-subj", "/CN=x", "-keyout", str(folder / "own.key")]
    return subprocess.run(argv, capture_output=True, check=True).stdout


@dataclass(frozen=True)
class Judgement:
    """What a domain's front speaks. problems: what Mozilla's configuration has against it."""

    protocols: tuple[str, ...]
    ciphers: tuple[str, ...]
    problems: str


def judge(
    sites: Iterable[tuple[str, str]], ca: Path, folder: Path, profile: str = "intermediate"
) -> dict[str, Judgement]:
    """A judgement on each domain, given with its address, by one of Mozilla's configurations.

    ca: the authority that is trusted.  folder: where sslyze may write.
    """
    targets = [f"{domain}:443{{{address}}}" for domain, address in sites]
    report = folder / "sslyze.json"
    options = ["--mozilla_config", profile, "--certinfo_ca_file", str(ca), "--json_out", str(report)]
    done = subprocess.run(
        [UV, "tool", "run", "--quiet", "sslyze>=6.1,<7", *options, *targets],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    # 1: something does not comply
    assert done.returncode in (0, 1) and report.exists(), (done.stdout, done.stderr)
    results = json.loads(report.read_text())["server_scan_results"]
    verdicts = complaints(done.stdout)
    return {
        str(one["server_location"]["hostname"]): judgement(one, verdicts)
        for one in results
        if one["scan_status"] == "COMPLETED"
    }


def judgement(result: Mapping[str, Any], verdicts: Mapping[str, str]) -> Judgement:
    """What sslyze has found, and what it says of that."""
    spoken: dict[str, list[str]] = {}
    for protocol in PROTOCOLS:
        found = result["scan_result"][f"{protocol}_cipher_suites"]["result"]["accepted_cipher_suites"]
        if found:
            spoken[named(protocol)] = [each["cipher_suite"]["openssl_name"] for each in found]
    ciphers = tuple(sorted({name for names in spoken.values() for name in names}))
    domain = str(result["server_location"]["hostname"])
    return Judgement(tuple(spoken), ciphers, verdicts.get(domain, "no verdict"))


def named(protocol: str) -> str:
    """tls_1_2 as TLS 1.2."""
    name, major, minor = protocol.split("_")
    return f"{name.upper()} {major}.{minor}"


def complaints(text: str) -> dict[str, str]:
    """By domain, what stands below the heading COMPLIANCE: "" for one that complies."""
    found: dict[str, str] = {}
    domain = ""
    for line in text.partition("COMPLIANCE AGAINST TLS CONFIGURATION")[2].splitlines():
        head, colon, verdict = line.strip().partition(":443: ")
        if colon:
            domain = head
            found[domain] = "" if verdict.startswith("OK") else verdict
        elif line.strip().startswith("* ") and domain:
            found[domain] += f" {line.strip()[2:]}"
    return found
