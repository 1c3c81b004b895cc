"""Blocks and ini values in files of others."""

from __future__ import annotations

import configparser

import pytest
from steps_bench import Bench, refuses

from provision.secrets import Secret
from provision.steps.text import Block, IniValue

PHP = """; settings
[PHP]
memory_limit = 128M   ; was 64M
;memory_limit = 1G

[Date]
date.timezone: UTC
"""


def test_block_is_made_kept_changed_and_removed(bench: Bench) -> None:
    at = bench.root / "conf"
    at.write_text("first\nlast")
    step = Block(str(at), "a\nb", name="x")
    real = bench.cycle(step)
    assert at.read_text() == "first\nlast\n# BEGIN prov x\na\nb\n# END prov x\n"
    assert "+# BEGIN prov x" in real.diff[0].text.split("\n")
    at.write_text(at.read_text().replace("b\n", "drift\n"))
    bench.cycle(step)
    bench.cycle(Block(str(at), "c", name="x"))
    assert at.read_text() == "first\nlast\n# BEGIN prov x\nc\n# END prov x\n"
    bench.cycle(Block(str(at), "", name="x"))
    assert at.read_text() == "first\nlast\n"


def test_blocks_stand_where_asked_and_beside_each_other(bench: Bench) -> None:
    at = bench.root / "page.xml"
    at.write_bytes(b"<a>\r\n\xff</a>\r\n")
    bench.cycle(Block(str(at), "<b/>", comment="<!--", comment_end="-->", after="^<a>"))
    bench.cycle(Block(str(at), "<c/>", name="other", comment="<!--", comment_end="-->"))
    lines = at.read_bytes().split(b"\r\n")
    assert lines[:4] == [b"<a>", b"<!-- BEGIN prov block -->", b"<b/>", b"<!-- END prov block -->"]
    assert lines[4] == b"\xff</a>" and lines[6] == b"<c/>" and lines[-1] == b""


def test_block_makes_a_file_with_a_mode_or_says_how(bench: Bench) -> None:
    at = bench.root / "new"
    bench.fails(Block(str(at), "x"), "does not exist")
    bench.cycle(Block(str(at), "x", create=True, mode=0o600))
    assert at.stat().st_mode & 0o777 == 0o600
    at.chmod(0o644)
    assert bench.cycle(Block(str(at), "x", mode=0o600)).diff[0].what == "mode"
    bench.settled(Block(str(bench.root / "none"), ""))


def test_block_leaves_what_it_does_not_understand(bench: Bench) -> None:
    at = bench.root / "conf"
    at.write_text("# BEGIN prov block\nx\n")
    bench.fails(Block(str(at), "y"), "1 and 0 times")
    bench.fails(Block(str(bench.root), "y"), "is a dir")
    assert at.read_text() == "# BEGIN prov block\nx\n"


def test_of_a_link_the_file_is_edited(bench: Bench) -> None:
    at, link = bench.root / "conf", bench.root / "link"
    at.write_text("[a]\n")
    link.symlink_to("conf")
    bench.cycle(Block(str(link), "y"))
    bench.cycle(IniValue(str(link), "a", "k", "v"))
    assert link.is_symlink() and at.read_text().endswith("# END prov block\nk = v\n")


def test_block_is_judged_before_it_is_in_place(bench: Bench) -> None:
    at = bench.root / "conf"
    at.write_text("good\n")
    bench.cycle(Block(str(at), "fine", validate_with=["grep", "fine", "%s"]))
    bench.fails(Block(str(at), "bad", validate_with=["grep", "worse", "%s"]), "judging")
    assert "bad" not in at.read_text()


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Block("conf", "x"), "absolute"),
        (Block("/conf", "x", after="("), "regular expression"),
        (Block("/conf", "# END prov block"), "marks"),
        (Block("/conf", "x", name="a\nb"), "one line"),
        (Block("/conf", "x", mode=99999), "mode"),
        (IniValue("/conf", "a]b", "k", "v"), "brackets"),
        (IniValue("/conf", "a", "k=", "v"), "key must not"),
        (IniValue("/conf", "a", "k", "v\nw"), "one line"),
        (IniValue("/conf", "a", "k", Secret("v\nw")), "one line"),
        (IniValue("/conf", "a", "k", "v", separator=" "), "separator"),
    ],
)
def test_bad_arguments_are_refused(step: Block, message: str) -> None:
    refuses(step, message)


def test_ini_value_changes_one_line_and_keeps_the_rest(bench: Bench) -> None:
    at = bench.root / "php.ini"
    at.write_text(PHP)
    bench.cycle(IniValue(str(at), "PHP", "memory_limit", "256M"))
    assert at.read_text() == PHP.replace("128M   ; was 64M", "256M")
    bench.cycle(IniValue(str(at), "Date", "date.timezone", "Europe/Berlin"))
    assert "date.timezone: Europe/Berlin\n" in at.read_text()
    bench.cycle(IniValue(str(at), "PHP", "post_max_size", "8M"))
    assert ";memory_limit = 1G\npost_max_size = 8M\n\n[Date]" in at.read_text()
    bench.cycle(IniValue(str(at), "New", "a", "b", separator="="))
    assert at.read_text().endswith("Berlin\n\n[New]\na=b\n")
    at.write_text(at.read_text().replace("a=b", "a=drift"))
    bench.cycle(IniValue(str(at), "New", "a", "b"))
    bench.cycle(IniValue(str(at), "PHP", "memory_limit", None))
    assert "256M" not in at.read_text() and ";memory_limit = 1G" in at.read_text()


def test_ini_value_before_the_first_section_and_in_a_new_file(bench: Bench) -> None:
    at = bench.root / "conf"
    bench.fails(IniValue(str(at), "", "a", "1"), "does not exist")
    bench.cycle(IniValue(str(at), "", "a", "1", create=True))
    assert at.read_text() == "a = 1\n"
    bench.cycle(IniValue(str(at), "s", "a", "2"))
    bench.cycle(IniValue(str(at), "", "b", "3"))
    assert at.read_text() == "a = 1\nb = 3\n\n[s]\na = 2\n"
    bench.settled(IniValue(str(at), "none", "a", None))


def test_ini_value_takes_doubles_and_continued_lines_with_it(bench: Bench) -> None:
    at = bench.root / "conf"
    at.write_text("[a]\nk = 1\n  and more\nk = 2\nbare\n")
    bench.cycle(IniValue(str(at), "a", "k", "3"))
    assert at.read_text() == "[a]\nk = 3\nbare\n"
    bench.cycle(IniValue(str(at), "a", "bare", "x"))
    found = configparser.ConfigParser()
    found.read(at)
    assert dict(found["a"]) == {"k": "3", "bare": "x"}


def test_ini_value_hides_a_secret(bench: Bench) -> None:
    at = bench.root / "conf"
    at.write_text("[db]\n")
    real = bench.cycle(IniValue(str(at), "db", "password", Secret("geheim")))
    assert at.read_text() == "[db]\npassword = geheim\n"
    assert "geheim" not in repr(real.diff)
