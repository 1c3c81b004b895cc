"""Debian's package sources on this machine, adapted to another of its releases.

Reads sources.list(5) in both formats (one-line and deb822), so that a lab host uses the mirror, proxy and
settings that work here. prov's own files name no mirror: without one, mmdebstrap's default is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from provision.values import dataclass

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# Debian releases that a machine may have; releases of others (Ubuntu, a vendor) are skipped
_RELEASES = {
    *("buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid"),
    *("oldoldstable", "oldstable", "stable", "testing", "unstable"),
}
_KINDS = ("", "-updates", "-security")
_COMPONENTS = frozenset({"main", "contrib", "non-free", "non-free-firmware"})

# apt.conf(5), apt-transport-http(1): settings that decide whether and how an index is fetched. Settings that
# run programs or name files of this machine are left out.
_SETTINGS = re.compile(
    r"Acquire::(Check-Valid-Until|Check-Date|Max-FutureTime|Min-ValidTime|Max-ValidTime|Retries|Languages(::)?|"
    r"ForceIPv4|ForceIPv6|By-Hash|PDiffs|IndexTargets::\S+::DefaultEnabled|"
    r"https?::(Proxy(::[^:\s]+)?|(\S+::)?(Verify-Peer|Verify-Host|Timeout|Pipeline-Depth|AllowRedirect)))"
)
_LOOPBACK = re.compile(r"https?://(localhost|127\.|\[::1\])")
_SETTING = re.compile(r'(?P<name>[^\s"]+) "(?P<value>.*)";')


@dataclass(frozen=True)
class AptSource:
    """One archive: its URI, a suite and its components."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""


def parse_list(text: str) -> Iterator[AptSource]:
    """Yield the `deb` lines of a one-line-style file (sources.list and *.list)."""
    for line in text.splitlines():
        match = re.fullmatch(
            r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<rest>\S.*)", line.split("#")[0].strip()
        )
        if not match:
            continue
        uri, *words = match["rest"].split()
        if not words:
            continue
        options = dict(option.partition("=")[::2] for option in (match["options"] or "").split())
        yield AptSource(uri, words[0], tuple(words[1:]), options.get("signed-by", ""))


def parse_deb822(text: str) -> Iterator[AptSource]:
    """Yield the enabled `deb` stanzas of a .sources file, one AptSource for each URI and suite."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = f"{fields.get(name, '')}\n{line.strip()}"
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in (
            "no",
            "false",
        ):
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                components = tuple(fields.get("components", "").split())
                yield AptSource(uri, suite, components, fields.get("signed-by", ""))


def read(etc_apt: Path) -> list[AptSource]:
    """Return every enabled binary source under a folder like /etc/apt, in apt's own order."""
    parts = etc_apt / "sources.list.d"
    found: list[AptSource] = []
    for path in [etc_apt / "sources.list", *sorted(parts.glob("*.list")), *sorted(parts.glob("*.sources"))]:
        if path.is_file():
            text = path.read_text(errors="replace")
            found += parse_deb822(text) if path.suffix == ".sources" else parse_list(text)
    return found


def _release(suite: str) -> tuple[str, str] | None:
    """Return ("bookworm", "-updates") for Debian's suites, else None."""
    for kind in _KINDS:
        name = suite.removesuffix(kind) if kind else suite
        if name + kind == suite and name in _RELEASES:
            return name, kind
    return None


def _is_debian(source: AptSource) -> bool:
    """Return whether a source is Debian's own archive, and not a vendor's with Debian's suite names."""
    if not _release(source.suite) or not _COMPONENTS.issuperset(source.components):
        return False
    if source.signed_by:
        return "debian-archive" in source.signed_by
    return "debian" in source.uri


def _mirrors(uri: str) -> list[str]:
    """Return the URIs in a mirror+file: list, which only this machine has; any other URI unchanged."""
    if not uri.startswith("mirror+file:"):
        return [uri]
    path = Path("/" + uri.removeprefix("mirror+file:").lstrip("/"))
    lines = path.read_text().splitlines() if path.is_file() else []
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")][:1]


def for_release(sources: Iterable[AptSource], codename: str) -> list[AptSource]:
    """Return Debian's own among these sources, for the release with a codename; [] if there are none."""
    wanted: dict[tuple[str, str], AptSource] = {}
    for source in filter(_is_debian, sources):
        kind = (_release(source.suite) or ("", ""))[1]
        for uri in _mirrors(source.uri):
            if uri.startswith(("http:", "https:", "ftp:")):
                suite = codename + kind
                wanted.setdefault((uri, suite), AptSource(uri, suite, source.components, KEYRING))
    return list(wanted.values()) if any(source.suite == codename for source in wanted.values()) else []


def render(sources: Iterable[AptSource]) -> str:
    """Return the sources as a .sources file."""
    return "\n".join(
        f"Types: deb\nURIs: {source.uri}\nSuites: {source.suite}\nComponents: {' '.join(source.components)}\n"
        f"Signed-By: {source.signed_by}\n"
        for source in sources
    )


def settings(dump: str) -> str:
    """Return the lines of `apt-config dump` that a lab host needs for the same mirror, as apt.conf(5)."""
    remaining = []
    for line in dump.splitlines():
        match = _SETTING.fullmatch(line)
        if not match or not match["value"] or not _SETTINGS.fullmatch(match["name"]):
            continue
        if not _LOOPBACK.match(match["value"]):  # a host cannot reach a proxy on the loopback
            remaining.append(line)
    return "".join(f"{line}\n" for line in remaining)
