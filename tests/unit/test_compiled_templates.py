"""Templates are compiled once, and again whenever something of them has changed."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

from provision.errors import ProvError
from provision.roles import templates
from provision.roles.compiled_templates import CompiledTemplates
from provision.roles.templates import render
from provision.secrets import Secret


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/prov/templates"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of templates that were compiled."""
    found: list[str] = []
    real = jinja2.Environment._generate

    def generate(
        self: jinja2.Environment, source: object, name: str, *rest: object, **options: object
    ) -> object:
        found.append(name)
        return real(self, source, name, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(jinja2.Environment, "_generate", generate)
    return found


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def another_run() -> None:
    """A process that has no template in memory."""
    templates.environment.cache_clear()


def test_the_next_run_does_not_compile_it_again(tmp_path: Path, compiled: list[str], cache: Path) -> None:
    path = written(tmp_path / "a.j2", "{{ x }} {% include 'b.j2' %}")
    written(tmp_path / "b.j2", "and {{ x }}")
    another_run()
    assert render(path, {"x": "one"}) == "one and one"
    assert sorted(compiled) == ["a.j2", "b.j2"]
    another_run()
    assert render(path, {"x": "two"}) == "two and two"
    assert len(compiled) == 2
    assert {each.stat().st_mode & 0o777 for each in cache.iterdir()} == {0o600}
    assert cache.stat().st_mode & 0o777 == 0o700


def test_a_change_counts(tmp_path: Path, compiled: list[str]) -> None:
    path = written(tmp_path / "a.j2", "{{ x }}")
    another_run()
    render(path, {"x": 1})
    another_run()
    assert render(written(path, "{{ x }} new"), {"x": 1}) == "1 new"
    assert len(compiled) == 2


def test_filters_that_have_changed_count(tmp_path: Path) -> None:
    source = written(tmp_path / "filters.py", "one")
    before, same = CompiledTemplates([str(source)]), CompiledTemplates([str(source)])
    after = CompiledTemplates([str(written(source, "two"))])
    bucket = jinja2.bccache.Bucket(jinja2.Environment(), "key", "checksum")
    assert before._path(bucket) == same._path(bucket) != after._path(bucket)


def test_a_secret_is_noticed_and_not_kept(tmp_path: Path, cache: Path) -> None:
    path = written(tmp_path / "a.j2", "{{ x }}")
    for _ in range(2):
        another_run()
        assert render(path, {"x": Secret("word-4711")}) == Secret("word-4711")
    assert not any(b"word-4711" in each.read_bytes() for each in cache.iterdir())


@pytest.mark.parametrize("damage", ["short", "of others"])
def test_what_is_damaged_is_compiled_again(
    tmp_path: Path, compiled: list[str], cache: Path, damage: str
) -> None:
    path = written(tmp_path / "a.j2", "{{ x }}")
    another_run()
    render(path, {"x": 1})
    (entry,) = cache.iterdir()
    if damage == "short":
        entry.write_bytes(entry.read_bytes()[:-20])
    else:
        entry.chmod(0o666)
    another_run()
    assert render(path, {"x": 2}) == "2"
    assert len(compiled) == 2


def test_a_mistake_has_its_line_all_the_same(tmp_path: Path) -> None:
    path = written(tmp_path / "a.j2", "one\n{{ y }}\n")
    for _ in range(2):
        another_run()
        with pytest.raises(ProvError) as raised:
            render(path, {})
        assert raised.value.where == f"{path}:2"
