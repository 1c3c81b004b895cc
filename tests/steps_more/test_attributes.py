"""What a file keeps when its contents are replaced: ACL and label of SELinux; and a step that restores labels."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from steps_bench import Bench, refuses

from provision.steps.acl import Acl
from provision.steps.files import Directory, File
from provision.steps.selinux import Boolean, Restored
from provision.steps.text import Line

LABEL = b"system_u:object_r:httpd_config_t:s0\0"


def test_acl_and_label_stay_with_a_file(bench: Bench) -> None:
    at = bench.root / "conf"
    at.write_text("old\n")
    os.setxattr(at, "security.selinux", LABEL)
    bench.run(Acl(str(at), ["u:games:rw"]))
    acl = os.getxattr(at, "system.posix_acl_access")
    bench.cycle(File(str(at), "new\n"))
    bench.cycle(Line(str(at), "more", backup=True))
    assert at.read_text() == "new\nmore\n"
    (backup,) = bench.root.glob("conf.*~")
    assert backup.read_text() == "new\n"
    assert os.getxattr(at, "security.selinux") == LABEL
    assert os.getxattr(at, "system.posix_acl_access") == acl
    bench.settled(Acl(str(at), ["u:games:rw"]))


def test_what_is_made_in_a_directory_gets_its_default_list_in_a_plan_too(bench: Bench) -> None:
    top = bench.root / "d"
    steps = (
        Directory(str(top)),
        Acl(str(top), ["d:u:games:rwX"]),
        Directory(f"{top}/in", mode=0o775),
        File(f"{top}/in/f", "x", mode=0o664),
        Acl(f"{top}/in/f", ["u:games:rw"]),
        Acl(f"{top}/in", ["u:mail:r", "d:u:games:rwX"]),
    )
    planned = bench.run(*steps, plan=True)
    real = bench.run(*steps)
    assert [o.diff for o in real] == [o.diff for o in planned]
    assert [c[1:3] for c in real[-1].diff] == [("", "user mail r--")]


def test_a_new_default_list_has_the_groups_own_rights_and_not_the_mask(bench: Bench) -> None:
    top = bench.root / "d"
    top.mkdir(mode=0o755)
    bench.run(Acl(str(top), ["u:games:rwx"]))
    bench.cycle(Acl(str(top), ["d:g:mail:rx"]))
    rows = struct.iter_unpack("<HHI", os.getxattr(top, "system.posix_acl_default")[4:])
    rights = {tag: bits for tag, bits, _ in rows}
    # acl(5): owner, owning group, a group, mask, others
    assert rights == {0x01: 7, 0x04: 5, 0x08: 5, 0x10: 5, 0x20: 5}


def selinux(bench: Bench) -> Path:
    """A host that looks as if it had SELinux; its labels are lines of root/labels."""
    bench.script += (
        "mount -t tmpfs tmpfs /sys/fs && mkdir /sys/fs/selinux && echo 1 > /sys/fs/selinux/enforce && "
    )
    labels = bench.root / "labels"
    said = f'[ "$label" = good ] || echo "Would relabel $path from $label to good"; done < {labels}'
    tool = f"case $* in *-n*) while read path label; do {said} ;; *) sed -i 's/ bad$/ good/' {labels} ;; esac"
    bench.tool("restorecon", tool)
    return labels


def test_labels_are_restored_to_what_the_policy_says(bench: Bench) -> None:
    labels = selinux(bench)
    labels.write_text("/srv/a bad\n/srv/b good\n")
    real = bench.cycle(Restored("/srv"))
    assert [c[:3] for c in real.diff] == [("label of /srv/a", "bad", "good")]
    assert labels.read_text() == "/srv/a good\n/srv/b good\n"
    bench.fails(Restored("/no/such/path"), "does not exist")


def test_booleans_are_set_for_good(bench: Bench) -> None:
    selinux(bench)
    state = bench.root / "state"
    state.write_text("httpd_can_network_connect --> off\n")
    bench.tool("getsebool", f"grep \"^$1 \" {state} || {{ echo 'no such boolean' >&2; exit 1; }}")
    bench.tool("setsebool", f'[ $1 = -P ] && sed -i "s/^$2 .*/$2 --> $3/" {state}')
    real = bench.cycle(Boolean("httpd_can_network_connect"))
    assert [c[:3] for c in real.diff] == [("httpd_can_network_connect", "off", "on")]
    bench.cycle(Boolean("httpd_can_network_connect", on=False))
    bench.fails(Boolean("no_such"), "reading the boolean no_such failed")


def test_without_selinux_there_is_nothing_to_do(bench: Bench) -> None:
    bench.script += "mount -t tmpfs tmpfs /sys/fs && "
    bench.settled(Restored("/srv"))
    bench.settled(Boolean("httpd_can_network_connect"))


def test_bad_arguments_are_refused() -> None:
    refuses(Restored("srv"), "absolute")
    refuses(Boolean("a b"), "not the name of a boolean")
    refuses(Boolean("--help"), "not the name of a boolean")
