"""Functions that make several steps of systemd: the text of the units, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from provision.steps import journald, mount_units, timers
from provision.steps.base import Step
from provision.steps.mount_units import escaped_path
from provision.steps.postgres_settings import names_in
from provision.steps.sysusers import parsed as user_line
from provision.steps.tmpfiles import parsed as tmpfiles_line
from provision.steps.unit_files import DropIn, NoUnit, Unit
from provision.steps.user_units import Linger, UserService
from provision.system.writers import systemd_command


class Gathered:
    """Takes steps as a host does, judges their arguments, and keeps them."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def submit(self, step: Step) -> Any:
        step.validate()
        self.steps.append(step)

    def text(self, name: str) -> str:
        """The contents of the unit file of that name."""
        (found,) = [s for s in self.steps if isinstance(s, Unit) and s.name == name]
        contents = found._file().source.open
        assert contents is not None
        return contents(b"").read().decode()


def test_a_timer_is_a_service_and_its_times() -> None:
    c: Any = Gathered()
    timers.timer(
        c,
        "backup",
        ["/bin/tar", "a b"],
        calendar="daily",
        user="shop",
        spread="1h",
        settings={"Nice": 5, "PrivateTmp": True, "Environment": ["A=1", '"B=2 3"']},
    )
    assert [s.label() for s in c.steps] == [
        "unit file backup.service",
        "unit file backup.timer",
        "unit backup.timer",
    ]
    assert c.text("backup.service") == (
        "[Unit]\nDescription=backup\n"
        '[Service]\nType=oneshot\nUser=shop\nExecStart=/bin/tar "a b"\nNice=5\nPrivateTmp=yes\n'
        'Environment=A=1\nEnvironment="B=2 3"\n'
    )
    assert c.text("backup.timer") == (
        "[Unit]\nDescription=times of backup\n"
        "[Timer]\nOnCalendar=daily\nAccuracySec=1s\nRandomizedDelaySec=1h\nPersistent=yes\n[Install]\nWantedBy=timers.target\n"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs calendar, every or after_boot"),
        ({"name": "a.timer", "every": "1h"}, "without a type"),
        ({"name": "a/b", "every": "1h"}, "without a type"),
        ({"every": "often"}, "time span"),
        ({"calendar": "a\nb"}, "one line"),
        ({"every": "1h", "argv": "true"}, "list of words"),
        ({"every": "1h", "argv": ["true"]}, "absolute path"),
        ({"every": "1h", "argv": ["/bin/a\nb"]}, "absolute path"),
        ({"every": "1h", "settings": {"nice": 1}}, "name of a setting"),
        ({"every": "1h", "settings": {"Nice": "1\nUser=root"}}, "one line"),
        ({"every": "1h", "settings": {"Environment": ["A=1", "B=\n"]}}, "one line"),
        ({"every": "1h", "settings": {"Environment": []}}, "the list is empty"),
        ({"every": "1h", "settings": {"Environment": {"A": "1"}}}, "must be text"),
        ({"every": "1h", "settings": {"Environment": None}}, "must be text"),
        ({"every": "1h", "settings": {"Environment": [["A=1"]]}}, "must be text"),
    ],
)
def test_a_timer_refuses(options: dict[str, Any], message: str) -> None:
    c: Any = Gathered()
    values = {"name": "t", "argv": ["/bin/true"], **options}
    with pytest.raises(ValueError, match=message):
        timers.timer(c, values.pop("name"), values.pop("argv"), **values)
    assert c.steps == []


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["/bin/true"], "/bin/true"),
        (["/bin/sh", "-c", 'echo "$HOME" 100%'], '/bin/sh -c "echo \\"$$HOME\\" 100%%"'),
        (["/bin/a", ""], '/bin/a ""'),
        (["/bin/a", "b\\c"], '/bin/a "b\\\\c"'),
        (["/bin/a", ";"], '/bin/a ";"'),
    ],
)
def test_words_are_quoted_as_systemd_reads_them(argv: list[str], line: str) -> None:
    assert systemd_command(argv) == line


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/srv/data", "srv-data"),
        ("/a b/.x/-é", "a\\x20b-.x-\\x2d\\xc3\\xa9"),
        ("/.x", "\\x2ex"),
        ("/a_b:c", "a_b:c"),
    ],
)
def test_paths_are_escaped_as_systemd_escape_does(path: str, name: str) -> None:
    assert escaped_path(path) == name


