"""What `ssh alias` reaches, prov reaches; and what ssh refuses is told in ssh's own words.

One ~/.ssh with an alias for each case, real sshds, and `ssh alias true` beside `prov ping alias`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers.cli import PROV
from helpers.hosts import Hosts, on
from helpers.projects import Project

from provision import lab

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

NAME = "t-ssh-matrix"
OTHER_PORT, KEYS_PORT = 2222, 2223
#: each alias with its lines in ~/.ssh/config.  {at}: the host's address.  {key}: a key that it accepts.  {ssh}: ~/.ssh.
#: Unless a case says more: HostName, User root, UserKnownHostsFile with the host's own key
ALIASES = {
    "plain": "IdentityFile {key}",
    "other-port": "IdentityFile {key}\nPort 2222",
    "port-in-known-hosts": "IdentityFile {key}\nPort 2222\nUserKnownHostsFile {ssh}/known_port",
    "first-value-counts": "IdentityFile {key}\nPort 22\nPort 2",
    "compressed": "IdentityFile {key}\nCompression yes\nCiphers aes128-ctr\nMACs hmac-sha2-256",
    "quiet": "IdentityFile {key}\nLogLevel QUIET",
    "own-terminal": "IdentityFile {key}\nRequestTTY force\nEscapeChar none",
    "forwards": "IdentityFile {key}\nLocalForward 127.0.0.1:47891 localhost:22\nExitOnForwardFailure yes",
    "local-command": "IdentityFile {key}\nPermitLocalCommand yes\nLocalCommand echo local",
    "agent-forwarded": "IdentityFile {key}\nForwardAgent yes\nIdentitiesOnly yes\nIdentityAgent {agent}",
    "sent-environment": "IdentityFile {key}\nSendEnv LANG LC_* X_*\nSetEnv X_A=1",
    "own-master": "IdentityFile {key}\nControlMaster auto\nControlPath {ssh}/m-%C\nControlPersist 5",
    "no-master": "IdentityFile {key}\nControlMaster no\nControlPath none",
    "alive": "IdentityFile {key}\nServerAliveInterval 7\nConnectTimeout 5\nTCPKeepAlive no",
    "family": "IdentityFile {key}\nAddressFamily inet",
    "batch": "IdentityFile {key}\nBatchMode yes",
    # keys and agents
    "identity-missing": "IdentityFile {ssh}/none\nIdentityFile {key}",
    "identity-none": "IdentityFile {ssh}/none\nIdentityFile none\nIdentityFile {key}",
    "identity-quoted": 'IdentityFile "{ssh}/my key" # mine',
    "identity-token": "IdentityFile %d/.ssh/good",
    "identities-only": "IdentityFile {key}\nIdentitiesOnly yes\nIdentityAgent {many}",
    "public-half": "IdentityFile {ssh}/only.pub\nIdentitiesOnly yes\nIdentityAgent {agent}",
    "identity-agent": "IdentityAgent {only}",
    "encrypted-in-agent": "IdentityFile {ssh}/locked\nIdentityAgent {only}",
    "no-agent": "IdentityAgent none\nIdentityFile {key}",
    "certificate": "IdentityFile {ssh}/fresh\nCertificateFile {ssh}/certs/me.pub",
    "certificate-beside": "IdentityFile {ssh}/beside\nIdentitiesOnly yes",
    "rsa": "IdentityFile {ssh}/rsa\nPubkeyAcceptedAlgorithms rsa-sha2-512",
    # keys of hosts
    "host-certificate": "IdentityFile {key}\nUserKnownHostsFile {ssh}/known_authority",
    "other-authority": "IdentityFile {key}\nUserKnownHostsFile {ssh}/known_other_authority",
    "other-revoked": "IdentityFile {key}\nUserKnownHostsFile {ssh}/known_other_revoked",
    "odd-lines": "IdentityFile {key}\nUserKnownHostsFile {ssh}/known_odd",
    "wildcard": "IdentityFile {key}\nUserKnownHostsFile {ssh}/known_wildcard",
    "hashed": "IdentityFile {key}\nUserKnownHostsFile {ssh}/known_hashed",
    "alias-of-key": "IdentityFile {key}\nHostKeyAlias web-one\nUserKnownHostsFile {ssh}/known_alias",
    "two-keys": "IdentityFile {key}\nUserKnownHostsFile {ssh}/known_two\nUpdateHostKeys no",
    "two-files": "IdentityFile {key}\nUserKnownHostsFile {ssh}/known_none {ssh}/known_hosts",
    "global-file": "IdentityFile {key}\nUserKnownHostsFile none\nGlobalKnownHostsFile {ssh}/known_hosts",
    "not-strict": "IdentityFile {key}\nUserKnownHostsFile /dev/null\nStrictHostKeyChecking no",
    "accept-new": "IdentityFile {key}\nUserKnownHostsFile {ssh}/known_new\nStrictHostKeyChecking accept-new",
    # names and ways
    "canonical": "IdentityFile {key}\nCanonicalizeHostname yes",
    "jump": "IdentityFile {key}\nProxyJump gate",
    "jump-none": "IdentityFile {key}\nProxyJump none",
    "jump-uri": "IdentityFile {key}\nProxyJump ssh://root@gate:22",
    "jump-twice": "IdentityFile {key}\nProxyJump gate,gate2",
    "proxy-command": "IdentityFile {key}\nProxyCommand ssh -W %h:%p gate",
    "proxy-netcat": "IdentityFile {key}\nProxyCommand {python} {ssh}/tunnel.py %h %p",
    # what ssh refuses
    "!port-closed": "IdentityFile {key}\nPort 2",
    "!no-such-name": "HostName no-such-host.invalid",
    "!wrong-key": "IdentityFile {ssh}/stranger\nIdentitiesOnly yes",
    "!no-such-user": "IdentityFile {key}\nUser nobody-here",
    "!too-many-keys": "IdentityAgent {many}\nPort 2223",
    "!locked-key": "IdentityFile {ssh}/locked\nIdentityAgent none\nIdentitiesOnly yes",
    "!only-passwords": "IdentityFile {key}\nPreferredAuthentications password",
    "!expired-certificate": "IdentityFile {ssh}/expired\nIdentitiesOnly yes",
    "!unknown-host": "IdentityFile {key}\nUserKnownHostsFile {ssh}/known_none",
    "!changed-host": "IdentityFile {key}\nUserKnownHostsFile {ssh}/known_changed",
    "!revoked-host": "IdentityFile {key}\nUserKnownHostsFile {ssh}/known_revoked",
    "!known-by-other-kind": "IdentityFile {key}\nHostKeyAlgorithms ecdsa-sha2-nistp256",
    "!no-algorithm": "IdentityFile {key}\nKexAlgorithms diffie-hellman-group14-sha1",
    "!other-family": "IdentityFile {key}\nAddressFamily inet6",
    "!jump-denied": "IdentityFile {key}\nProxyJump badgate",
    "!jump-nowhere": "IdentityFile {key}\nProxyJump no-such-gate.invalid",
    "!behind-jump-closed": "IdentityFile {key}\nProxyJump gate\nPort 2",
    "!no-such-proxy": "IdentityFile {key}\nProxyCommand no-such-program %h",
}
#: aliases that other parts of the configuration have, in files that it includes and blocks that match
ELSEWHERE = ("included", "included-deeply", "matched", "matched-by-program", "sub-a", "tilde")
ADDED = re.compile(r"^(kex_exchange_identification|Connection closed by|Disconnected|@|$)")

TUNNEL = """
import os, socket, sys, threading
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 65536):
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := s.recv(65536):
    os.write(1, data)
