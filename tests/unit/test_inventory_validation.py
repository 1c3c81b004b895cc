"""What `validate` does for the parameters of roles: strict types, and pydantic's errors in plain words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from inventories import errors, host
from pydantic import BaseModel, ConfigDict, Field, model_validator

from provision.inventory import Problems
from provision.inventory.validation import validate
from provision.secrets import Secret


class Site(BaseModel):
    model_config = ConfigDict(extra="forbid")
    port: int
    name: str = "x"


class Params(BaseModel):
    model_config = ConfigDict(extra="forbid")
    count: int = Field(default=1, gt=0, lt=10)
    ratio: float = Field(default=1.0, ge=0.5, le=2)
    active: bool = False
    path: Path = Path("/")
    maybe: Path | None = None
    ports: tuple[int, ...] = ()
    names: tuple[Annotated[str, Field(min_length=2, max_length=3)], ...] = ()
    tree: dict[str, tuple[Path, ...]] = {}
    either: str | list[str] = ""
    level: Literal["low", "high"] = "low"
    word: str = Field(default="a", pattern="^[a-z]+$")
    sites: dict[str, Site] = {}
    listed: list[Site] = []
    password: Secret = Secret("")
    few: list[int] = Field(default=[], max_length=1)

    @model_validator(mode="after")
    def _both(self) -> Params:
        if self.active and self.count == 9:
            raise ValueError("count 9 and active exclude each other")
        return self


GOOD = {
    "p: {ratio: 2, count: 3, active: on}": {"ratio": 2.0, "count": 3, "active": True},
    "p: {path: /etc, maybe: x}": {"path": Path("/etc"), "maybe": Path("x")},
    "p: {ports: [80, 443], names: [ab, cd, ab]}": {"ports": (80, 443), "names": ("ab", "cd", "ab")},
    "p: {tree: {a: [/x, /y], b: []}}": {"tree": {"a": (Path("/x"), Path("/y")), "b": ()}},
    "p: {either: [a]}": {"either": ["a"]},
    "p: {either: a}": {"either": "a"},
    "p: {sites: {a: {port: 80}}}": {"sites": {"a": {"port": 80, "name": "x"}}},
    "p: {password: s3cret}": {"password": Secret("s3cret")},
    "p: {word: !unsafe abc}": {"word": "abc"},
}

BAD = {
    "p: {count: '3'}": ["p.count: must be a whole number, not '3'"],
    "p: {count: 0}": ["p.count: must be more than 0, not 0"],
    "p: {count: 10}": ["p.count: must be less than 10, not 10"],
    "p: {ratio: 0.1}": ["p.ratio: must be at least 0.5, not 0.1"],
    "p: {ratio: 3}": ["p.ratio: must be at most 2.0, not 3"],
    "p: {ratio: x}": ["p.ratio: must be a number, not 'x'"],
    "p: {active: 1}": ["p.active: must be true or false, not 1"],
    "p: {path: 3}": ["p.path: must be text, not 3"],
    "p: {ports: [80, '443', x]}": [
        "p.ports.1: must be a whole number, not '443'",
        "p.ports.2: must be a whole number, not 'x'",
    ],
    "p: {ports: 80}": ["p.ports: must be a list, not 80"],
    "p: {names: [a, abcd]}": [
        "p.names.0: needs at least 2 characters, not 'a'",
        "p.names.1: takes at most 3 characters, not 'abcd'",
    ],
    "p: {few: [1, 2]}": ["p.few: has 2 entries, expected at most 1"],
    "p: {tree: {a: [/x, 3], b: [4]}}": ["p.tree.a.1: must be text, not 3", "p.tree.b.0: must be text, not 4"],
    "p: {either: 3}": ["p.either: must be text or a list, not 3"],
    "p: {either: {a: b}}": ["p.either: must be text or a list, not a mapping"],
    "p: {level: mid}": ["p.level: 'mid' is not one of low, high."],
    "p: {level: hihg}": ["p.level: 'hihg' is not one of low, high. Did you mean 'high'?"],
    "p: {level: }": ["p.level: empty is not one of low, high."],
    "p: {word: A1}": ["p.word: 'A1' does not match ^[a-z]+$"],
    "p: {sites: {a: {prot: 80}}}": [
        "p.sites.a.port: is required",
        "p.sites.a.prot: unknown parameter 'prot'. Did you mean 'port'?",
    ],
    "p: {listed: [{port: 1}, {port: x}, 3]}": [
        "p.listed.1.port: must be a whole number, not 'x'",
        "p.listed.2: must be a mapping, not 3",
    ],
    "p: {8: x}": ["p.8: the name of a parameter must be text, not 8"],
    "p: {true: x}": ["p.1: the name of a parameter must be text, not true"],
    "p: {on: x}": ["p.on: unknown parameter 'on'."],
    "p: {password: 123}": ["p.password: must be text"],
    "p: {active: true, count: 9}": ["p: count 9 and active exclude each other"],
    "p: [a]": ["p: must be a mapping, not a list"],
    "p:": ["p: must be a mapping, not empty"],
    "p: {word: '{{ a }}', count: x}": [
        "p.word: '{{ a }}' could not be worked out: 'a' is undefined",
    ],
}


@pytest.mark.parametrize(("variables", "expected"), GOOD.items())
def test_good(tmp_path: Path, variables: str, expected: dict[str, object]) -> None:
    web1 = host(tmp_path, variables)
    params = validate(Params, web1.vars["p"], web1, ("p",))
    assert params.model_dump(include=set(expected)) == expected


@pytest.mark.parametrize(("variables", "expected"), BAD.items())
def test_bad(tmp_path: Path, variables: str, expected: list[str]) -> None:
    web1 = host(tmp_path, variables)
    found = errors(lambda: validate(Params, web1.vars["p"], web1, ("p",)))
    assert found == [f"inv.yml:4 web1.{line}" for line in expected]


def test_a_value_that_no_line_says(tmp_path: Path) -> None:
    """Parameters that a role gets from its defaults or from another role have no line of their own."""
    web1 = host(tmp_path, "a: 1")
    assert errors(lambda: validate(Params, {"count": "x"}, web1, ("p",))) == [
        "inv.yml:3 web1.p.count: must be a whole number, not 'x'"
    ]


def test_hints(tmp_path: Path) -> None:
    web1 = host(tmp_path, "p: {count: '3', word: 5, ports: '1', colour: red, path: /x}")
    problems = Problems()
    with problems.gathered():
        validate(Params, web1.vars["p"], web1, ("p",))
    with pytest.raises(Exception) as caught:
        problems.raise_any()
    names = ", ".join(Params.model_fields)
    assert {e.path[-1]: e.hint for e in caught.value.errors} == {  # type: ignore[attr-defined]
        "count": "Write it without quotes: 3",
        "word": "Put it in quotes.",
        "ports": "Write it in brackets: [1]",
        "colour": f"Known are: {names}.",
    }
