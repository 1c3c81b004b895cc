"""Files of settings that people and packages have written to: names, limits, locales, zones, modules, answers."""

from __future__ import annotations

import socket
from pathlib import Path

from forked import Host, Hosts
from hypothesis import example
from hypothesis import strategies as st
from past import drawn, hold
from pictures import Picture, others, photographs

from provision.secrets import Secret
from provision.steps.debconf import Answers
from provision.steps.hosts import HostsEntry
from provision.steps.kernel import Module
from provision.steps.limits import Limits
from provision.steps.locale import Locale
from provision.steps.system import Timezone

ENDS = st.sampled_from(["\n", "\n", "\r\n"])
NAMES = [
    "127.0.0.1 localhost",
    "127.0.0.1\tlocalhost.localdomain localhost # first",
    "::1 ip6-localhost ip6-loopback",
    "10.0.0.7 db",
    "10.0.0.7   Old.example  db old # caf\xe9",
    "10.0.0.8 db other",
    "2001:DB8::7 db.internal",
    "fe80::1%lo0 db",
    "# 10.0.0.7 db.internal",
    "10.0.0.7",
    "10.0.0.9 DB.internal",
    "",
]


def pictured(host: Host, *folders: str) -> Picture:
    """All that is in these folders of the host."""
    return host.sees(lambda: photographs(*folders))


@example(lines=[""], end="\n", ended=False, address="10.0.0.7", names=["db.internal", "db"])
@drawn(
    lines=st.lists(st.sampled_from(NAMES), max_size=6),
    end=ENDS,
    ended=st.booleans(),
    address=st.sampled_from(["10.0.0.7", "2001:db8::7"]),
    names=st.sampled_from([["db.internal", "db"], "db", ["new"], []]),
)
def test_hosts_entry(
    hosts: Hosts, lines: list[str], end: str, ended: bool, address: str, names: str | list[str]
) -> None:
    host = hosts.new("/etc")
    text = end.join(lines) + (end if ended and lines else "")
    (host.upper("/etc") / "hosts").write_bytes(text.encode("latin-1"))
    wanted = [names] if isinstance(names, str) else names
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def asked(name: str) -> list[str]:
        """What the resolver says by /etc/hosts: the addresses of this family."""
        found = host.sees(lambda: socket.getaddrinfo(name, None, family, socket.SOCK_STREAM))
        return [str(each[4][0]) for each in found]

    def is_so() -> None:
        for name in wanted:
            assert asked(name)[:1] == [address], asked(name)
        if wanted:
            said = host.tells("getent", "-s", "files", "hosts", address).split()
            assert said[1] == wanted[0]

    held = hold(host, HostsEntry(address, names), effect=is_so, picture=lambda: pictured(host, "/etc"))
    assert not held.failed
    after = held.after["/etc/hosts"][4].decode("latin-1").splitlines()
    for line in text.splitlines():
        about = set(line.lower().split()) & {"db", "db.internal", "new", address.lower()}
        assert about or line in after, line
    assert others(held.before, "/etc/hosts") == others(held.after, "/etc/hosts")


@drawn(
    there=st.sampled_from(["", "# mine", "broken\r", "shop - nofile 5"]),
    other=st.booleans(),
    folder=st.booleans(),
    values=st.sampled_from([{}, {"nofile": 10}, {"nproc": (1, "unlimited"), "core": 0}]),
    domain=st.sampled_from(["shop", "@shop", "*", "1000:"]),
)
def test_limits(
    hosts: Hosts, there: str, other: bool, folder: bool, values: dict[str, object], domain: str
) -> None:
    host = hosts.new("/etc")
    host.sh(
        "rm -rf /etc/security/limits.d"
        + ("; mkdir -p /etc/security/limits.d" if folder or there or other else "")
    )
    if there:
        host.write("/etc/security/limits.d/x.conf", there)
    if other:
        host.write("/etc/security/limits.d/y.conf", "shop - nofile 99\n")
    step = Limits(domain, values, "x")  # type: ignore[arg-type]
    held = hold(host, step, picture=lambda: pictured(host, "/etc"))
    assert not held.failed
    at = "/etc/security/limits.d/x.conf"
    assert (at in held.after) == bool(values)
    made = others(held.after, "/etc/security/limits.d")
    assert made == others(held.before, "/etc/security/limits.d")
    if values:
        lines = [line.split() for line in held.after[at][4].decode().splitlines() if not line.startswith("#")]
        told = {(kind, item): value for who, kind, item, value in lines if who == domain}
        assert len(told) == len(lines)
        for item, value in values.items():
            both = value if isinstance(value, tuple) else (value,)
            kinds = ("soft", "hard") if isinstance(value, tuple) else ("-",)
            assert [told[kind, item] for kind in kinds] == [str(each) for each in both]


