"""Host ranges, as docs.ansible.com "Adding ranges of hosts" has them; expected lists are from ansible-core 2.19."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inventories import inventory

from provision.inventory.ranges import expand, split_port

EXPANDED = {
    "web1": ["web1"],
    "www[01:03].example.com": ["www01.example.com", "www02.example.com", "www03.example.com"],
    "www[01:06:2]": ["www01", "www03", "www05"],
    "db-[a:c]-x": ["db-a-x", "db-b-x", "db-c-x"],
    "db[a:f:2]": ["dba", "dbc", "dbe"],
    "db[y:B]": ["dby", "dbz", "dbA", "dbB"],
    "n[8:11]": ["n8", "n9", "n10", "n11"],
    "n[:2]": ["n0", "n1", "n2"],
    "n[0:1]r[a:b]": ["n0ra", "n0rb", "n1ra", "n1rb"],
    "2001:db8::1": ["2001:db8::1"],
    "192.0.2.[9:10]": ["192.0.2.9", "192.0.2.10"],
}

REFUSED = {
    "web[1]": "'[1]' is not a range like [1:9], [01:50], [a:f] or, with a step, [1:9:2]",
    "web[1:]": "'[1:]' is not a range like [1:9], [01:50], [a:f] or, with a step, [1:9:2]",
    "web[1:x]": "'[1:x]' is not a range like [1:9], [01:50], [a:f] or, with a step, [1:9:2]",
    "web[a:ff]": "'[a:ff]' is not a range like [1:9], [01:50], [a:f] or, with a step, [1:9:2]",
    "web[1:2:3:4]": "'[1:2:3:4]' is not a range like [1:9], [01:50], [a:f] or, with a step, [1:9:2]",
    "web[3:1]": "'[3:1]' begins after its end",
    "web[c:a]": "'[c:a]' begins after its end",
    "web[1:9:0]": "the step of '[1:9:0]' must be a whole number, at least 1",
    "web[01:100]": "both ends of '[01:100]' need the same number of digits",
    "web[1:3": "'web[1:3' has a '[' without its ']'",
    "web 1": "'web 1' is not a host name: use letters, digits, '.', '-' and '_'",
    "-oProxyCommand": "'-oProxyCommand' is not a host name: use letters, digits, '.', '-' and '_'",
    "web[1:10001]": "'web[1:10001]' stands for more than 10,000 hosts",
}

PORTS = {
    "web1": ("web1", None),
    "web1:2222": ("web1", 2222),
    "web[1:3]": ("web[1:3]", None),
    "web[1:3]:2222": ("web[1:3]", 2222),
    "2001:db8::1": ("2001:db8::1", None),
    "[2001:db8::1]": ("2001:db8::1", None),
    "[2001:db8::1]:2222": ("2001:db8::1", 2222),
}


@pytest.mark.parametrize(("pattern", "names"), EXPANDED.items())
def test_ranges(pattern: str, names: list[str]) -> None:
    assert expand(pattern) == names


@pytest.mark.parametrize(("pattern", "message"), REFUSED.items())
def test_bad_ranges_are_explained(pattern: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        expand(pattern)
    assert str(caught.value) == message


@pytest.mark.parametrize(("pattern", "parts"), PORTS.items())
def test_ports(pattern: str, parts: tuple[str, int | None]) -> None:
    assert split_port(pattern) == parts


@pytest.mark.parametrize("pattern", ["web:0", "web:65536", "web:ssh"])
def test_bad_ports(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"is not a port \(1 to 65535\)"):
        split_port(pattern)


def test_a_port_in_the_name_is_the_hosts_port(tmp_path: Path) -> None:
    loaded = inventory(tmp_path, 'web: {hosts: {"web[1:2]:2222": {a: 1}}}')
    assert [(h.name, h.connection.port, h.vars["a"]) for h in loaded.hosts.values()] == [
        ("web1", 2222, 1),
        ("web2", 2222, 1),
    ]


@given(st.integers(0, 500), st.integers(0, 200), st.integers(1, 20))
def test_number_ranges_count_like_python(begin: int, length: int, step: int) -> None:
    end = begin + length
    assert expand(f"n[{begin}:{end}:{step}]") == [f"n{i}" for i in range(begin, end + 1, step)]
    if len(str(end)) > 1:
        width = len(str(end))
        padded = [f"n{i:0{width}}" for i in range(begin, end + 1, step)]
        if str(begin).zfill(width) != str(begin):
            assert expand(f"n[{begin:0{width}}:{end}:{step}]") == padded


@given(st.text(alphabet="ab10[]:-. é", max_size=15))
def test_whatever_the_pattern_the_error_is_a_value_error(pattern: str) -> None:
    try:
        name, port = split_port(pattern)
        names = expand(name)
    except ValueError:
        return
    assert len(set(names)) == len(names)
    assert port is None or 1 <= port <= 65535
