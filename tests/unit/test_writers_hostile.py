"""Nasty values in configuration languages: read back by the real parsers of this machine, or refused.

nginx, Apache, systemd, cron and logrotate are asked on a lab host (tests/lab/test_values_hostile.py).
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.nasty import LINES, NASTY

from provision.system import writers

# by what a value of several lines can be written all the same
OF_SEVERAL_LINES = {
    *("systemd_word", "systemd_environment", "systemd_command", "shell", "shell_command", "toml", "python"),
}


def given(name: str, value: str) -> str:
    """What a writer makes of a value."""
    several = ("apache_words", "shell_command", "cron_command", "logrotate_command")
    argument = ["/bin/a", value] if name == "systemd_command" else [value] if name in several else value
    return writers.FILTERS[name](argument)


@pytest.mark.trust("5", "folder-names-break-config")
@pytest.mark.parametrize("name", sorted(set(writers.FILTERS) - OF_SEVERAL_LINES))
@pytest.mark.parametrize("value", [*LINES, "nul\0"])
def test_what_a_language_cannot_express_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"cannot express|not a plain word"):
        given(name, value)


@pytest.mark.parametrize("name", sorted(OF_SEVERAL_LINES - {"toml", "python"}))
def test_no_language_of_programs_has_nul(name: str) -> None:
    with pytest.raises(ValueError, match="NUL"):
        given(name, "nul\0")


@pytest.mark.parametrize("value", [*LINES, "nul\0", *(v for v in NASTY if v not in ("-e", "endscript"))])
def test_a_word_is_plain_or_refused(value: str) -> None:
    with pytest.raises(ValueError, match="not a plain word"):
        writers.word(value)


@pytest.mark.parametrize(
    "value", [0, 12, 0.5, "a-b_c.d", "/srv/x/releases/0a1b", "*.example.com", "10.0.0.0/8", "::1"]
)
def test_plain_words_are_as_they_are(value: str | float) -> None:
    assert writers.word(value) == str(value)


@pytest.mark.parametrize("value", [*NASTY, *LINES])
def test_the_shell_reads_a_word_back(value: str) -> None:
    script = f"printf %s {writers.shell(value)}"
    assert subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout == value.encode()


@pytest.mark.parametrize("value", [*NASTY, *LINES, "nul\0", "\ud800"])
def test_python_and_toml_read_a_value_back(value: str) -> None:
    assert ast.literal_eval(writers.python(value)) == value
    if value != "\ud800":
        written = writers.toml(value)
        assert json.loads(written) == value
        assert "\x7f" not in written


@pytest.mark.trust("5", "sudoers")
@pytest.mark.parametrize(
    "name", ["ALL", "ADMINS", "%group", "#0", "+net", "a b", "a,b", "a=b", "-a", "", "größe"]
)
def test_sudo_takes_no_alias_for_a_user(name: str) -> None:
    with pytest.raises(ValueError, match="cannot express"):
        writers.sudoers(name)


@pytest.mark.parametrize("name", ["ann", "ann.b-c_d", "Ann", "0ann", "_x"])
def test_sudo_takes_names_as_they_are(name: str) -> None:
    assert writers.sudoers(name) == name


def test_toml_has_no_value_that_is_no_number() -> None:
    assert [writers.toml(v) for v in (True, 1, 0.5)] == ["true", "1", "0.5"]
    with pytest.raises(ValueError, match="finite"):
        writers.toml(float("inf"))


def cron(command: str, special: str) -> str:
    """What cron hands to the shell (do_command.c, "get the standard input").

    special: what a backslash before it is taken away from: in Debian's cron 3.0pl1 "%\\", in cronie "%".
    """
    found, escaped = "", False
    for character in command:
        if escaped:
            found = found[:-1] + character if character in special else found + character
            escaped = False
        elif character == "%":
            return found
        else:
            escaped = character == "\\"
            found += character
    return found


@pytest.mark.trust("5", "cron-percent")
@pytest.mark.parametrize("special", ["%\\", "%"], ids=["Debian's", "cronie"])
@pytest.mark.parametrize(
    "value",
    [*NASTY, "\\%", "\\\\%", "a\\%b c", "'\\%'", "%%", "\\%\\%", "a\\\\b", "\\" * 5, "\\\\'\\\\%"],
)
def test_cron_and_its_shell_read_a_word_back(value: str, special: str) -> None:
    command = cron(writers.cron_command(["printf", "%s", value]), special)
    assert subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout == value.encode()


@pytest.mark.trust("5", "cron-percent")
def test_cron_takes_no_longer_command() -> None:
    """With a byte more, "command too long": cron passes over the file, and the job never runs."""
    assert len(writers.cron_command(["true", "x" * 993])) == 998
    for word in ("x" * 994, "ü" * 496, "%" * 497):
        with pytest.raises(ValueError, match="it takes 998"):
            writers.cron_command(["true", word])


@pytest.mark.parametrize("value", [v for v in NASTY if not ('"' in v and "'" in v)])
def test_cron_reads_a_variable_back(value: str) -> None:
    written = writers.cron_value(value)
    assert (written[0], written[1:-1]) == (written[-1], value)
    assert written[0] not in value


@pytest.mark.parametrize("value", NASTY)
def test_no_line_of_a_script_ends_logrotates_script(value: str) -> None:
    written = writers.logrotate_command([value, "endscript"])
    assert not written.startswith("endscript")


def test_the_program_of_a_unit_is_no_word_with_variables() -> None:
    for bad in ("true", "/bin/my prog", "/bin/$x", '/bin/"x"', "/bin/x\ny", "-/bin/true"):
        with pytest.raises(ValueError, match="absolute path"):
            writers.systemd_command([bad])
    assert writers.systemd_command(["/srv/a%b/\0/x", "\0", "%i"], "%i") == "/srv/a%%b/%i/x %i %%i"


@pytest.mark.parametrize("value", NASTY)
def test_a_regular_expression_means_the_text(value: str) -> None:
    # PCRE reads these as Python does: a backslash before punctuation
    assert re.fullmatch(writers.regex(value), value)
    assert not re.search(r"(?<!\\)(\\\\)*\s", writers.regex(value)), "mod_rewrite's parameters end there"


@pytest.mark.parametrize("value", ["a b", '"a', "'a", "a\\", "a${b}", "", "a\\\\ b"])
def test_a_parameter_of_mod_rewrite_does_not_end_early(value: str) -> None:
    with pytest.raises(ValueError, match="cannot express"):
        writers.rewrite(value)


def test_what_is_shipped_runs_on_the_oldest_python() -> None:
    """The module by itself, as an agent has it."""
    code = "import runpy, sys; runpy.run_path(sys.argv[1])"
    subprocess.run([sys.executable, "-ISc", code, str(Path(writers.__file__))], check=True)