GEN = [
    "# de_DE.UTF-8 UTF-8",
    "#de_DE.UTF-8\tUTF-8",
    "de_DE.UTF-8 UTF-8",
    "# caf\xe9",
    "fr_FR.UTF-8 UTF-8",
    " ",
]
DEFAULT = ["LANG=C.UTF-8", 'LANG="de_DE.UTF-8"', " LANG=x", "LC_ALL=C", "# LANG=caf\xe9", "LANGUAGE=de"]


@drawn(
    gen=st.lists(st.sampled_from(GEN), max_size=4, unique=True),
    default=st.none() | st.lists(st.sampled_from(DEFAULT), max_size=4),
    end=ENDS,
    made=st.booleans(),
    wanted=st.booleans(),
)
def test_locale(
    hosts: Hosts, gen: list[str], default: list[str] | None, end: str, made: bool, wanted: bool
) -> None:
    host = hosts.new("/etc", "/usr/sbin", "/usr/local/sbin", "/usr/share/i18n", kept=True)
    supported = b"de_DE ISO-8859-1\nde_DE.UTF-8 UTF-8\nfr_FR.UTF-8 UTF-8\n"
    # stands for localedef(1), which takes a minute and needs the package locales
    host.write("/usr/share/i18n/SUPPORTED", supported)
    host.write(
        "/usr/sbin/locale-gen",
        f"#!/bin/sh\ntr -d '\\r' </etc/locale.gen | grep -v '^ *#' | sed 's/UTF-8 .*/utf8/' >{host.folder}/made\n",
        0o755,
    )
    host.write("/usr/local/sbin/locale", f"#!/bin/sh\necho C.utf8; cat {host.folder}/made\n", 0o755)
    (host.folder / "made").write_text("de_DE.utf8\n" if made else "")
    host.write("/etc/locale.gen", "".join(line + end for line in gen).encode("latin-1"))
    host.sh("rm -f /etc/default/locale /etc/locale.conf")
    if default is not None:
        host.write("/etc/default/locale", "".join(line + end for line in default).encode("latin-1"))

    def is_so() -> None:
        assert "de_DE.utf8" in (host.folder / "made").read_text().split()
        if wanted:
            # pam_env(8) and systemd take the last one
            said = host.tells(
                "sh", "-c", "tr -d '\\r' </etc/default/locale | sed -n 's/^ *LANG=//p' | tail -1"
            )
            assert said.strip().strip('"') == "de_DE.UTF-8"

    held = hold(
        host,
        Locale("de_DE.UTF-8", default=wanted),
        effect=is_so,
        picture=lambda: pictured(host, "/etc"),
        undone=made,
    )
    assert not held.failed
    for name, lines in (("/etc/locale.gen", gen), ("/etc/default/locale", default or [])):
        if name in held.after:
            after = held.after[name][4].decode("latin-1").split("\n")
            for line in lines:
                mine = "de_DE" in line or line.strip().startswith("LANG=")
                assert mine or line + end[:-1] in after, (line, after)


@drawn(
    link=st.sampled_from(
        ["", "UTC", "../usr/share/zoneinfo/Etc/UTC", "/usr/share/zoneinfo/Europe/Berlin", "copy"]
    ),
    written=st.sampled_from(["", "Etc/UTC\n", "Europe/Berlin", "Europe/Berlin\r\n", "caf\xe9\n"]),
    name=st.sampled_from(["Europe/Berlin", "UTC", "No/Where"]),
)
def test_timezone(hosts: Hosts, link: str, written: str, name: str) -> None:
    host = hosts.new("/etc")
    host.sh("rm -f /etc/localtime /etc/timezone")
    if link == "copy":
        host.sh("cp /usr/share/zoneinfo/Europe/Berlin /etc/localtime")
    elif link:
        at = link if "/" in link else f"/usr/share/zoneinfo/{link}"
        host.sh(f"ln -s {at} /etc/localtime")
    if written:
        host.write("/etc/timezone", written.encode("latin-1"))

    def is_so() -> None:
        assert host.tells("date", "+%z") == host.tells("env", f"TZ={name}", "date", "+%z")
        if written:
            assert host.read("/etc/timezone").decode().strip() == name

    held = hold(host, Timezone(name), effect=is_so, picture=lambda: pictured(host, "/etc"))
    assert bool(held.failed) == (name == "No/Where")
    left = ("/etc/localtime", "/etc/timezone")
    assert others(held.before, *left) == others(held.after, *left)


