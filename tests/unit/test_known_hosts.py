"""Files of known hosts as OpenSSH reads them: a line about another host, or one that can't be used, ends nothing."""

from __future__ import annotations

import base64
import hmac
import re
import subprocess
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from provision.controller.connection import HostKeys, fingerprint
from provision.controller.host_keys import KnownHostKeys, known, parsed
from provision.errors import UnreachableError

KEY = paramiko.ECDSAKey.generate(curve=ec.SECP256R1())
OTHER = paramiko.ECDSAKey.generate(curve=ec.SECP256R1())
MINE, THEIRS = (f"{key.get_name()} {key.get_base64()}" for key in (KEY, OTHER))


def found(
    tmp_path: Path, text: str | bytes, host: str = "web1", port: int = 22, alias: str = ""
) -> KnownHostKeys:
    """What a file says of a host."""
    path = tmp_path / "known_hosts"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return known([path], host, port, alias)


def judged(here: KnownHostKeys, key: paramiko.PKey = KEY, name: str = "web1") -> str:
    """ "" if the key is accepted, else why it is not."""
    try:
        HostKeys(here).missing_host_key(paramiko.SSHClient(), name, key)
    except UnreachableError as error:
        return f"{error.message} | {error.hint}"
    return ""


def hashed(name: str) -> str:
    salt = b"0123456789abcdefghij"
    digest = hmac.digest(salt, name.encode(), "sha1")
    return "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, digest))


ABOUT_OTHERS = [
    f"@cert-authority *.example.com {MINE} ca@example.com",
    f"@revoked old.example.com {THEIRS}",
    f"@unknown * {THEIRS}",
    "git.test  ssh-ed25519  AAAA",
    "git.test 2048 35 1234567890",
    "git.test ssh-ed25519 AAAAC3Nza",
    "git.test ssh-ed25519 %%%%",
    "git.test",
    "@revoked",
    "|1|no|hash " + THEIRS,
    "|1|aa " + THEIRS,
    "|1| " + THEIRS,
    "\t# a comment",
    "!web1,* " + THEIRS,
]


