"""Packages without a host: what steps refuse, and how dpkg's, dnf's and cpio's words are read."""

from __future__ import annotations

import pytest

from provision.steps import apt, package
from provision.steps import dnf as dnf_steps
from provision.steps.base import Step
from provision.steps.dnf_repository import NoRepository, Repository
from provision.steps.support.package_names import REDHAT, fits
from provision.system.packages import dnf_packages, dpkg, rpm

KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
STATUS = """Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1.21

Package: libc6
Status: hold ok installed
Architecture: amd64
Version: 2.36
Provides: libc6-abi (= 2), libc6.1
Conffiles:
 /etc/ld.conf d41d8cd98f00b204e9800998ecf8427e
Description: a library
 with more to say

Package: libc6
Status: install ok half-configured
Architecture: i386
Version: 2.36

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1.0
"""
TABLE = """Last metadata expiration check: 0:00:01 ago.
Dependencies resolved.
================================================================================
 Package           Architecture       Version           Repository         Size
================================================================================
Installing:
 alpha             noarch             0:1.0-1           local             6.6 k
     replacing  omega.noarch 0.9-1
Installing dependencies:
 a-package-whose-name-is-much-longer-than-a-column
                   noarch             1:1.0-1           local             110
Removing dependent packages:
 beta              i686               1.0-1             @local            110
Skipping packages with conflicts:
 gamma             noarch             1.0-1             local             6.6 k

Transaction Summary
================================================================================
Install  2 Packages
"""


def test_dpkgs_status_is_read() -> None:
    found = dpkg.by_name(dpkg.parse(STATUS))
    assert list(found) == ["dpkg", "libc6", "libc6:i386", "gone"]
    assert [p.works for p in found.values()] == [True, True, False, False]
    assert found["libc6"].held and not found["dpkg"].held
    assert found["libc6"].field("Provides") == "libc6-abi (= 2), libc6.1"
    assert found["libc6"].field("Conffiles").startswith("/etc/ld.conf d41d")
    assert found["libc6"].field("Description") == "a library\n with more to say"
    assert found["dpkg"].field("Depends") == ""


def test_fields_far_down_in_an_entry_are_found() -> None:
    lines = "".join(f"Field-{n}: x\n" for n in range(40))
    (only,) = dpkg.parse(f"Package: late\n{lines}Status: install ok installed\nVersion: 1\nArchitecture: all")
    assert (only.version, only.works) == ("1", True)


def test_dnfs_table_is_read() -> None:
    assert dnf_packages.parse(TABLE) == [
        ("Installing", "alpha", "1.0-1"),
        ("Installing", "a-package-whose-name-is-much-longer-than-a-column", "1:1.0-1"),
        ("Removing", "beta.i686", "1.0-1"),
    ]
    assert dnf_packages.parse("Dependencies resolved.\nNothing to do.\nComplete!\n") == []


def test_cpio_archives_are_read() -> None:
    archive = b"".join(
        entry(name, data) for name, data in [("./etc/a", b"12345"), ("./usr/b", b"x"), ("./etc/c", b"")]
    )
    assert rpm.cpio(archive + entry("TRAILER!!!", b""), lambda path: path.startswith("/etc")) == [
        ("/etc/a", b"12345")
    ]
    assert rpm.cpio(b"", lambda path: True) == []


def entry(name: str, data: bytes) -> bytes:
    sizes = [0] * 13
    sizes[6], sizes[11] = len(data), len(name) + 1
    head = b"070701" + b"".join(b"%08x" % size for size in sizes) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


@pytest.mark.parametrize(
    ("version", "pattern", "expected"),
    [("1.2-3", "1.2-3", True), ("1.2-3", "1.*", True), ("1.2-3", "1.2", False), ("", "*", False)],
)
def test_versions_fit(version: str, pattern: str, expected: bool) -> None:
    assert fits(version, pattern) is expected


def test_rpms_versions_may_leave_out_the_release() -> None:
    assert dnf_steps.right("1:1.2-3.fc41", "1:1.2") and not dnf_steps.right("1:1.2-3.fc41", "1:1")
    assert not dnf_steps.right("", "1.2")


def test_names_of_other_families() -> None:
    assert package.redhat("python3-venv") == ["python3"]
    assert package.redhat(["apache2", "dnsutils", "bind9-dnsutils", "curl"]) == [
        "httpd",
        "bind-utils",
        "curl",
    ]
    for words in REDHAT.values():
        assert all(dnf_steps.NAME.fullmatch(word) for word in words.split())


BASE = "https://x/"


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (apt.Packages([]), "no package is named"),
        (apt.Packages(""), "no package is named"),
        (apt.Packages({"nginx": "1"}), "a name or a list"),  # type: ignore[arg-type]
        (apt.Packages([None]), "None is not the name"),  # type: ignore[list-item]
        (apt.Packages("-y"), "'-y' is not the name"),
        (apt.Packages(["--reinstall=x"]), "is not the name"),
        (apt.Packages("nginx\n"), "is not the name"),
        (apt.Packages("nginx\0"), "is not the name"),
        (apt.Packages("./x.deb"), "is not the name"),
        (apt.Packages("nginx-"), "is not the name"),
        (apt.Packages("nginx="), "'' is not a version of nginx"),
        (apt.Packages("nginx=1 2"), "'1 2' is not a version"),
        (apt.Packages("nginx=-y"), "is not a version"),
        (apt.Packages(["nginx=1", "nginx=2"]), "wanted twice"),
        (apt.Packages(["nginx", "nginx=2"]), "wanted twice"),
        (apt.Packages("nginx=1", latest=True), "latest asks for the newest"),
        (apt.Packages("nginx", cache_age=-1), "cache_age"),
        (apt.Packages("nginx", cache_age=float("nan")), "cache_age"),
        (apt.NoPackages("nginx=1"), "without a version"),
        (apt.Hold("nginx=1"), "without a version"),
        (apt.Upgrade(cache_age=-1), "cache_age"),
        (dnf_steps.Packages("-y"), "is not the name"),
        (dnf_steps.Packages("@development"), "is not the name"),
        (dnf_steps.Packages("php-*"), "is not the name"),
        (dnf_steps.Packages("nginx=1", latest=True), "latest asks"),
        (dnf_steps.NoPackages("a=1"), "without a version"),
        (dnf_steps.Module("nodejs"), "needs a stream"),
        (dnf_steps.Module("nodejs", "20", enabled=False), "must not have one"),
        (dnf_steps.Module("nodejs", "20\n"), "one line"),
        (dnf_steps.Module("../x", "20"), "is not the name"),
        (package.Packages("nginx=1"), "without a version"),
        (package.NoPackages("-y"), "is not the name"),
        (Repository("a b", baseurl=BASE, key=KEY), "not a name"),
        (Repository("a", key=KEY), "give one of baseurl"),
        (Repository("a", baseurl=BASE, metalink=BASE, key=KEY), "give one of baseurl"),
        (Repository("a", baseurl="ftp://x", key=KEY), "must begin with"),
        (Repository("a", baseurl="https://x/\nenabled=0", key=KEY), "must begin with"),
        (Repository("a", baseurl="https://u:p@x/", key=KEY), "password"),
        (Repository("a", baseurl=BASE), "one of key"),
        (Repository("a", baseurl=BASE, key="x"), "armored"),
        (Repository("a", baseurl=BASE, signed_by="key"), "absolute"),
        (Repository("a", baseurl=BASE, key=KEY, title="a\nb"), "one line"),
        (NoRepository("../x"), "not a name"),
    ],
)
def test_bad_arguments_are_refused(step: Step, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        step.validate()
