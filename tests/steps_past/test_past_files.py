"""Files, folders and links where something else has been before."""

from __future__ import annotations

import pasts
from forked import Hosts
from hypothesis import strategies as st
from past import drawn, hold
from pasts import PEOPLE, There, put
from pictures import others

from provision.steps.files import Directory

texts = pasts.texts(st.sampled_from(["", "a", "key = 1"]))
modes = st.none() | st.sampled_from([0o644, 0o600, 0o750])
people = st.none() | st.sampled_from(sorted(PEOPLE))


@drawn(there=pasts.theres(texts), mode=modes, owner=people)
def test_directory(hosts: Hosts, there: There, mode: int | None, owner: str | None) -> None:
    host = hosts.new()
    put(there, host.root / "d")
    held = hold(host, Directory(str(host.root / "d"), mode=mode, owner=owner))
    assert bool(held.failed) == (there.kind not in ("none", "folder")), held.failed
    assert others(held.before, "d") == others(held.after, "d")
