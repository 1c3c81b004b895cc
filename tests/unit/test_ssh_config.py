"""The user's ssh configuration, where paramiko reads less of it than ssh does."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.controller.connection import VerifiedConnection, fabric_config, files_of
from provision.errors import ConfigError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's home, with a key."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_lab").write_text("a key")
    (tmp_path / ".ssh/my key").write_text("a key")
    return tmp_path


def shop(home: Path, *lines: str) -> VerifiedConnection:
    """A connection to the host of these lines."""
    (home / ".ssh/config").write_text("\n".join(lines) + "\n")
    return VerifiedConnection("shop", config=fabric_config())


HOST = ("Host shop", " HostName 10.0.0.1", " User ann")


@pytest.mark.trust("7", "canonicalize")
def test_canonicalize_without_domains(home: Path) -> None:
    assert shop(home, "CanonicalizeHostname yes", *HOST).host == "10.0.0.1"


@pytest.mark.trust("7", "canonicalize")
def test_a_setting_without_a_value(home: Path) -> None:
    with pytest.raises(ConfigError, match="'HashKnownHosts' has no value") as raised:
        shop(home, *HOST, " HashKnownHosts")
    assert raised.value.where == f"{home}/.ssh/config:4"


@pytest.mark.trust("7", "canonicalize")
@pytest.mark.parametrize(
    "line", ["ForwardAgent /run/agent", "ConnectTimeout none", "# K\udcfcche", "Compression maybe"]
)
def test_words_that_others_would_fail_on(home: Path, line: str) -> None:
    (home / ".ssh/config").write_bytes("\n".join([*HOST, line, ""]).encode("utf-8", "surrogateescape"))
    assert VerifiedConnection("shop", config=fabric_config()).user == "ann"


@pytest.mark.trust("7", "canonicalize")
def test_a_port_that_is_none(home: Path) -> None:
    with pytest.raises(ConfigError, match="no number for the port of shop"):
        shop(home, *HOST, " Port many")


@pytest.mark.trust("7", "ssh-config-include")
def test_include(home: Path) -> None:
    (home / ".ssh/config.d").mkdir()
    (home / ".ssh/config.d/shop").write_text("Host shop\n HostName 10.0.0.9\n Port 2222\n")
    (home / ".ssh/config.d/loop").write_text("Include ~/.ssh/config.d/loop\n")
    c = shop(home, "Include config.d/*", "User bob", "Host other", " User eve")
    assert (c.host, c.port, c.user) == ("10.0.0.9", 2222, "bob")


@pytest.mark.trust("7", "identity-file-not-there")
def test_identity_files(home: Path) -> None:
    lines = ["~/.ssh/id_rsa", "none", "~/.ssh/id_lab", '"~/.ssh/my key" # comment']
    c = shop(home, *HOST, *(f" IdentityFile {name}" for name in lines))
    assert c.connect_kwargs["key_filename"] == [f"{home}/.ssh/id_lab", f"{home}/.ssh/my key"]
    assert "key_filename" not in shop(home, *HOST, " IdentityFile ~/.ssh/id_rsa").connect_kwargs


@pytest.mark.trust("7", "proxyjump-words")
def test_proxy_jumps(home: Path) -> None:
    rest = ("Host *", " ProxyJump gate.invalid")
    assert shop(home, *HOST, " ProxyJump none", *rest).gateway is None
    gate = shop(home, *HOST, " ProxyJump ssh://root@gate:2200").gateway
    assert (gate.user, gate.host, gate.port) == ("root", "gate", 2200)
    chain = shop(home, *HOST, " ProxyJump one,two@2.example:22", "Host one", " ProxyJump none").gateway
    assert (chain.host, chain.gateway.host) == ("2.example", "one")


def test_files_of_known_hosts(home: Path) -> None:
    assert files_of('~/.ssh/known_hosts "%d/.ssh/known %h" none', "web1") == [
        home / ".ssh/known_hosts",
        home / ".ssh/known web1",
    ]


@pytest.mark.trust("7", "ssh-config-include")
def test_files_that_include_each_other_end(home: Path) -> None:
    (home / ".ssh/other").write_text("Include config\n" * 5)
    with pytest.raises(ConfigError, match="more than 1000 files by Include"):
        shop(home, *HOST, *["Include other"] * 5)
