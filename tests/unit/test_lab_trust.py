"""Certificates and pip's configuration for lab hosts."""

from __future__ import annotations

from pathlib import Path

from provision.lab import trust


def pem(body: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----"


def test_only_the_administrators_certificates_are_added() -> None:
    bundle = "\n".join([pem("AAAA"), "# ours", pem("BBBB"), pem("CCCC").replace("\n", "\r\n"), pem("BBBB")])
    assert trust.added(bundle, [pem("AAAA"), pem("CCCC") + "\n"]) == [pem("BBBB")]
    assert trust.added(bundle, [bundle]) == []


def test_pip_is_left_alone_unless_it_needs_something() -> None:
    assert trust.pip_conf(False, [], {}) == ""
    assert "cert = /etc/ssl/certs/ca-certificates.crt" in trust.pip_conf(True, [], {})


def test_an_index_on_the_network_is_taken_over_and_a_local_one_is_not(tmp_path: Path) -> None:
    own = tmp_path / "pip.conf"
    own.write_text(
        "[global]\nindex-url = https://index.example/simple\n"
        "extra-index-url = file:///opt/simple\n  https://more.example/simple\nfind-links = /opt/wheels\n"
        "timeout = 3\n"
    )
    assert trust.pip_conf(False, [own, tmp_path / "absent"], {}).splitlines() == [
        "[global]",
        "index-url = https://index.example/simple",
        "extra-index-url = https://more.example/simple",
    ]


def test_an_index_of_the_environment_comes_before_that_of_the_files(tmp_path: Path) -> None:
    own = tmp_path / "pip.conf"
    own.write_text("[global]\nindex-url = https://index.example/simple\n")
    environment = {"PIP_INDEX_URL": "https://ci.example/simple", "PIP_FIND_LINKS": "/opt/wheels"}
    assert trust.pip_conf(False, [own], environment) == "[global]\nindex-url = https://ci.example/simple\n"
    assert trust.pip_conf(False, [], environment) == "[global]\nindex-url = https://ci.example/simple\n"
