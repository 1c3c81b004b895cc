"""What the lab writes on a host's disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.lab import guest
from provision.lab.lab_host import HostRecord

FRESH = "127.0.0.1\tlocalhost\n# prov lab: the other hosts\n# prov lab: end\n10.0.0.1\tmine\n"
WEB1 = HostRecord("web1", "192.0.2.11", "debian-12", "root", True)
WEB2 = HostRecord("web2", "192.0.2.12", "debian-12", "root", True)


def test_the_block_names_the_other_hosts_and_nothing_else_changes() -> None:
    text = guest.with_names(FRESH, [WEB1, WEB2], "web1")
    assert text == FRESH.replace("hosts\n", "hosts\n192.0.2.12\tweb2\n", 1)
    assert guest.with_names(text, [WEB1, WEB2], "web1") == text
    assert guest.with_names(text, [WEB1], "web1") == FRESH


@pytest.mark.parametrize("text", ["127.0.0.1 localhost\n", "", "# prov lab: the other hosts\n"])
def test_a_file_without_the_block_belongs_to_the_host(text: str) -> None:
    assert guest.with_names(text, [WEB1, WEB2], "web1") == text


def test_writing_follows_no_link_out_of_the_host(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "etc").mkdir(parents=True)
    outside.mkdir()
    (outside / "hosts").write_text("the machine's own")
    (root / "etc/hosts").symlink_to(outside / "hosts")
    guest.write(root, "etc/hosts", "the host's")
    assert (outside / "hosts").read_text() == "the machine's own"
    assert not (root / "etc/hosts").is_symlink()

    (root / "var").symlink_to(outside)
    with pytest.raises(OSError):
        guest.write(root, "var/hosts", "no")
    (root / "etc/link").symlink_to(outside / "hosts")
    with pytest.raises(OSError):
        guest.read(root, "etc/link")
    assert [path.name for path in outside.iterdir()] == ["hosts"]


def test_modes_are_exact(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    guest.write(tmp_path, "etc/secret", "x", 0o440)
    guest.write(tmp_path, "etc/secret", "y", 0o440)
    assert (tmp_path / "etc/secret").stat().st_mode & 0o7777 == 0o440


def test_a_resolver_on_the_loopback_is_of_no_use_to_a_host(tmp_path: Path) -> None:
    stub, real = tmp_path / "stub", tmp_path / "real"
    stub.write_text("# systemd-resolved\nnameserver 127.0.0.53\noptions edns0\nsearch a.example\n")
    real.write_text("nameserver 192.0.2.53\nsearch a.example\nsortlist 1.2.3.4\n")
    assert guest.resolv_conf([stub, tmp_path / "absent", real]) == "nameserver 192.0.2.53\nsearch a.example\n"
    assert guest.resolv_conf([stub]) == ""
