"""Filters of Jinja and Ansible as Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from provision.playbooks.not_carried import NotCarried

#: the value, arguments, keywords -> Python
Filter = Callable[[str, Sequence[str], Mapping[str, str]], str]


def form(template: str, least: int = 0, most: int = 0) -> Filter:
    """Return a filter that is an expression: {x} is the value, {0} its first argument."""

    def made(value: str, arguments: Sequence[str], options: Mapping[str, str]) -> str:
        if options or not least <= len(arguments) <= (most or least):
            raise NotCarried("a filter with arguments that have no counterpart")
        return template.format(*arguments, x=value)

    return made


def joined(value: str, arguments: Sequence[str], options: Mapping[str, str]) -> str:
    """Return `x | join(y)`. Raises NotCarried."""
    if options:
        raise NotCarried("the filter join with an attribute")
    separator = f", sep={arguments[0]}" if arguments else ""
    return f"joined(*{value}{separator})"


def mapped(value: str, arguments: Sequence[str], options: Mapping[str, str]) -> str:
    """Return `x | map(attribute='name')` and `x | map('lower')`."""
    if list(options) == ["attribute"] and not arguments and "." not in options["attribute"]:
        return f"[each[{options['attribute']}] for each in {value}]"
    if len(arguments) == 1 and not options:
        name = arguments[0].strip("\"'")
        if name in FILTERS:
            return f"[{FILTERS[name]('each', (), {})} for each in {value}]"
    raise NotCarried("the filter map with these arguments")


def sliced(at: str) -> Filter:
    """Return `first` and `last`."""
    return form("{x}[" + at + "]")


FILTERS: dict[str, Filter] = {
    "bool": form('str({x}).lower() in ("true", "yes", "on", "1")'),
    "lower": form("{x}.lower()"),
    "upper": form("{x}.upper()"),
    "capitalize": form("{x}.capitalize()"),
    "title": form("{x}.title()"),
    "trim": form("{x}.strip()"),
    "int": form("int({x})"),
    "float": form("float({x})"),
    "abs": form("abs({x})"),
    "string": form("joined({x})"),
    "length": form("len({x})"),
    "count": form("len({x})"),
    "first": sliced("0"),
    "last": sliced("-1"),
    "list": form("list({x})"),
    "sort": form("sorted({x})"),
    "unique": form("list(dict.fromkeys({x}))"),
    "min": form("min({x})"),
    "max": form("max({x})"),
    "sum": form("sum({x})"),
    "flatten": form("[each for part in {x} for each in (part if isinstance(part, list) else [part])]"),
    "dict2items": form('[{{"key": key, "value": value}} for key, value in {x}.items()]'),
    "items2dict": form('{{each["key"]: each["value"] for each in {x}}}'),
    "items": form("{x}.items()"),
    "replace": form("{x}.replace({0}, {1})", least=2),
    "split": form("{x}.split({0})", least=0, most=1),
    "combine": form("{{**{x}, **{0}}}", least=1),
    "union": form("list(dict.fromkeys([*{x}, *{0}]))", least=1),
    "difference": form("[each for each in {x} if each not in {0}]", least=1),
    "intersect": form("[each for each in {x} if each in {0}]", least=1),
    "ternary": form("({0} if {x} else {1})", least=2),
    "basename": form("PurePosixPath({x}).name"),
    "dirname": form("str(PurePosixPath({x}).parent)"),
    "regex_replace": form("re.sub({0}, {1}, {x})", least=2),
    "to_json": form("json.dumps({x})"),
    "quote": form("shlex.quote(str({x}))"),
    "join": joined,
    "map": mapped,
}