@pytest.mark.trust("7", "known-hosts-lines")
@pytest.mark.parametrize("line", ABOUT_OTHERS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_about_others_change_nothing(tmp_path: Path, line: str, end: str) -> None:
    assert judged(found(tmp_path, end.join([line, f"web1 {MINE} comment", line, ""]))) == ""
    assert "is not known" in judged(found(tmp_path, line + end))


@pytest.mark.trust("7", "known-hosts-markers")
@pytest.mark.parametrize(
    "line", [b"# K\xfcche", b"git.test ssh-ed25519 AAAA caf\xe9", b"\xff\xfe\x00", b"\x00" * 100]
)
def test_comments_in_any_encoding(tmp_path: Path, line: bytes) -> None:
    assert judged(found(tmp_path, line + b"\n" + f"web1 {MINE} caf\u00e9\n".encode("latin-1"))) == ""


@pytest.mark.trust("7", "known-hosts-lookup")
@pytest.mark.parametrize(
    ("names", "host", "port", "alias"),
    [
        ("web1", "web1", 22, ""),
        ("WEB1", "web1", 22, ""),
        ("10.*", "10.1.2.3", 22, ""),
        ("web?,other", "web1", 22, ""),
        ("web-one", "10.0.0.1", 2222, "web-one"),
        ("[web1]:2222", "web1", 2222, ""),
        ("[web*]:*", "web1", 2222, ""),
        ("web1", "web1", 2222, ""),
        (hashed("web1"), "web1", 22, ""),
        (hashed("[web1]:2222"), "web1", 2222, ""),
        ("*,!db1", "web1", 22, ""),
    ],
)
def test_names_that_match(tmp_path: Path, names: str, host: str, port: int, alias: str) -> None:
    assert judged(found(tmp_path, f"{names} {MINE}\n", host, port, alias)) == ""


@pytest.mark.trust("7", "known-hosts-lookup")
@pytest.mark.parametrize(
    ("names", "host", "port", "alias"),
    [
        ("web", "web1", 22, ""),
        ("web1.", "web1", 22, ""),
        ("*,!web*", "web1", 22, ""),
        ("web1", "10.0.0.1", 22, "web-one"),
        ("10.0.0.1", "10.0.0.1", 22, "web-one"),
        ("[web1]:2222", "web1", 22, ""),
        ("[web1]:2222", "web1", 2223, ""),
        ("w.b1", "web1", 22, ""),
        (hashed("web2"), "web1", 22, ""),
    ],
)
def test_names_that_do_not(tmp_path: Path, names: str, host: str, port: int, alias: str) -> None:
    assert "is not known" in judged(found(tmp_path, f"{names} {MINE}\n", host, port, alias))


@pytest.mark.trust("7", "known-hosts-lookup")
def test_one_of_several_keys_is_enough(tmp_path: Path) -> None:
    assert judged(found(tmp_path, f"web1 {THEIRS}\nweb1 {MINE}\n")) == ""
    third = paramiko.ECDSAKey.generate(curve=ec.SECP256R1())
    why = judged(found(tmp_path, f"web1 {THEIRS}\n\nweb1 {MINE}\n"), third)
    assert "has CHANGED" in why
    assert fingerprint(KEY) in why
    assert fingerprint(OTHER) in why
    assert f"{tmp_path}/known_hosts:1, {tmp_path}/known_hosts:3" in why


@pytest.mark.trust("7", "known-hosts-lookup")
def test_a_key_without_the_port_says_nothing_against_another_one(tmp_path: Path) -> None:
    assert "is not known" in judged(found(tmp_path, f"web1 {THEIRS}\n", port=2222))
    assert "CHANGED" in judged(found(tmp_path, f"[web1]:2222 {THEIRS}\nweb1 {MINE}\n", port=2222))


@pytest.mark.trust("7", "known-hosts-markers")
@pytest.mark.parametrize("names", ["web1", "*", hashed("web1")])
def test_a_revoked_key_is_refused(tmp_path: Path, names: str) -> None:
    why = judged(found(tmp_path, f"web1 {MINE}\n@revoked {names} {MINE}\n"))
    assert "is revoked" in why
    assert "known_hosts:2" in why
    assert judged(found(tmp_path, f"web1 {MINE}\n@revoked {names} {THEIRS}\n")) == ""


@pytest.mark.trust("7", "known-hosts-markers")
def test_an_authority_is_no_key_of_the_host(tmp_path: Path) -> None:
    why = judged(found(tmp_path, f"@cert-authority * {MINE}\n"))
    assert "is not known" in why
    assert "known_hosts:1 has an authority for the host" in why


@pytest.mark.trust("7", "known-hosts-lines")
@pytest.mark.parametrize(
    "rest", ["ssh-ed25519 AAAA%", "ssh-ed25519", "2048 35 123", f"ssh-rsa {THEIRS.split()[1]}"]
)
def test_a_line_about_this_host_is_told(tmp_path: Path, rest: str) -> None:
    assert "known_hosts:1 names the host, but" in judged(found(tmp_path, f"web1 {rest}\n"))


def test_many_wildcards_take_no_time() -> None:
    line = next(parsed(b"*" * 1000 + b"a*b*c*d*e*f*g " + MINE.encode(), "x"))
    assert not line.matches("a" * 200)


def test_openssh_finds_the_same(tmp_path: Path) -> None:
    """ssh-keygen -F looks up names as ssh does."""
    path = tmp_path / "known_hosts"
    lines = [
        f"{names} {MINE}" for names in ("web1", "[web1]:2222", "w?b1", "*,!web1", hashed("web1"), "web2,web1")
    ]
    path.write_text("\n".join(lines) + "\n")
    for name in ("web1", "[web1]:2222", "web2", "other"):
        done = subprocess.run(["ssh-keygen", "-F", name, "-f", path], capture_output=True, text=True)
        theirs = {int(n) for n in re.findall(r"found: line (\d+)", done.stdout)}
        ours = {n for n, line in enumerate(parsed(path.read_bytes(), "x"), 1) if line.matches(name)}
        assert ours == theirs, name
