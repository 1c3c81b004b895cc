"""No template writes a value bare: each goes through the function of the language that it is in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import nodes

import provision
from provision.roles.templates import environment
from provision.system import writers

REPOSITORY = Path(provision.__file__).parents[1]
TEMPLATES = sorted(REPOSITORY.glob("roles/*/templates/*"))
#: size takes numbers with a unit alone (roles/templates.py)
WHOLE = {*writers.FILTERS, "size"} - {each.__name__ for each in writers.QUOTED}


def macros(tree: nodes.Template) -> set[str]:
    """Names of macros that a template defines or imports: what is inside them is judged there."""
    own = {macro.name for macro in tree.find_all(nodes.Macro)}
    imported = (name for each in tree.find_all(nodes.FromImport) for name in each.names)
    return own | {name if isinstance(name, str) else name[1] for name in imported}


def bare(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """Line and kind of every value that no writer has written."""
    known = macros(tree)
    for output in tree.find_all(nodes.Output):
        for node in output.nodes:
            if not written(node, known):
                yield node.lineno, repr(node)


def written(node: nodes.Node | None, known: set[str]) -> bool:
    """Whether an expression can only be text of the template, or what a writer made of a value."""
    if node is None or isinstance(node, (nodes.TemplateData, nodes.Const)):
        return True
    if isinstance(node, nodes.CondExpr):
        return written(node.expr1, known) and written(node.expr2, known)
    if isinstance(node, nodes.Filter):
        joined = node.name == "join" and isinstance(node.node, nodes.Filter) and maps_a_writer(node.node)
        return node.name in WHOLE or joined
    # what `caller()` gives is text of a call block, which is judged where it stands
    called = node.node if isinstance(node, nodes.Call) else None
    return isinstance(called, nodes.Name) and called.name in {*known, "caller"}


def maps_a_writer(node: nodes.Filter) -> bool:
    """Whether it is `| map("nginx")` or the like."""
    name = node.args[0] if node.args else None
    return node.name == "map" and isinstance(name, nodes.Const) and name.value in WHOLE


@pytest.mark.trust("5", "templates-write-nothing-bare")
@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_every_value_is_written_by_its_language(path: Path) -> None:
    tree = environment(path.parent).parse(path.read_text(encoding="utf-8"))
    assert list(bare(tree)) == []


@pytest.mark.parametrize(
    "text",
    [
        "alias {{ path }};",
        "alias {{ path | replace('a', 'b') }};",
        "{{ path | regex }}",
        "{{ names | join(' ') }}",
        "{{ names | map('regex') | join(' ') }}",
        "{{ path | nginx if path else name }}",
        "{{ 'a' ~ path }}",
        "{{ '%d' % number }}",
        "{{ other(path) }}",
        "{% if a %}{{ app.name }}{% endif %}",
        "{% macro m(a) %}{{ a }}{% endmacro %}",
    ],
)
def test_a_bare_value_is_found(tmp_path: Path, text: str) -> None:
    assert list(bare(environment(tmp_path).parse(text)))


def test_there_are_templates() -> None:
    assert len(TEMPLATES) > 15