"""


@dataclass(frozen=True)
class Setting:
    """ssh: the folder that stands for ~/.ssh.  project: whose inventory has every alias."""

    ssh: Path
    project: Project

    def run(self, *argv: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a program that finds the folder as ~/.ssh."""
        inside = 'mount --bind "$0" /root/.ssh && exec "$@"'
        Path("/root/.ssh").mkdir(mode=0o700, exist_ok=True)
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", inside, str(self.ssh), *argv],
            cwd=self.project.folder,
            env={**os.environ, "SSH_AUTH_SOCK": "", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def keygen(*argv: object) -> None:
    subprocess.run(["ssh-keygen", "-q", *map(str, argv)], check=True, timeout=20, capture_output=True)


@pytest.fixture(scope="module")
def host(lab_hosts: Hosts) -> lab.LabHost:
    return lab_hosts.one(NAME)


@pytest.fixture(scope="module")
def setting(host: lab.LabHost, tmp_path_factory: pytest.TempPathFactory, short: Path) -> Iterator[Setting]:
    ssh = short / "ssh"
    ssh.mkdir(mode=0o700)
    keys = [
        "good",
        "only",
        "fresh",
        "beside",
        "expired",
        "stranger",
        "my key",
        *(f"many{n}" for n in range(8)),
    ]
    for name in keys:
        keygen("-t", "ed25519", "-N", "", "-f", ssh / name)
    keygen("-t", "ed25519", "-N", "secret", "-f", ssh / "locked")
    keygen("-t", "rsa", "-b", "2048", "-N", "", "-f", ssh / "rsa")
    make_certificates(ssh)
    prepare_host(ssh)
    make_known_hosts(ssh, host)
    project = Project(tmp_path_factory.mktemp("matrix"))
    names = [name.removeprefix("!") for name in (*ALIASES, *ELSEWHERE)]
    project.inventory(dict.fromkeys(names))
    pids: list[int] = []
    try:
        agents = {name: agent(ssh, name, pids) for name in ("agent", "many", "only")}
        add(agents["agent"], *(ssh / f"many{n}" for n in range(8)), ssh / "only")
        add(agents["many"], *(ssh / f"many{n}" for n in range(8)))
        (ssh / "locked-open").write_bytes((ssh / "locked").read_bytes())
        (ssh / "locked-open").chmod(0o600)
        keygen("-p", "-P", "secret", "-N", "", "-f", ssh / "locked-open")
        add(agents["only"], ssh / "only", ssh / "locked-open")
        (ssh / "only").unlink()
        write_configuration(ssh, host, agents)
        yield Setting(ssh, project)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGTERM)


