"""Keys, certificates and password files where others have left some already."""

from __future__ import annotations

import hashlib
import json
import subprocess
from functools import lru_cache

import pasts
from forked import Host, Hosts
from hypothesis import example
from hypothesis import strategies as st
from past import drawn, hold
from pasts import There, put
from pictures import others, photographs

from provision.secrets import Secret
from provision.steps.certificates import Certificate, CertificateRequest, SelfSigned, ValidCertificate
from provision.steps.keys import PrivateKey
from provision.steps.passwords import PasswordFile
from provision.steps.ssh_keys import KeyPair
from provision.system.source import Source


@lru_cache
def key(kind: str) -> bytes:
    rsa = ["RSA", "rsa_keygen_bits:2048"]
    words = {"P-256": ["EC", "ec_paramgen_curve:P-256"], "RSA-2048": rsa, "authority": rsa}[kind]
    argv = ["openssl", "genpkey", "-algorithm", words[0], "-pkeyopt", words[1]]
    return subprocess.run(argv, check=True, capture_output=True).stdout


@lru_cache
def certificate(kind: str, name: str, days: int) -> bytes:
    argv = ["openssl", "req", "-x509", "-key", "/dev/stdin", "-subj", f"/CN={name}", "-days", str(days)]
    argv += ["-addext", f"subjectAltName=DNS:{name}"]
    return subprocess.run(argv, check=True, capture_output=True, input=key(kind)).stdout


#: contents of a file where a key is wanted
keys = st.sampled_from([key("P-256"), key("RSA-2048"), b"", b"not a key\n", b"\xff\0", key("P-256")[:-40]])
certificates = st.sampled_from(
    [
        certificate("P-256", "a.test", 300),
        certificate("P-256", "b.test", 300),
        certificate("RSA-2048", "a.test", 1),
        b"x\r\n",
    ]
)


def is_mine(host: Host, at: str, kind: str) -> None:
    said = host.tells("openssl", "pkey", "-in", at, "-noout", "-text")
    assert {"P-256": "prime256v1", "RSA-2048": "2048 bit"}[kind] in said


@drawn(
    there=pasts.theres(keys),
    kind=st.sampled_from(["P-256", "RSA-2048"]),
    mode=st.sampled_from([0o600, 0o640]),
    owner=st.sampled_from([None, "games"]),
)
def test_private_key(hosts: Hosts, there: There, kind: str, mode: int, owner: str | None) -> None:
    host = hosts.new()
    put(there, host.root / "k")
    at = str(host.root / "k")
    held = hold(host, PrivateKey(at, kind, mode, owner), effect=lambda: is_mine(host, at, kind))
    assert others(held.before, "k") == others(held.after, "k") or there.kind == "hard"
    if not held.failed:
        assert held.after["k"][1] == mode
        if there.kind == "file" and there.data == key(kind):
            assert held.after["k"][4] == there.data, "a key that is good stays"


# valid, but for less time than a renewal waits for
@example(
    there=There("file", key("RSA-2048")),
    made=There("file", certificate("RSA-2048", "a.test", 1)),
    names=["a.test"],
)
@drawn(
    there=pasts.theres(keys),
    made=pasts.theres(certificates),
    names=st.sampled_from([["a.test"], ["a.test", "*.b.test"]]),
)
def test_self_signed(hosts: Hosts, there: There, made: There, names: list[str]) -> None:
    host = hosts.new()
    put(there, host.root / "k")
    put(made, host.root / "c")
    at, of = str(host.root / "c"), str(host.root / "k")

    def is_so() -> None:
        text = host.tells("openssl", "x509", "-in", at, "-noout", "-text")
        assert all(f"DNS:{name}" in text for name in names)
        public = host.tells("openssl", "x509", "-in", at, "-noout", "-pubkey")
        assert public == host.tells("openssl", "pkey", "-in", of, "-pubout")
        good = ValidCertificate(at, of, names, 14)
        assert host.run(good)[0].error is None

    held = hold(host, SelfSigned(of, at, names), effect=is_so)
    good = {key("P-256"): certificate("P-256", "a.test", 300)}.get(there.data)
    if there.kind == made.kind == "file" and good == made.data and names == ["a.test"]:
        assert held.after == held.before, "a certificate that is good stays"


@drawn(
    there=pasts.theres(keys),
    made=pasts.theres(st.just(b"-----BEGIN x\n")),
    subject=st.sampled_from([{}, {"O": "X Y"}]),
)
def test_request(hosts: Hosts, there: There, made: There, subject: dict[str, str]) -> None:
    host = hosts.new()
    put(there, host.root / "k")
    put(made, host.root / "c")
    at = str(host.root / "c")

    def is_so() -> None:
        text = host.tells("openssl", "req", "-in", at, "-noout", "-text", "-verify")
        assert "DNS:a.test" in text and ("X Y" in text) == bool(subject)

    hold(host, CertificateRequest(str(host.root / "k"), at, ["a.test"], subject), effect=is_so)


