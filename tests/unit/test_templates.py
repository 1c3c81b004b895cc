"""Templates of roles: mistakes are told with file and line, secrets stay secrets."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from provision.errors import ProvError
from provision.roles.templates import render
from provision.secrets import Secret


@pytest.fixture
def template(tmp_path: Path) -> Any:
    """Writes templates; returns the path of the first."""

    def write(text: str, **others: str) -> Path:
        for name, other in others.items():
            (tmp_path / f"{name}.j2").write_text(other)
        path = tmp_path / "conf.j2"
        path.write_text(text)
        return path

    return write


def test_values_blocks_and_the_final_newline(template: Any) -> None:
    path = template("{% for n in names %}\nserver {{ n }};\n{% endfor %}\nend\n")
    assert render(path, {"names": ["a", "b"]}) == "server a;\nserver b;\nend\n"


def test_nothing_is_escaped(template: Any) -> None:
    assert render(template("{{ x }}"), {"x": '<a href="b">&'}) == '<a href="b">&'


def test_an_undefined_name(template: Any) -> None:
    path = template("one\ntwo\n{{ nobody }}\n")
    with pytest.raises(ProvError) as raised:
        render(path, {})
    assert str(raised.value) == f"{path}:3: 'nobody' is undefined"


def test_an_undefined_attribute_in_a_condition(template: Any) -> None:
    path = template("one\n{% if app.nothing %}x{% endif %}\n")
    with pytest.raises(ProvError, match="has no attribute 'nothing'") as raised:
        render(path, {"app": object()})
    assert raised.value.where == f"{path}:2"


def test_an_undefined_name_in_an_included_template(template: Any, tmp_path: Path) -> None:
    path = template("one\n{% include 'inner.j2' %}\n", inner="\n\n\n{{ nobody }}\n")
    with pytest.raises(ProvError) as raised:
        render(path, {})
    assert raised.value.where == f"{tmp_path}/inner.j2:4"


def test_a_mistake_in_the_syntax(template: Any) -> None:
    path = template("one\n{% if x %}\n{{ x }\n")
    with pytest.raises(ProvError) as raised:
        render(path, {"x": 1})
    assert raised.value.where == f"{path}:3"


def test_no_such_template(template: Any, tmp_path: Path) -> None:
    template("x", other="y")
    with pytest.raises(ProvError, match=r"there is no template 'none\.j2'") as raised:
        render(tmp_path / "none.j2", {})
    assert raised.value.hint == "There is: conf.j2, other.j2"


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(ProvError) as raised:
        render(tmp_path / "none" / "x.j2", {})
    assert "no such folder" in raised.value.hint


def test_a_secret_makes_the_whole_text_one(template: Any) -> None:
    text = render(template("user=a\npassword={{ password }}\n"), {"password": Secret("hunter2")})
    assert isinstance(text, Secret)
    assert text.reveal() == "user=a\npassword=hunter2\n"
    assert "hunter2" not in repr(text)


def test_a_secret_that_is_not_used_changes_nothing(template: Any) -> None:
    assert render(template("{% if password %}yes{% endif %}"), {"password": Secret("hunter2")}) == "yes"


def test_the_next_text_is_no_secret_any_more(template: Any) -> None:
    path = template("{{ x }}")
    assert isinstance(render(path, {"x": Secret("a")}), Secret)
    assert render(path, {"x": "b"}) == "b"


def test_a_changed_template_is_read_again(template: Any) -> None:
    path = template("one")
    assert render(path, {}) == "one"
    path.write_text("two, longer")
    assert render(path, {}) == "two, longer"


FILTERED = {
    "{{ x | upper }}": "P'W Ä/1-HUNTER2",
    "{{ x | urlencode }}": "p%27w%20%C3%A4/1-hunter2",
    "{{ x | tojson }}": '"p\\u0027w \\u00e4/1-hunter2"',
    "{{ x | replace('hunter', 'h') }}": "p'w ä/1-h2",
    "{{ 'a' | replace('a', x) }}": "p'w ä/1-hunter2",
    "{{ ['a', x] | join('=') }}": "a=p'w ä/1-hunter2",
    "{{ {'a': x} | tojson }}": '{"a": "p\\u0027w \\u00e4/1-hunter2"}',
    "{{ none | default(x, true) }}": "p'w ä/1-hunter2",
    "{{ x.reveal() }}": "p'w ä/1-hunter2",
    "{{ 'a' ~ x.reveal() }}": "ap'w ä/1-hunter2",
    "{{ 'a' + x }}": "ap'w ä/1-hunter2",
    "{{ 'a' ~ (x | upper) }}": "aP'W Ä/1-HUNTER2",
    "{% filter upper %}{{ x }}{% endfilter %}": "P'W Ä/1-HUNTER2",
    "{% set y %}{{ x }}{% endset %}{{ y | length }}": "15",
    "{% if x | length > 3 %}long{% endif %}": "long",
}


@pytest.mark.trust("6", "secrets-in-templates")
@pytest.mark.parametrize(("text", "made"), FILTERED.items())
def test_what_filters_make_of_a_secret_is_one(template: Any, text: str, made: str) -> None:
    found = render(template(text), {"x": Secret("p'w ä/1-hunter2")})
    assert isinstance(found, Secret) and found.reveal() == made


def test_a_template_that_renders_another_one_has_its_secrets(template: Any, tmp_path: Path) -> None:
    inner = template("{{ x }}", outer="{{ y }} {{ inner() }}", plain="{{ x }} {{ inner() }}")
    x = Secret("hunter2")
    for name, within in (("outer", x), ("plain", "a")):
        values = {"x": x, "y": "a", "inner": partial(render, inner, {"x": within})}
        assert isinstance(render(tmp_path / f"{name}.j2", values), Secret)


@pytest.mark.parametrize(
    "text",
    [
        "{{ x | float(default=none) | round }}",
        "{{ x | sum }}",
        "{{ x.reveal() | round }}",
        "{{ {}[x.reveal()] }}",
    ],
)
def test_errors_of_templates_do_not_quote_secrets(template: Any, text: str) -> None:
    with pytest.raises(ProvError) as raised:
        render(template(text), {"x": Secret("hunter2-hunter2")})
    assert "hunter2" not in str(raised.value) + repr(vars(raised.value))


@pytest.mark.parametrize("text", ["{{ 'password=' ~ x }}", "{{ '%s' % x }}", "{{ 'a%s' | format(x) ~ x }}"])
def test_a_secret_that_is_worked_on_is_never_written_masked(template: Any, text: str) -> None:
    with pytest.raises(ProvError) as raised:
        render(template(text), {"x": Secret("hunter2-hunter2")})
    assert "hunter2" not in str(raised.value)


def test_a_writer_takes_a_secret_and_shows_none(template: Any) -> None:
    text = render(template("A={{ x | systemd_environment }}\n"), {"x": Secret('hunt"er2')})
    assert isinstance(text, Secret)
    assert text.reveal() == 'A="hunt\\"er2"\n'
    with pytest.raises(ProvError, match="nginx cannot express a secret") as raised:
        render(template("{{ x | nginx }}"), {"x": Secret("hunter2\n")})
    assert "hunter2" not in str(raised.value)
