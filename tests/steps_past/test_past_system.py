"""The host's name and the kernel's settings, beside what others have written."""

from __future__ import annotations

from forked import Hosts
from hypothesis import strategies as st
from past import drawn, hold

from provision.steps.kernel import Sysctl
from provision.steps.system import Hostname

#: lines of hosts(5) beside the one of Debian's for the host itself
lines = st.lists(
    st.sampled_from(
        ["10.0.0.1 db # ours", "127.0.1.1 former.example former alias # mine", "\t# caf\xe9", "::1 x"]
    ),
    unique=True,
)


@drawn(
    there=lines, end=st.sampled_from(["\n", "\r\n"]), name=st.sampled_from(["renamed", "renamed.example.org"])
)
def test_hostname(hosts: Hosts, there: list[str], end: str, name: str) -> None:
    host = hosts.new("/etc")
    at = host.upper("/etc") / "hosts"
    at.write_bytes("".join(line + end for line in ["127.0.0.1 localhost", *there]).encode("latin-1"))
    (host.upper("/etc") / "hostname").write_text("former\n")
    planned = host.run(Hostname(name), plan=True)
    real = host.run(Hostname(name))
    assert real[0].error is None and real[0].diff == planned[0].diff
    after = at.read_bytes().decode("latin-1")
    for line in there:
        assert line + end in after or line.startswith("127.0.1.1")
    own = next(line for line in after.split("\n") if line.startswith("127.0.1.1"))
    assert own.split("#")[0].split()[1] == name and "former" not in own
    assert ("alias # mine" in own) == any("alias" in line for line in there)
    assert after.count(end) == after.count("\n"), "the ends of lines are as they were"


@drawn(
    own=st.sampled_from(["50-a", "70-a", "99-zz"]),
    other=st.sampled_from(["60-b", "99-sysctl"]),
    line=st.sampled_from(
        ["net.ipv4.ip_forward=1", "-net/ipv4/ip_forward = 1", "; net.ipv4.ip_forward=1", "x"]
    ),
    folder=st.sampled_from(["/etc/sysctl.d", "/usr/lib/sysctl.d"]),
    value=st.sampled_from([0, 1]),
)
def test_the_file_of_sysctl_that_is_read_last_wins(
    hosts: Hosts, own: str, other: str, line: str, folder: str, value: int
) -> None:
    host = hosts.new("/etc", "/usr/lib/sysctl.d")
    (host.upper(folder)).mkdir(parents=True, exist_ok=True)
    host.sh(f"rm -f /etc/sysctl.d/* /usr/lib/sysctl.d/*; echo '{line}' > {folder}/{other}.conf")
    held = hold(host, Sysctl(own, {"net.ipv4.ip_forward": value}, now=False))
    overruled = other > own and line[0] in "n-" and value == 0
    assert bool(held.failed) == overruled, held.failed
    assert not overruled or f"{folder}/{other}.conf sets net.ipv4.ip_forward to 1" in held.failed