@pytest.fixture(scope="module")
def short() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="prov-m-") as name:
        yield Path(name)


def agent(ssh: Path, name: str, pids: list[int]) -> Path:
    """Start an ssh-agent; returns its socket."""
    path = ssh / f"{name}.sock"
    said = subprocess.run(["ssh-agent", "-a", str(path)], capture_output=True, text=True, check=True).stdout
    found = re.search(r"SSH_AGENT_PID=(\d+)", said)
    assert found
    pids.append(int(found[1]))
    return path


def add(path: Path, *keys: Path) -> None:
    """Load keys into an agent, the first one first."""
    env = {**os.environ, "SSH_AUTH_SOCK": str(path)}
    subprocess.run(["ssh-add", "-q", *map(str, keys)], env=env, check=True, capture_output=True, timeout=20)


def make_certificates(ssh: Path) -> None:
    """Certificates of users, by one authority: in a folder of its own, beside its key, and expired."""
    keygen("-t", "ed25519", "-N", "", "-f", ssh / "ca")
    for name, validity in (("fresh", "+1d"), ("beside", "+1d"), ("expired", "20200101:20200102")):
        keygen("-s", ssh / "ca", "-I", "me", "-n", "root", "-V", validity, ssh / f"{name}.pub")
    (ssh / "certs").mkdir()
    (ssh / "fresh-cert.pub").rename(ssh / "certs/me.pub")


def prepare_host(ssh: Path) -> None:
    """Have the host accept these keys and the authority, show a certificate, and listen on two more ports."""
    accepted = [(ssh / f"{name}.pub").read_text() for name in ("good", "only", "my key", "rsa", "locked")]
    on(NAME, "sh", "-c", f"cat >>/root/.ssh/authorized_keys <<'E'\n{''.join(accepted)}E\n")
    (ssh / "host.pub").write_text(on(NAME, "cat", "/etc/ssh/ssh_host_ed25519_key.pub") + "\n")
    keygen("-s", ssh / "ca", "-I", "host", "-h", ssh / "host.pub")
    texts = {
        "/etc/ssh/t-ca.pub": (ssh / "ca.pub").read_text(),
        "/etc/ssh/ssh_host_ed25519_key-cert.pub": (ssh / "host-cert.pub").read_text(),
        "/etc/ssh/sshd_config.d/t.conf": "Port 22\nPort 2222\nPort 2223\nTrustedUserCAKeys /etc/ssh/t-ca.pub\n"
        "HostCertificate /etc/ssh/ssh_host_ed25519_key-cert.pub\nMaxStartups 100\n"
        "Match LocalPort 2223\n    MaxAuthTries 3\n",
    }
    for path, text in texts.items():
        on(NAME, "sh", "-c", f"cat >{path} <<'E'\n{text}E\n")
    on(NAME, "systemctl", "restart", "ssh")


