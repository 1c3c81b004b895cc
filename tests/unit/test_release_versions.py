"""What apt says of releases and of packages, as steps read it."""

from __future__ import annotations

from provision.steps.support.release_versions import PACKAGE, files_of, versions_from

FILES = """\
Package files:
 100 /var/lib/dpkg/status
     release a=now
 100 http://deb.example.org/debian bookworm-backports/main amd64 Packages
     release o=Debian Backports,a=oldstable-backports,n=bookworm-backports,l=Debian Backports,c=main,b=amd64
     origin deb.example.org
 100 file:/srv/later ./ Packages
     release c=,n=t-backports,b=amd64
 500 http://deb.example.org/debian bookworm/main amd64 Packages
     release v=12.15,o=Debian,a=oldstable,n=bookworm,l=Debian,c=main,b=amd64
     origin deb.example.org
Pinned packages:
"""
NAMES = """\
golang:
  Installed: 2:1.19~1
  Candidate: 2:1.19~1
  Version table:
     2:1.24~3~bpo12+1 100
        100 http://deb.example.org/debian bookworm-backports/main amd64 Packages
     2:1.22~3~bpo12+1 100
        100 http://deb.example.org/debian bookworm-backports/main amd64 Packages
 *** 2:1.19~1 500
        500 http://deb.example.org/debian bookworm/main amd64 Packages
        100 /var/lib/dpkg/status
t-real:
  Installed: (none)
  Candidate: 2.0
  Version table:
     2.0 100
        100 file:/srv/later ./ Packages
"""


def test_versions_of_a_release() -> None:
    found = {}
    for release in (
        "bookworm-backports",
        "oldstable-backports",
        "bookworm",
        "t-backports",
        "trixie",
        "Debian",
    ):
        files = files_of(FILES, release)
        found[release] = {name: versions_from(text, files) for name, text in PACKAGE.findall(NAMES)}
    newer = ["2:1.24~3~bpo12+1", "2:1.22~3~bpo12+1"]
    assert found["bookworm-backports"] == found["oldstable-backports"] == {"golang": newer, "t-real": []}
    assert found["bookworm"] == {"golang": ["2:1.19~1"], "t-real": []}
    assert found["t-backports"] == {"golang": [], "t-real": ["2.0"]}
    assert found["trixie"] == found["Debian"] == {"golang": [], "t-real": []}
