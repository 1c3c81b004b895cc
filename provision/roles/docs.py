"""Documentation of a role, read from its source: parameters, tasks, and the steps that its code can take."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

from pydantic.fields import FieldInfo

from provision.controller.calling import shown_path
from provision.roles.role_model import Params, Role, tags_of
from provision.values import dataclass

#: constraints of Field(...) in words (annotated_types)
LIMITS = {
    "ge": "at least",
    "gt": "more than",
    "le": "at most",
    "lt": "less than",
    "min_length": "at least",
    "max_length": "at most",
}


@dataclass(frozen=True)
class Parameter:
    """name: with dots for those within others.  default: as written in YAML or Python, None if it is
    required."""

    name: str
    type: str
    default: str | None
    doc: str


@dataclass(frozen=True)
class StepCall:
    """A step that a task's code can take. where: file:line."""

    step: str
    where: str


@dataclass(frozen=True)
class TaskDoc:
    """A task with its documentation."""

    name: str
    doc: str
    tags: tuple[str, ...]
    steps: tuple[StepCall, ...]


def parameters(model: type[Params] | None, prefix: str = "") -> Iterator[Parameter]:
    """Return the parameters of a role, with those of nested models."""
    if model is None:
        return
    written = dict(declared(model))
    for name, field in model.model_fields.items():
        annotation, doc = written.get(name, ("", ""))
        limits = [text for m in field.metadata for text in limits_of(m)]
        shown = ", ".join([readable(annotation), *limits])
        yield Parameter(prefix + name, shown, default_of(field), field.description or doc)
        for inner in models_in(field.annotation):
            yield from parameters(inner, f"{prefix}{name}.")


def readable(annotation: str) -> str:
    """Return a type in terms of YAML: lists are lists, choices are words, and checks of a value are left out."""
    plain = re.sub(r"\bAnnotated\[(\w+), \w+\((?:[^()]|\([^()]*\))*\)\]", r"\1", annotation)
    lists = re.sub(r"\b(?:tuple|list|Sequence)\[(\w+)(?:, \.\.\.)?\]", r"list of \1", plain)
    return re.sub(
        r"Literal\[(.*?)\]", lambda choices: choices[1].replace("'", "").replace(", ", " or "), lists
    )


def declared(model: type[Params]) -> Iterator[tuple[str, tuple[str, str]]]:
    """(name, (annotation, docstring below it)) of a model's fields, those of its bases first."""
    for cls in reversed(model.__mro__):
        if not issubclass(cls, Params) or cls is Params:
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
        assert isinstance(tree, ast.ClassDef)
        for node, following in zip(tree.body, [*tree.body[1:], None]):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                yield node.target.id, (ast.unparse(node.annotation), text_of(following))


def text_of(node: ast.stmt | None) -> str:
    """Return a statement's docstring on one line; "" if it is not a docstring."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        value = node.value.value
        return " ".join(value.split()) if isinstance(value, str) else ""
    return ""


def limits_of(constraint: object) -> Iterator[str]:
    """A constraint in words: "at least 64"."""
    for name, words in LIMITS.items():
        value = getattr(constraint, name, None)
        if value is not None:
            yield f"{words} {value}" + (" of them" if name.endswith("length") else "")


def default_of(field: FieldInfo) -> str | None:
    """Return a field's default as written in YAML or Python; None if it is required."""
    if field.is_required():
        return None
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else str(value) or '""'


def models_in(annotation: Any) -> Iterator[type[Params]]:
    """Models that a type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, Params):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from models_in(inner)


def task_docs(role: Role) -> list[TaskDoc]:
    """The tasks of a role with the steps that they can take."""
    return [
        TaskDoc(f.__name__, first_line(f), tags_of(f), tuple(dict.fromkeys(step_calls(f))))
        for f in role.tasks
    ]


def first_line(function: Callable[..., None]) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(function) or "").split("\n", 1)[0]


def step_calls(function: Callable[..., Any], seen: set[object] | None = None) -> Iterator[StepCall]:
    """Yield the calls of steps in a function, and in functions of prov and the project that it calls."""
    seen = set() if seen is None else seen
    if function in seen:
        return
    seen.add(function)
    lines, first = inspect.getsourcelines(function)
    path = shown_path(function.__code__.co_filename)
    tree = ast.parse(textwrap.dedent("".join(lines)))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for node in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        target = meaning(node.func, function.__globals__)
        if is_step(target):
            yield StepCall(ast.unparse(node.func), f"{path}:{first + node.lineno - 1}")
        elif isinstance(target, types.FunctionType) and is_ours(target):
            yield from step_calls(target, seen)


def meaning(node: ast.expr, names: dict[str, Any]) -> object:
    """Return what an expression such as `files.template` stands for; None if that is unknown."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(meaning(node.value, names), node.attr, None)
    return None


def is_step(target: object) -> bool:
    """Whether this is a function of steps."""
    if hasattr(target, "step_class"):
        return True
    if not isinstance(target, types.FunctionType):
        return False
    takes_host = list(inspect.signature(target).parameters)[:1] == ["c"]
    return takes_host and target.__module__.startswith(("provision.steps.", "steps."))


def is_ours(target: types.FunctionType) -> bool:
    """Return whether a function belongs to a role or is shared by roles."""
    return target.__module__.startswith(("roles.", "provision."))