@drawn(
    loaded=st.booleans(),
    there=st.sampled_from(["", "# mine\n", "br_netfilter\r\n"]),
    options=st.sampled_from([{}, {"a": 1}]),
    present=st.booleans(),
    name=st.sampled_from(["br_netfilter", "br-netfilter"]),
)
def test_module(
    hosts: Hosts, loaded: bool, there: str, options: dict[str, int], present: bool, name: str
) -> None:
    host = hosts.new("/etc", "/usr/local/sbin", kept=True)
    # the kernel is one for all hosts of this machine
    tool = """#!/bin/sh
for last; do :; done
at=/sys/module/$(echo $last | tr - _)
case "$*" in *-r*) rmdir $at ;; *) mkdir $at ;; esac
"""
    host.write("/usr/local/sbin/modprobe", tool, 0o755)
    host.sh("mount -t tmpfs tmpfs /sys; mkdir /sys/module; mkdir -p /etc/modules-load.d /etc/modprobe.d")
    if loaded:
        host.sh("mkdir /sys/module/br_netfilter")
    if there:
        host.write(f"/etc/modules-load.d/prov-{name}.conf", there)
        host.write(f"/etc/modprobe.d/prov-{name}.conf", there)
    host.write("/etc/modules-load.d/other.conf", "br_netfilter\n")
    wanted = options if present else {}

    def is_so() -> None:
        assert host.sees(lambda: Path("/sys/module/br_netfilter").exists()) == present
        at = Path(f"/etc/modules-load.d/prov-{name}.conf")
        assert host.sees(at.exists) == present

    look = lambda: pictured(host, "/etc", "/sys/module")  # noqa: E731
    held = hold(host, Module(name, wanted, present), effect=is_so, picture=look)
    assert not held.failed
    assert held.after["/etc/modules-load.d/other.conf"] == held.before["/etc/modules-load.d/other.conf"]


def answered() -> Picture:
    """The questions of our package that debconf knows: type, value, whether it was answered."""
    found: Picture = {}
    for name in ("config", "passwords"):
        for block in Path(f"/var/cache/debconf/{name}.dat").read_text().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if lines.get("Name", "").startswith("t-p/"):
                found[lines["Name"]] = (lines.get("Value", ""), "seen" in lines.get("Flags", ""), "")
    return found


@example(given="", value="", secret=True)
@drawn(
    given=st.sampled_from(
        ["", "t-p t-p/a string old", "t-p t-p/a string  two words", "t-p t-p/b boolean true"]
    ),
    value=st.sampled_from(["", "old", "two words", "ümlaut", "a, b", "x \\ y"]),
    secret=st.booleans(),
)
def test_answers(hosts: Hosts, given: str, value: str, secret: bool) -> None:
    host = hosts.new("/var/cache/debconf", "/etc")
    if given:
        host.sh(f"echo '{given}' | debconf-set-selections")
    wanted = {
        "t-p/a": ("password" if secret else "string", Secret(value) if secret and value else value),
        "t-p/b": ("boolean", "true"),
    }

    def is_so() -> None:
        said = host.tells("sh", "-c", "echo GET t-p/a | debconf-communicate t-p").rstrip("\n")
        assert said == f"0 {value}".rstrip() or said == f"0 {value}"

    look = lambda: host.sees(answered)  # noqa: E731
    # a former password is in no record
    held = hold(
        host, Answers("t-p", wanted), effect=is_so, picture=look, undone=not (secret and "t-p/a" in given)
    )
    assert not held.failed


def test_a_former_answer_with_a_secret_in_it_is_named_by_undo(hosts: Hosts) -> None:
    host = hosts.new("/var/cache/debconf", "/etc")
    host.sh("echo 't-p t-p/a string by geheim-7' | debconf-set-selections")
    wanted: dict[str, tuple[str, str | Secret]] = {
        "t-p/a": ("string", "new"),
        "t-p/b": ("password", Secret("geheim-7")),
    }
    assert not hold(host, Answers("t-p", wanted), picture=lambda: host.sees(answered)).failed