def make_known_hosts(ssh: Path, host: lab.LabHost) -> None:
    """Files of known hosts: the right one, and all kinds of others."""
    at = host.address
    key, authority = (" ".join((ssh / name).read_text().split()[:2]) for name in ("host.pub", "ca.pub"))
    other = " ".join((ssh / "stranger.pub").read_text().split()[:2])
    files = {
        "known_hosts": f"{at} {key}\n",
        "known_port": f"[{at}]:2222 {key}\n",
        "known_authority": f"@cert-authority * {authority}\n",
        "known_other_authority": f"@cert-authority *.example.com {other}\n{at} {key}\n",
        "known_other_revoked": f"@revoked old.example.com {other}\n{at} {key}\n",
        "known_odd": f"\n# K\udcfcche\nold 2048 35 1234\n{at}  ssh-ed25519 AAAA\n{at}  {key}  mine\n",
        "known_wildcard": f"{at.rsplit('.', 1)[0]}.* {key}\n",
        "known_hashed": f"{at} {key}\n",
        "known_alias": f"web-one {key}\n",
        "known_two": f"{at} {other}\n{at} {key}\n",
        "known_changed": f"{at} {other}\n",
        "known_revoked": f"@revoked * {key}\n{at} {key}\n",
    }
    for name, text in files.items():
        (ssh / name).write_text(text, errors="surrogateescape")
    keygen("-H", "-f", ssh / "known_hashed")


def write_configuration(ssh: Path, host: lab.LabHost, agents: Mapping[str, Path]) -> None:
    """Write ~/.ssh/config and what it includes."""
    values = {
        "at": host.address, "key": ssh / "good", "ssh": ssh, "python": "python3",
        **agents,
    }  # fmt: skip
    (ssh / "tunnel.py").write_text(TUNNEL)
    block = "Host {name}\n    HostName {at}\n    IdentityFile {key}\n".format
    folder = ssh / "config.d"
    folder.mkdir()
    (folder / "a").write_text("Include config.d/deep/*\n" + block(name="included", **values))
    (folder / "deep").mkdir()
    (folder / "deep/b").write_text(block(name="included-deeply", **values))
    gates = "".join(block(name=name, **values) for name in ("gate", "gate2"))
    gates += block(name="badgate", **values) + "User nobody\nIdentitiesOnly yes\n"
    blocks = [f"Host {name.removeprefix('!')}\n" + lines.format(**values) for name, lines in ALIASES.items()]
    more = (
        f"Match host matched\n    HostName {host.address}\n    IdentityFile {ssh}/good\n"
        f'Match originalhost matched-by-program exec "true"\n    HostName {host.address}\n    IdentityFile {ssh}/good\n'
        f"Host sub-* !sub-b\n    HostName {host.address}\n    IdentityFile {ssh}/good\n"
        f"Host tilde\n    HostName {host.address}\n    IdentityFile ~/.ssh/good\n"
    )
    rest = f"Host *\n    HostName {host.address}\n    UserKnownHostsFile {ssh}/known_hosts\n    User root\n"
    (ssh / "config").write_text("\n".join(["Include config.d/*", gates, *blocks, more, rest]))


def test_prov_reaches_what_ssh_reaches(setting: Setting) -> None:
    names = [name.removeprefix("!") for name in (*ALIASES, *ELSEWHERE)]
    failing = {name.removeprefix("!") for name in ALIASES if name.startswith("!")}
    with ThreadPoolExecutor(4) as pool:
        by_ssh = dict(zip(names, pool.map(lambda n: setting.run("ssh", "-oBatchMode=yes", n, "true"), names)))
    refused = {name for name, done in by_ssh.items() if done.returncode}
    assert refused == failing, {n: by_ssh[n].stderr for n in refused ^ failing}
    by_prov = pinged(setting)
    assert {name for name, said in by_prov.items() if said} == failing, by_prov
    reasons = {name: words_of(by_ssh[name].stderr) for name in failing}
    untold = {name: (by_prov[name], said) for name, said in reasons.items() if not holds(by_prov[name], said)}
    assert untold == {}, "prov's message holds ssh's reason"


def words_of(stderr: str) -> list[str]:
    """What ssh says, without what it adds to every reason."""
    lines = [line.strip().removeprefix("ssh: ").rstrip(".") for line in stderr.splitlines()]
    return [line for line in lines if not ADDED.match(line)]


def holds(told: str, reasons: list[str]) -> bool:
    return any(reason in told for reason in reasons)


def pinged(setting: Setting) -> dict[str, str]:
    """What prov says of each alias: why it can't be reached, or nothing."""
    done = setting.run(PROV, "ping", "all", "--json", "--forks", "6", timeout=300)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    ends = {e["host"]: e for e in events if e["event"] == "host" and e["state"] != "connected"}
    return {name: (end.get("error") or {}).get("message", "") for name, end in ends.items()}
