"""Package sources for lab hosts, from those of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.lab import package_mirrors
from provision.lab.package_mirrors import KEYRING, AptSource

MIRROR = "http://mirror.example/debian"


def test_one_line_sources() -> None:
    text = f"""
    # deb {MIRROR} sid main
    deb {MIRROR} bookworm main contrib  # trailing
    deb [arch=amd64 signed-by=/k.gpg] {MIRROR} bookworm-updates main
    deb-src {MIRROR} bookworm main
    deb
    deb {MIRROR}
    """
    assert list(package_mirrors.parse_list(text)) == [
        AptSource(MIRROR, "bookworm", ("main", "contrib")),
        AptSource(MIRROR, "bookworm-updates", ("main",), "/k.gpg"),
    ]


def test_deb822_sources() -> None:
    text = f"""Types: deb deb-src
# a comment within a stanza
URIs: {MIRROR}
Suites: bookworm
 bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: {MIRROR}-security
Suites: bookworm-security
Components: main
Enabled: no

Types: deb-src
URIs: {MIRROR}
Suites: sid
Components: main
"""
    assert [(s.uri, s.suite) for s in package_mirrors.parse_deb822(text)] == [
        (MIRROR, "bookworm"),
        (MIRROR, "bookworm-updates"),
    ]


def test_a_release_is_swapped_and_its_kinds_are_kept() -> None:
    own = [
        AptSource(MIRROR, "bookworm", ("main", "non-free-firmware")),
        AptSource(MIRROR, "bookworm-updates", ("main",)),
        AptSource(MIRROR + "-security", "bookworm-security", ("main",)),
    ]
    assert package_mirrors.for_release(own, "trixie") == [
        AptSource(MIRROR, "trixie", ("main", "non-free-firmware"), KEYRING),
        AptSource(MIRROR, "trixie-updates", ("main",), KEYRING),
        AptSource(MIRROR + "-security", "trixie-security", ("main",), KEYRING),
    ]


@pytest.mark.parametrize(
    "vendor",
    [
        AptSource("https://vendor.example/linux/debian", "bookworm", ("stable",)),
        AptSource("https://vendor.example/debian", "bookworm", ("main",), "/etc/apt/keyrings/vendor.gpg"),
        AptSource("https://vendor.example/debian", "bookworm-pgdg", ("main",)),
        AptSource("https://vendor.example/apt", "bookworm", ("main",)),
        AptSource("https://vendor.example/ubuntu", "noble", ("main", "universe")),
        AptSource("cdrom:[Debian 12]/", "bookworm", ("main",)),
    ],
)
def test_what_is_not_the_archive_is_left_out(vendor: AptSource) -> None:
    own = AptSource(MIRROR, "bookworm", ("main",))
    assert [source.uri for source in package_mirrors.for_release([vendor, own], "bookworm")] == [MIRROR]


def test_without_an_archive_there_is_nothing_to_take_over() -> None:
    only_security = [AptSource(MIRROR, "bookworm-security", ("main",))]
    assert package_mirrors.for_release([], "trixie") == []
    assert package_mirrors.for_release(only_security, "trixie") == []


def test_a_list_of_mirrors_on_this_machine_is_looked_up(tmp_path: Path) -> None:
    listed = tmp_path / "debian.list"
    listed.write_text(f"# ours\n{MIRROR}\tpriority:1\nhttp://other.example/debian\n")
    own = [AptSource(f"mirror+file://{listed}", "bookworm", ("main",), KEYRING)]
    assert [source.uri for source in package_mirrors.for_release(own, "bookworm")] == [MIRROR]


def test_files_are_read_in_both_formats_and_back(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text(f"deb {MIRROR} bookworm main\n")
    (parts / "vendor.list.disabled").write_text("deb http://off.example/debian bookworm main\n")
    (parts / "b.sources").write_text(
        package_mirrors.render([AptSource(MIRROR, "bookworm-updates", ("main",), KEYRING)])
    )
    assert [source.suite for source in package_mirrors.read(tmp_path)] == ["bookworm", "bookworm-updates"]
    written = [
        AptSource(MIRROR, "a", ("main",), KEYRING),
        AptSource(MIRROR, "b", ("main", "contrib"), KEYRING),
    ]
    assert list(package_mirrors.parse_deb822(package_mirrors.render(written))) == written


def test_only_settings_about_fetching_are_taken_over() -> None:
    dump = """APT "";
Acquire "";
Acquire::Check-Valid-Until "false";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::http::Proxy::mirror.example "DIRECT";
Acquire::http::Proxy-Auto-Detect "/usr/local/bin/detect";
Acquire::https::Proxy "http://localhost:3142";
Acquire::https::CaInfo "/etc/ssl/own.pem";
Acquire::https::mirror.example::Verify-Peer "false";
Acquire::Languages "";
Acquire::Languages:: "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11::MetaKey "$(COMPONENT)/dep11";
Acquire::cdrom::mount "/media/cdrom/";
DPkg::Post-Invoke:: "touch /x";
Dir::Cache::pkgcache "";
"""
    assert package_mirrors.settings(dump).splitlines() == [
        'Acquire::Check-Valid-Until "false";',
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::http::Proxy::mirror.example "DIRECT";',
        'Acquire::https::mirror.example::Verify-Peer "false";',
        'Acquire::Languages:: "none";',
        'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";',
    ]
