"""Filters for lists, mappings and numbers, as Ansible's inventories use them.

Source: ansible-core, "Using filters to manipulate data", and the pages of the filters. Sets keep the order of their
values here, so that what is made of them is the same in each run; random values need a seed for the same reason.
"""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import yaml
from jinja2 import pass_environment

from provision.expressions.bounds import LARGEST, ExpressionError

SIZES = {"Y": 80, "Z": 70, "E": 60, "P": 50, "T": 40, "G": 30, "M": 20, "K": 10, "B": 0}
#: entries of products, permutations and combinations
MOST = 100_000


class Dumper(yaml.SafeDumper):
    """Writes lists indented below their keys, as Ansible does, and never an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return that every value is written out."""
        return True


def plain(value: Any) -> Any:
    """Return a value of plain lists, mappings and texts."""
    if isinstance(value, Mapping):
        return {plain(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return str(value) if isinstance(value, str) else value


def to_yaml(value: Any, default_flow_style: bool | None = None, **options: Any) -> str:
    """Return a value as YAML."""
    found: str = yaml.dump(
        plain(value), Dumper=Dumper, allow_unicode=True, default_flow_style=default_flow_style, **options
    )
    # PyYAML ends a document that is a bare word; Ansible doesn't
    return found.removesuffix("...\n")


def to_nice_yaml(value: Any, indent: int = 4, default_flow_style: bool = False, **options: Any) -> str:
    """Return a value as YAML for people."""
    return to_yaml(value, indent=indent, default_flow_style=default_flow_style, **options)


def from_yaml(text: Any) -> Any:
    """Return what YAML says."""
    if not isinstance(text, str):
        return text
    if len(text) > LARGEST or re.search(r"(^|[\s\[{,:-])\*\w", text):
        raise ExpressionError("YAML with aliases, or very long, is not read by a filter")
    return yaml.safe_load(text)


def is_list(value: Any) -> bool:
    """Return whether a value is a list, and not text."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def flatten(values: Any, levels: int | None = None, skip_nulls: bool = True) -> list[Any]:
    """Return the values of lists in a list."""
    found: list[Any] = []
    for value in values:
        if skip_nulls and value in (None, "None", "null"):
            continue
        if is_list(value) and (levels is None or levels >= 1):
            found += flatten(value, None if levels is None else levels - 1, skip_nulls)
        else:
            found.append(value)
        if len(found) > LARGEST:
            raise ExpressionError(f"a list has more than {LARGEST:,} entries")
    return found


def combine(*terms: Any, recursive: bool = False, list_merge: str = "replace") -> dict[Any, Any]:
    """Return one mapping of several; later ones win."""
    if list_merge not in LISTS:
        raise ExpressionError(f"{list_merge!r} is not one of {', '.join(LISTS)}")
    found: dict[Any, Any] = {}
    for term in flatten(terms, levels=1):
        if not isinstance(term, Mapping):
            raise ExpressionError(f"combine takes mappings, not {type(term).__name__}")
        found = merged(found, term, recursive=recursive, list_merge=list_merge)
    return found


def merged(
    weak: Mapping[Any, Any], strong: Mapping[Any, Any], *, recursive: bool = True, list_merge: str = "replace"
) -> dict[Any, Any]:
    """Return one mapping of two. recursive: mappings in them too.  list_merge: what becomes of lists in both."""
    found = dict(weak)
    for key, value in strong.items():
        old = found.get(key)
        if recursive and isinstance(old, Mapping) and isinstance(value, Mapping):
            found[key] = merged(old, value, list_merge=list_merge)
        elif is_list(old) and is_list(value):
            found[key] = LISTS[list_merge](list(old or ()), list(value))
        else:
            found[key] = value
    return found


LISTS: dict[str, Callable[[list[Any], list[Any]], list[Any]]] = {
    "replace": lambda old, new: new,
    "keep": lambda old, new: old,
    "append": lambda old, new: old + new,
    "prepend": lambda old, new: new + old,
    "append_rp": lambda old, new: [each for each in old if each not in new] + new,
    "prepend_rp": lambda old, new: new + [each for each in old if each not in new],
}


def dict2items(value: Any, key_name: str = "key", value_name: str = "value") -> list[dict[str, Any]]:
    """Return the entries of a mapping as a list of mappings."""
    if not isinstance(value, Mapping):
        raise ExpressionError(f"dict2items takes a mapping, not {type(value).__name__}")
    return [{key_name: key, value_name: part} for key, part in value.items()]


def items2dict(values: Any, key_name: str = "key", value_name: str = "value") -> dict[Any, Any]:
    """Return a mapping of a list of mappings that each have a key and a value."""
    try:
        return {each[key_name]: each[value_name] for each in values}
    except (KeyError, TypeError):
        raise ExpressionError(
            f"items2dict takes mappings that each have {key_name!r} and {value_name!r}"
        ) from None


@pass_environment
def extract(environment: Any, item: Any, container: Any, morekeys: Any = None) -> Any:
    """Return an entry of a container, and what is below it."""
    more = [] if morekeys is None else morekeys if isinstance(morekeys, list) else [morekeys]
    for key in (item, *more):
        container = environment.getitem(container, key)
    return container


def unique(values: Iterable[Any], case_sensitive: bool = True, attribute: Any = None) -> list[Any]:
    """Return values without repetitions, in order."""
    seen: list[Any] = []
    known: set[Any] = set()
    found = []
    for value in values:
        mark = value if attribute is None else value[attribute]
        mark = mark.lower() if isinstance(mark, str) and not case_sensitive else mark
        try:
            new = mark not in known
            known.add(mark)
        except TypeError:
            new = mark not in seen
            seen.append(mark)
        if new:
            found.append(value)
    return found


def rekey_on_member(values: Any, key: str, duplicates: str = "error") -> dict[Any, Any]:
    """Return mappings by the value of one of their keys."""
    found: dict[Any, Any] = {}
    for each in values.values() if isinstance(values, Mapping) else values:
        name = each[key]
        if name in found and duplicates != "overwrite":
            raise ExpressionError(f"the key {name!r} is not unique")
        found[name] = each
    return found


def subelements(values: Any, path: Any, skip_missing: bool = False) -> list[tuple[Any, Any]]:
    """Return each element together with each entry of a list in it."""
    found = []
    for element in values.values() if isinstance(values, Mapping) else values:
        inner = element
        for key in path.split(".") if isinstance(path, str) else path:
            if key not in inner and skip_missing:
                inner = []
                break
            inner = inner[key]
        found += [(element, each) for each in inner]
    return found


def human_to_bytes(size: Any, default_unit: str | None = None, **_: Any) -> int:
    """Return the number of bytes of a text like 10G."""
    parts = re.fullmatch(r"\s*(\d*\.?\d+)\s*([A-Za-z]*)\s*", str(size))
    unit = (parts[2] if parts else "") or default_unit or "B"
    if parts is None or unit[0].upper() not in SIZES:
        raise ExpressionError(f"{str(size)!r} is not a size like 10G")
    return round(float(parts[1]) * (1 << SIZES[unit[0].upper()]))


def human_readable(size: Any, isbits: bool = False, unit: str | None = None) -> str:
    """Return a number of bytes as a text like 1.00 GB."""
    number = float(size)
    letter = next(
        (
            each
            for each, power in SIZES.items()
            if (unit is None and number >= 2**power) or (unit and unit[0].upper() == each)
        ),
        "B",
    )
    base = "bits" if isbits else "Bytes"
    name = base if letter == "B" else f"{letter}{'b' if isbits else 'B'}"
    return f"{number / 2 ** SIZES[letter]:.2f} {name}"


def chosen(values: Any, start: int | None = None, step: int | None = None, seed: Any = None) -> Any:
    """Return a random value that is always the same for a seed."""
    if seed is None:
        raise ExpressionError("random needs a seed, or each run would change the host")
    source = random.Random(seed)
    if isinstance(values, int):
        return source.randrange(start or 0, values, step or 1)
    return source.choice(values)


def shuffled(values: Iterable[Any], seed: Any = None) -> list[Any]:
    """Return values in an order that is always the same for a seed."""
    if seed is None:
        raise ExpressionError("shuffle needs a seed, or each run would change the host")
    found = list(values)
    random.Random(seed).shuffle(found)
    return found


def few(function: Callable[..., Iterable[Any]]) -> Callable[..., list[Any]]:
    """Return a function that lists what another one yields. It raises ExpressionError if that is too much."""

    def listed(*args: Any, **kwargs: Any) -> list[Any]:
        found = list(itertools.islice(function(*args, **kwargs), MOST + 1))
        if len(found) > MOST:
            raise ExpressionError(f"there are more than {MOST:,} of them")
        return found

    return listed


def password_hash(*_: Any, **__: Any) -> str:
    """Refuse: a new salt in each run would change the host each time."""
    raise ExpressionError("password_hash is not supported: write the hash itself, or make it in a role")


FILTERS: dict[str, Callable[..., Any]] = {
    "combinations": few(itertools.combinations),
    "combine": combine,
    "dict2items": dict2items,
    "difference": lambda a, b: unique(each for each in a if each not in b),
    "extract": extract,
    "flatten": flatten,
    "from_yaml": from_yaml,
    "from_yaml_all": lambda text: list(yaml.safe_load_all(text or "")),
    "human_readable": human_readable,
    "human_to_bytes": human_to_bytes,
    "intersect": lambda a, b: unique(each for each in a if each in b),
    "items2dict": items2dict,
    "log": lambda x, base=math.e: math.log10(x) if base == 10 else math.log(x, base),
    "password_hash": password_hash,
    "permutations": few(itertools.permutations),
    "pow": lambda x, y: math.pow(x, y),
    "product": few(itertools.product),
    "random": chosen,
    "rekey_on_member": rekey_on_member,
    "root": lambda x, base=2: math.sqrt(x) if base == 2 else math.pow(x, 1.0 / float(base)),
    "shuffle": shuffled,
    "subelements": subelements,
    "symmetric_difference": lambda a, b: unique(
        [*(each for each in a if each not in b), *(each for each in b if each not in a)]
    ),
    "to_nice_yaml": to_nice_yaml,
    "to_yaml": to_yaml,
    "type_debug": lambda value: next(
        (kind.__name__ for kind in (str, list, dict) if isinstance(value, kind)), type(value).__name__
    ),
    "union": lambda a, b: unique([*a, *b]),
    "unique": unique,
    "zip": few(zip),
    "zip_longest": few(itertools.zip_longest),
}