@drawn(there=pasts.theres(keys), made=pasts.theres(certificates))
def test_certificate(hosts: Hosts, there: There, made: There) -> None:
    host = hosts.new()
    put(there, host.root / "k")
    put(made, host.root / "c")
    ca = host.folder / "ca"
    ca.mkdir()
    (ca / "key").write_bytes(key("authority"))
    (ca / "crt").write_bytes(certificate("authority", "an authority", 900))

    def sign(request: bytes) -> bytes:
        (ca / "csr").write_bytes(request)
        argv = [
            "openssl",
            "x509",
            "-req",
            "-in",
            "csr",
            "-CA",
            "crt",
            "-CAkey",
            "key",
            "-days",
            "90",
            "-copy_extensions",
        ]
        return subprocess.run([*argv, "copy"], cwd=ca, check=True, capture_output=True).stdout

    said = subprocess.run(
        ["openssl", "x509", "-in", str(ca / "crt"), "-noout", "-ext", "subjectKeyIdentifier"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    authority = said.split()[-1].replace(":", "").lower()
    at, of = str(host.root / "c"), str(host.root / "k")

    def is_so() -> None:
        host.tells("openssl", "verify", "-CAfile", str(ca / "crt"), at)
        assert host.run(ValidCertificate(at, of, ["a.test"], 14))[0].error is None

    hold(host, Certificate(of, at, ["a.test"], Source.made_by("sign", sign), authority), effect=is_so)


@drawn(made=pasts.theres(certificates), names=st.sampled_from([[], ["a.test"]]), with_key=st.booleans())
def test_valid(hosts: Hosts, made: There, names: list[str], with_key: bool) -> None:
    host = hosts.new()
    put(made, host.root / "c")
    (host.root / "k").write_bytes(key("P-256"))
    step = ValidCertificate(str(host.root / "c"), str(host.root / "k") if with_key else "", names, 14)
    held = hold(host, step)
    good = made.kind in ("file", "link", "hard") and made.data.startswith(b"-----")
    wanted = certificate("P-256", "a.test", 300)
    other = certificate("P-256", "b.test", 300)
    assert bool(held.failed) != (good and (made.data == wanted or (made.data == other and not names)))


@drawn(
    kinds=st.sampled_from([(), ("ed25519",), ("rsa",), ("ed25519", "no public"), ("text",)]),
    folder=st.sampled_from(["none", "theirs", "open"]),
    wanted=st.sampled_from(["ed25519", "rsa"]),
)
def test_key_pair(hosts: Hosts, kinds: tuple[str, ...], folder: str, wanted: str) -> None:
    host = hosts.new("/etc", "/home")
    host.sh("useradd -m p-ada")
    at = f"/home/p-ada/.ssh/id_{wanted}"
    if folder != "none" or kinds:
        host.sh(f"mkdir /home/p-ada/.ssh; chmod {'777' if folder == 'open' else '700'} /home/p-ada/.ssh")
    if kinds[:1] == ("text",):
        host.write(at, "not a key\n", 0o600)
    elif kinds:
        host.sh(f"ssh-keygen -q -t {kinds[0]} -N '' -C theirs -f {at}")
    if "no public" in kinds:
        host.sh(f"rm {at}.pub")
    host.sh("chown -R p-ada: /home/p-ada")
    look = lambda: host.sees(lambda: photographs("/home/p-ada"))  # noqa: E731

    def is_so() -> None:
        said = host.tells("ssh-keygen", "-y", "-f", at).split()[:2]
        assert said == host.read(at + ".pub").decode().split()[:2]
        assert host.tells("stat", "-c", "%a %U", at).strip() == "600 p-ada"

    held = hold(host, KeyPair("p-ada", wanted), effect=is_so, picture=look)
    assert bool(held.failed) == bool(kinds and kinds[0] != wanted) or folder == "open", held.failed


@drawn(
    there=pasts.theres(st.sampled_from([b"ann:$2y$x\n", b"bob:x\r\nann:y", b"caf\xe9:x\n", b""])),
    marks=st.sampled_from([b"", b"{", b'{"key": "", "marks": {}}']),
    users=st.sampled_from([("ann",), ("ann", "bob"), ()]),
    changed=st.booleans(),
)
def test_password_file(
    hosts: Hosts, there: There, marks: bytes, users: tuple[str, ...], changed: bool
) -> None:
    host = hosts.new()
    put(there, host.root / "h")
    if marks:
        (host.root / ".h.marks").write_bytes(marks)

    def made(request: bytes) -> bytes:
        return json.dumps(
            {name: "$2b$12$" + hashlib.sha256(name.encode()).hexdigest() for name in json.loads(request)}
        ).encode()

    step = PasswordFile(
        str(host.root / "h"),
        {name: Secret(f"mark of {name}") for name in users},
        Source.made_by("hashes", made),
    )
    held = hold(host, step, undone=not changed)
    if not held.failed:
        lines = held.after["h"][4].decode().splitlines()
        assert [line.split(":")[0] for line in lines] == sorted(users)
        assert all(line.split(":")[1].startswith("$2b$12$") for line in lines)
