"""Proxies that a host sets for all logins, read as pam_env(8) does, and nothing else of what stands there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provision.controller import bootstrap
from provision.system import proxies

ENVIRONMENT = """\
# https_proxy=http://commented
PATH="/usr/local/sbin:/evil"
LD_PRELOAD=/evil.so
PYTHONPATH=/evil
export https_proxy="http://proxy:3128"   # the way out
http_proxy='http://user:word@proxy:3128'
  NO_PROXY=localhost,.example.com
FTP_PROXY="http://unclosed:1
no equals
odd.proxy=x
my-x_proxy=x
all_proxy=
"""
CONFIGURATION = """\
#https_proxy DEFAULT=http://commented
ALL_PROXY\tDEFAULT=socks5://old OVERRIDE=socks5://new
rsync_proxy DEFAULT=user\\@proxy:1
ftp_proxy DEFAULT="one two"
no_proxy DEFAULT=${HOME}
HTTP_PROXY DEFAULT=@{PAM_RHOST}
http_proxy DEFAULT=http://overridden
LD_PRELOAD DEFAULT=/evil.so
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(proxies, "ENVIRONMENT", str(tmp_path / "environment"))
    monkeypatch.setattr(proxies, "CONFIGURATION", str(tmp_path / "pam_env.conf"))
    return tmp_path


@pytest.mark.trust("11", "no-proxy-environment")
def test_proxies_are_believed_and_nothing_else(files: Path) -> None:
    assert proxies.proxies() == {}
    (files / "environment").write_text(ENVIRONMENT)
    (files / "pam_env.conf").write_text(CONFIGURATION)
    assert proxies.proxies() == {
        "https_proxy": "http://proxy:3128",
        "http_proxy": "http://user:word@proxy:3128",
        "NO_PROXY": "localhost,.example.com",
        "FTP_PROXY": "http://unclosed:1",
        "ALL_PROXY": "socks5://new",
        "rsync_proxy": "user@proxy:1",
        "ftp_proxy": "one two",
    }


def test_a_change_is_seen_in_the_same_run(files: Path) -> None:
    (files / "environment").write_text("https_proxy=http://one\n")
    assert proxies.proxies() == {"https_proxy": "http://one"}
    (files / "environment").write_text("https_proxy=http://other\n")
    assert proxies.proxies() == {"https_proxy": "http://other"}
    (files / "environment").unlink()
    (files / "environment").mkdir()
    assert proxies.proxies() == {}


@pytest.mark.parametrize("value", ["a\tb", "a\x1b[2J", "a\x00b"])
def test_a_value_with_control_characters_is_none(files: Path, value: str) -> None:
    (files / "environment").write_text(f"https_proxy={value}\n")
    assert proxies.proxies() == {}


@pytest.mark.trust("11", "no-proxy-environment")
def test_the_installation_of_python_gets_them_too(files: Path) -> None:
    (files / "environment").write_text(ENVIRONMENT)
    script = " ".join(bootstrap.SCRIPT.split())
    begin, end = script.index("if [ -r /etc/environment"), script.index("export DEBIAN_FRONTEND")
    code = script[begin:end].replace("/etc/environment", str(files / "environment"))
    done = subprocess.run(
        ["sh", "-c", f"{code} env"], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert found.pop("PATH") == "/usr/bin:/bin"
    assert {name: found[name] for name in found if name.lower().endswith("_proxy")} == {
        "https_proxy": "http://proxy:3128",
        "http_proxy": "http://user:word@proxy:3128",
        "FTP_PROXY": "http://unclosed:1",
        "all_proxy": "",
    }
    assert not {"LD_PRELOAD", "PYTHONPATH"} & set(found)
