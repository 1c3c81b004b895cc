"""Steps as messages and back."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import provision.steps
from provision.agent.codec import decode_step, step_class
from provision.agent.secret_masks import Masks
from provision.controller.step_encoding import encode_step
from provision.secrets import Secret
from provision.steps.base import Ref, Step
from provision.steps.command import Command
from provision.steps.files import Directory, File
from provision.steps.services import Service
from provision.steps.tree import MOST, Tree
from provision.system.frames import pack, unpack
from provision.system.source import Source

secrets = st.builds(Secret, st.text())
words = st.text(st.characters(codec="utf-8"))


def carried(step: Step, refs: dict[int, Ref] | None = None) -> Step:
    """The step as it comes out at the other end of a wire."""
    kind, fields = encode_step(step, lambda source: None)
    return decode_step(kind, json.loads(json.dumps(fields)), refs or {})


@given(
    argv=st.lists(words, max_size=4),
    environment=st.dictionaries(words, words | secrets, max_size=3),
    stdin=words | secrets | st.binary(),
    timeout=st.floats(0, 1e6),
)
def test_values_of_all_types_survive(argv: Any, environment: Any, stdin: Any, timeout: float) -> None:
    step = Command(argv, environment=environment, stdin=stdin, timeout=timeout)
    found = carried(step)
    assert isinstance(found, Command)
    assert list(found.argv) == argv
    assert dict(found.environment) == environment
    assert (found.stdin, found.timeout) == (stdin, timeout)


def test_contents_travel_by_their_hash() -> None:
    kept: list[Source | Secret] = []
    step = File("/x", "hello", mode=0o600)
    kind, fields = encode_step(step, kept.append)
    assert "hello" not in json.dumps(fields)
    assert kept == [step.source]
    found = decode_step(kind, fields, {})
    assert isinstance(found, File)
    assert (found.source.sha256, found.source.size, found.mode) == (step.source.sha256, 5, 0o600)
    assert found.source.open is None, "only the controller has them"


def test_trees_keep_their_sources() -> None:
    step = Tree("/x", [("a", 0o644, Source.of("a"), ""), ("b", 0o777, None, "a")])
    found = carried(step)
    assert isinstance(found, Tree)
    assert [tuple(e) for e in found.entries] == step.entries


def test_a_tree_of_as_many_files_as_it_takes_fits_into_a_message() -> None:
    source = Source("f" * 64, 10**9)
    step = Tree("/srv/x", [(f"{n}, [{{", 0o755, source, "") for n in range(MOST)])
    step.validate()
    kind, values = encode_step(step, lambda source: None)
    message, _ = unpack(pack({"op": "step", "kind": kind, "fields": values}))
    assert message is not None
    again = decode_step(kind, message.head["fields"], {})
    assert isinstance(again, Tree)
    assert len(again.entries) == MOST
    more = Tree("/srv/x", [*step.entries, ("one more", 0o755, source, "")])
    with pytest.raises(ValueError, match="75001 files are too many for one step"):
        more.validate()


def test_references_become_those_of_the_host() -> None:
    ref = Ref(7, "file /x")
    there = Ref(7, "file /x", changed=True, fingerprint="abc")
    found = carried(Service("nginx", reload_on=[ref]), {7: there})
    assert isinstance(found, Service)
    assert found.reload_on[0] is there


@pytest.mark.parametrize(
    "kind",
    ["os:system", "provision.errors:ProvError", "provision.steps.files:Source", "provision.steps.files:none",
     "provision.steps.files:file", "builtins:eval", "provision.system.host_files:Files", ""],
)  # fmt: skip
def test_only_steps_are_built_from_messages(kind: str) -> None:
    with pytest.raises(ValueError, match="not a step"):
        step_class(kind)


def test_every_step_can_be_named() -> None:
    found = 0
    for module in pkgutil.walk_packages(provision.steps.__path__, "provision.steps."):
        for cls in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(cls) and issubclass(cls, Step):
                assert step_class(f"{cls.__module__}:{cls.__qualname__}") is cls
                found += 1
    assert found > 10


def test_what_no_message_can_carry_is_refused() -> None:
    with pytest.raises(TypeError, match="a step can't carry set"):
        encode_step(Command(["x"], stdin={"a"}), lambda source: None)  # type: ignore[arg-type]


def test_an_unknown_tag_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown tag"):
        decode_step("provision.steps.files:Absent", {"path": {"$what": 1}}, {})


# -- what the agent says of them


def masks(*texts: str) -> Masks:
    found = Masks()
    for text in texts:
        found.learn(encode_step(Command(["x"], stdin=Secret(text)), lambda source: None)[1])
    return found


def test_secrets_are_taken_out_of_answers() -> None:
    found = masks("hunter2", "hunter22")
    answer = {"why": "hunter2 is it", "diff": [["a", "xhunter22x", ""]], "ms": 1.5, "status": None}
    assert found.hide_in(answer) == {
        "why": "******** is it",
        "diff": [["a", "x********x", ""]],
        "ms": 1.5,
        "status": None,
    }


def test_each_line_of_a_secret_is_one() -> None:
    assert masks("-----BEGIN-----\nAAAABBBB\n").hide("error near AAAABBBB") == "error near ********"


def test_short_texts_garble_nothing() -> None:
    assert masks("a", "", "  \n ").hide("a cat sat") == "a cat sat"


@pytest.mark.parametrize(
    ("values", "message"),
    [({"path": "/x", "sise": 3}, "Directory takes no sise"), ({"mode": 0o755}, "Directory lacks path")],
)
def test_hosts_too_refuse_fields_that_are_unknown_or_missing(values: dict[str, Any], message: str) -> None:
    """There it is Step.__init__ that takes them, on every Python."""
    step = object.__new__(Directory)
    with pytest.raises(TypeError, match=message):
        Step.__init__(step, **values)
    Step.__init__(step, "/x", mode=0o755, retries=2)
    assert step == Directory("/x", mode=0o755, retries=2)