def test_an_automount_is_enabled_instead_of_its_mount() -> None:
    c: Any = Gathered()
    mount_units.mount_unit(c, "/srv/m", "nas:/m", "nfs", "ro", automount=True, idle="10min")
    assert "[Install]" not in c.text("srv-m.mount")
    assert "TimeoutIdleSec=10min" in c.text("srv-m.automount") and "[Install]" in c.text("srv-m.automount")
    assert c.steps[-1].label() == "unit srv-m.automount"


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("data", "x", "nfs"), {}, "absolute"),
        (("/", "x", "nfs"), {}, "refusing"),
        (("/a", "", "nfs"), {}, "empty"),
        (("/a", "x", "nfs\nOptions=suid"), {}, "one line"),
        (("/a", "x", "nfs"), {"idle": "1min"}, "for automounts"),
        (("/a", "x", "nfs"), {"settings": {"after": "x"}}, "name of a setting"),
    ],
)
def test_a_mount_refuses(arguments: tuple[str, str, str], options: dict[str, Any], message: str) -> None:
    c: Any = Gathered()
    with pytest.raises(ValueError, match=message):
        mount_units.mount_unit(c, *arguments, **options)
    assert c.steps == []


def test_limits_of_the_journal_are_its_settings_and_a_restart() -> None:
    c: Any = Gathered()
    journald.limits(c, max_use="1G")
    assert [s.label() for s in c.steps] == ["journald settings prov", "service systemd-journald"]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Unit("shop", "x"), "not the name of a unit"),
        (Unit("../x.service", "x"), "not the name of a unit"),
        (Unit("a.service\n", "x"), "not the name of a unit"),
        (Unit("a.service", 5), "content must be"),  # type: ignore[arg-type]
        (DropIn("nginx", "a.conf", "x"), "without .conf"),
        (DropIn("nginx", "../a", "x"), "without .conf"),
        (DropIn("a b", "a", "x"), "not the name of a unit"),
        (NoUnit("a/b"), "not the name of a unit"),
        (Linger("-a"), "not the name of a user"),
        (UserService("a", user=""), "must not be empty"),
        (UserService("a/b", user="shop"), "not the name of a unit"),
    ],
)
def test_bad_arguments_are_refused(step: Step, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        step.validate()


def test_lines_of_tmpfiles_and_sysusers() -> None:
    assert tmpfiles_line("d /run/x 0755 a b - -") == ("d", "/run/x", "0755", "a", "b", "")
    assert tmpfiles_line("f+ /run/x 0644 - - - some words")[5] == "some words"
    assert tmpfiles_line('d "/run/a"')[1] == "/run/a"
    assert user_line('u shop - "The shop" /srv') == ("u", "shop", "", "The shop", "/srv", "")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("pg_stat_statements, auto_explain", ["pg_stat_statements", "auto_explain"]),
        ('"$user", public', ["$user", "public"]),
        ('"a ""b"", c",D', ['a "b", c', "D"]),
        (' "x" ', ["x"]),
        ("$libdir/a.so", ["$libdir/a.so"]),
        ("", []),
        ("  ", []),
    ],
)
def test_lists_of_postgresql_are_read_as_the_server_does(text: str, names: list[str]) -> None:
    assert names_in(text, folded=False) == names


def test_identifiers_without_quotes_are_small() -> None:
    assert names_in('Public, "Sales", A_b', folded=True) == ["public", "Sales", "a_b"]


@pytest.mark.parametrize("text", [",", "a,", "a,,b", '"a', 'a"b"', '"a" b', 'a, "b'])
def test_lists_that_postgresql_would_refuse(text: str) -> None:
    with pytest.raises(ValueError, match="not a list of names"):
        names_in(text, folded=False)
