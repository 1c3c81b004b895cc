"""Jinja expressions as Python. Secrets stay secrets: texts are joined by `joined`, not formatted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from jinja2 import Environment, TemplateError, nodes

from provision.playbooks.jinja_filters import FILTERS
from provision.playbooks.not_carried import NotCarried
from provision.playbooks.playbook_facts import CASED, FACTS, system_name
from provision.playbooks.playbook_scope import PlaybookScope
from provision.playbooks.python_layout import pieces, quoted

OPERATORS = {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "lteq": "<=",
    "gt": ">",
    "gteq": ">=",
    "in": "in",
    "notin": "not in",
}
BINARY = {
    nodes.Add: "+",
    nodes.Sub: "-",
    nodes.Mul: "*",
    nodes.Div: "/",
    nodes.FloorDiv: "//",
    nodes.Mod: "%",
}
METHODS = {
    "split",
    "startswith",
    "endswith",
    "strip",
    "lower",
    "upper",
    "replace",
    "get",
    "items",
    "keys",
    "values",
}
#: whether a variable exists and is true
OWN_CHECK = re.compile(r"(\"\w+\") in c\.vars and c\.vars\[\1\](?=\Z| and | or |\))")
STATES = {"changed": "changed", "change": "changed", "failed": "failed", "failure": "failed"}
GOOD = {"succeeded", "success", "successful"}


class Omitted(NotCarried):
    """A value is `omit` if something is undefined. source: Python that is None then."""

    def __init__(self, source: str) -> None:
        super().__init__("default(omit) of an option that always has a value")
        self.source = source


class PythonExpressions:
    """Makes Python of values with templates. scope: what names mean."""

    def __init__(self, scope: PlaybookScope) -> None:
        self.scope = scope
        self._jinja = Environment(autoescape=False)

    def value(self, value: Any) -> str:
        """Return the source of a value of YAML. Raises NotCarried."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            inside = [f"{self.value(key)}: {self.value(each)}" for key, each in value.items()]
            return "{" + ", ".join(inside) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(self.value, value)) + "]"
        if value is None or isinstance(value, (bool, int, float)):
            return repr(value)
        raise NotCarried("a value of a vault, or a date: put it into the inventory")

    def text(self, text: str) -> str:
        """Return the source of a text that may be a template. Raises NotCarried."""
        if "{{" not in text and "{%" not in text:
            return self.literal(text)
        body = self._parse(text).body
        if len(body) != 1 or not isinstance(body[0], nodes.Output):
            raise NotCarried("statements of Jinja in a value")
        parts = body[0].nodes
        if len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData):
            return self.expression(parts[0])
        found: list[str] = []
        for part in parts:
            if isinstance(part, nodes.TemplateData):
                found += map(quoted, pieces(part.data))
            else:
                found.append(self.expression(part))
        if all(part[0] in "\"'" or part in self.scope.plain for part in found) and not any(
            set(part) & set("\\{}'") for part in found if part[0] in "\"'"
        ):
            inside = "".join(part[1:-1] if part[0] in "\"'" else "{" + part + "}" for part in found)
            if len(inside) < 80 and '"' not in inside and "{" in inside:
                return f'f"{inside}"'
        return f"joined({', '.join(found)})"

    def literal(self, text: str) -> str:
        """Return the source of a text without templates."""
        parts = pieces(text)
        if len(parts) <= 1:
            return quoted(text)
        return f"joined({', '.join(map(quoted, parts))})"

    def condition(self, value: Any) -> str:
        """Return the source of a `when`: one condition, or a list that must hold as a whole. Raises NotCarried."""
        if isinstance(value, list):
            found = [part for each in value if (part := self.condition(each)) != "True"]
            if len(found) > 1:
                found = [f"({part})" if " or " in part else part for part in found]
            return OWN_CHECK.sub(r"c.vars.get(\1)", " and ".join(found) or "True")
        if isinstance(value, bool):
            return repr(value)
        if not isinstance(value, str):
            raise NotCarried(f"the condition {value!r}")
        return self.bare(value)

    def bare(self, text: str) -> str:
        """Return the source of an expression that is written without braces. Raises NotCarried."""
        plain = text.strip()
        if not plain.startswith("{{"):
            plain = "{{ " + plain + " }}"
        body = self._parse(plain).body
        if len(body) != 1 or not isinstance(body[0], nodes.Output) or len(body[0].nodes) != 1:
            raise NotCarried("a condition with braces in it")
        return self.expression(body[0].nodes[0])

    def _parse(self, text: str) -> nodes.Template:
        try:
            return self._jinja.parse(text)
        except TemplateError as error:
            raise NotCarried(f"not a template: {error.message}") from None

    # -- nodes

    def expression(self, node: Any) -> str:
        """Return the source of an expression. Raises NotCarried."""
        method: Callable[[Any], str] | None = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is not None:
            return method(node)
        if type(node) in BINARY:
            return f"{self.inner(node.left)} {BINARY[type(node)]} {self.inner(node.right)}"
        raise NotCarried(f"{type(node).__name__} of Jinja")

    def inner(self, node: Any) -> str:
        """Return the source of an expression as an operand."""
        found = self.expression(node)
        binary = isinstance(node, (nodes.BinExpr, nodes.Compare, nodes.CondExpr, nodes.Not, nodes.Test))
        return f"({found})" if binary and " " in found else found

    def _templatedata(self, node: nodes.TemplateData) -> str:
        return quoted(node.data)

    def _const(self, node: nodes.Const) -> str:
        return quoted(node.value) if isinstance(node.value, str) else repr(node.value)

    def _list(self, node: nodes.List) -> str:
        return "[" + ", ".join(map(self.expression, node.items)) + "]"

    def _tuple(self, node: nodes.Tuple) -> str:
        return self._list(nodes.List(node.items))

    def _dict(self, node: nodes.Dict) -> str:
        pairs = (f"{self.expression(pair.key)}: {self.expression(pair.value)}" for pair in node.items)
        return "{" + ", ".join(pairs) + "}"

    def _name(self, node: nodes.Name) -> str:
        if node.name == "omit":
            raise NotCarried("omit")
        if node.name in self.scope.registered:
            raise NotCarried(f"{node.name}, a whole result")
        return self.scope.variable(node.name, self)

    def _getattr(self, node: nodes.Getattr) -> str:
        return self._part(node.node, node.attr)

    def _getitem(self, node: nodes.Getitem) -> str:
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            return self._part(node.node, node.arg.value)
        return f"{self.inner(node.node)}[{self.expression(node.arg)}]"

    def _part(self, of: Any, name: str) -> str:
        whole = dotted(of)
        if whole == "ansible_facts":
            whole, name = f"ansible_{name.removeprefix('ansible_')}", ""
        known = FACTS.get(f"{whole}.{name}" if name else whole)
        if known:
            return known
        if whole == "ansible_facts" or (whole.startswith("ansible_") and not name):
            raise NotCarried(f"the fact {whole}")
        if whole == "groups":
            return f"[each.name for each in c.inventory.inventory.select({quoted(name)})]"
        if isinstance(of, nodes.Name) and of.name in self.scope.registered:
            return self.scope.registered[of.name].read(name)
        return f"{self.inner(of)}[{quoted(name)}]"

    def _slice(self, node: nodes.Slice) -> str:
        parts = [self.expression(each) if each is not None else "" for each in (node.start, node.stop)]
        return ":".join(parts)

    def _call(self, node: nodes.Call) -> str:
        name = dotted(node.node)
        if name in ("lookup", "query", "q"):
            return self._lookup(node)
        if name == "range":
            return f"range({', '.join(map(self.expression, node.args))})"
        if isinstance(node.node, nodes.Getattr) and node.node.attr in METHODS and not node.kwargs:
            inside = ", ".join(map(self.expression, node.args))
            return f"{self.inner(node.node.node)}.{node.node.attr}({inside})"
        raise NotCarried(f"a call of {name or 'something'}")

    def _lookup(self, node: nodes.Call) -> str:
        arguments = [self.expression(each) for each in node.args]
        kind = arguments[0].strip("\"'") if arguments else ""
        kind = kind.removeprefix("ansible.builtin.")
        if kind == "env" and len(arguments) == 2:
            return f'os.environ.get({arguments[1]}, "")'
        if kind == "file" and len(arguments) == 2:
            return f"Path({arguments[1]}).expanduser().read_text().strip()"
        raise NotCarried(f"the lookup {kind}")

    def _filter(self, node: nodes.Filter) -> str:
        name = node.name.rpartition(".")[2]
        if name in ("default", "d"):
            return self._default(node)
        if name not in FILTERS:
            raise NotCarried(f"the filter {node.name}")
        arguments = [self.expression(each) for each in node.args]
        options = {str(pair.key): self.expression(pair.value) for pair in node.kwargs}
        found = self.expression(node.node) if node.node is not None else '""'
        if found in CASED and name in ("lower", "string"):
            return found
        return FILTERS[name](self.inner(node.node), arguments, options)

    def _default(self, node: nodes.Filter) -> str:
        other = node.args[0] if node.args else nodes.Const("")
        omit = isinstance(other, nodes.Name) and other.name == "omit"
        source, certain = self._perhaps(node.node, "None" if omit else self.expression(other))
        if omit:
            raise Omitted(source)
        also_false = len(node.args) > 1 or any(pair.key == "boolean" for pair in node.kwargs)
        return f"({source} or {self.expression(other)})" if also_false and not certain else source

    def _perhaps(self, node: Any, other: str) -> tuple[str, bool]:
        """Return what is something else if it is undefined, and whether it always is defined."""
        if isinstance(node, nodes.Name):
            if self.scope.defined(node.name):
                return self.expression(node), False
            return f"c.vars.get({quoted(node.name)}, {other})", False
        if isinstance(node, (nodes.Getattr, nodes.Getitem)) and not dotted(node).startswith("ansible_"):
            key = quoted(node.attr) if isinstance(node, nodes.Getattr) else self.expression(node.arg)
            if isinstance(node.node, nodes.Name) and node.node.name in self.scope.registered:
                raise NotCarried("default of a result")
            whole = self._perhaps(node.node, "{}")[0]
            return f"{whole}.get({key}, {other})", False
        return self.expression(node), True

    def _concat(self, node: nodes.Concat) -> str:
        return f"joined({', '.join(map(self.expression, node.nodes))})"

    def _add(self, node: nodes.Add) -> str:
        return f"{self.inner(node.left)} + {self.inner(node.right)}"

    def _not(self, node: nodes.Not) -> str:
        found = self.expression(node.node)
        if (
            isinstance(node.node, nodes.Test)
            and " in " in found
            and "not in" not in found
            and "(" not in found
        ):
            return found.replace(" in ", " not in ", 1)
        return f"not ({found})" if " " in found else f"not {found}"

    def _and(self, node: nodes.And) -> str:
        parts = [self._logical(each, nodes.Or) for each in (node.left, node.right)]
        return " and ".join(part for part in parts if part != "True") or "True"

    def _or(self, node: nodes.Or) -> str:
        return f"{self._logical(node.left, nodes.And)} or {self._logical(node.right, nodes.And)}"

    def _logical(self, node: Any, other: type) -> str:
        found = self.expression(node)
        return f"({found})" if isinstance(node, (other, nodes.CondExpr)) else found

    def _condexpr(self, node: nodes.CondExpr) -> str:
        other = self.expression(node.expr2) if node.expr2 is not None else '""'
        return f"({self.inner(node.expr1)} if {self.expression(node.test)} else {other})"

    def _neg(self, node: nodes.Neg) -> str:
        return f"-{self.inner(node.node)}"

    def _compare(self, node: nodes.Compare) -> str:
        left = self.inner(node.expr)
        if left.endswith(".rc"):
            wanted = self.inner(node.ops[0].expr)
            if wanted == "0" and node.ops[0].op in ("eq", "ne"):
                return ("not " if node.ops[0].op == "eq" else "") + left.removesuffix("rc") + "failed"
            raise NotCarried("an exit status other than 0")
        parts = [left]
        for operand in node.ops:
            right = operand.expr
            source = self.inner(right)
            if left in CASED:
                source = self.inner(renamed(left, right))
            if source == "None" and operand.op in ("eq", "ne"):
                parts.append("is None" if operand.op == "eq" else "is not None")
                continue
            if source in ("True", "False") and operand.op in ("eq", "ne"):
                source = f"{source}"
                same = (operand.op == "eq") == (source == "True")
                if left in ("True", "False"):
                    return repr((left == "True") == same)
                return left if same else f"not {left}"
            parts.append(f"{OPERATORS[operand.op]} {source}")
        if parts[0] in ("True", "False") and len(parts) == 2:
            raise NotCarried("a comparison of two constants")
        return " ".join(parts)

    def _test(self, node: nodes.Test) -> str:
        name = node.name.rpartition(".")[2]
        of = node.node
        if name in ("defined", "undefined"):
            return self._defined(of, name == "defined")
        if isinstance(of, nodes.Name) and of.name in self.scope.registered:
            result = self.scope.registered[of.name]
            if name in STATES:
                return result.read(STATES[name])
            if name in GOOD:
                return f"not {result.read('failed')}"
            raise NotCarried(f"the test {name} of a result")
        source = self.inner(of)
        arguments = [self.expression(each) for each in node.args]
        simple = {
            "none": f"{source} is None",
            "string": f"isinstance({source}, str)",
            "mapping": f"isinstance({source}, dict)",
            "iterable": f"isinstance({source}, (list, dict, str))",
            "sequence": f"isinstance({source}, (list, str))",
            "number": f"isinstance({source}, (int, float))",
            "boolean": f"isinstance({source}, bool)",
            "truthy": f"bool({source})",
            "falsy": f"not {source}",
            "even": f"{source} % 2 == 0",
            "odd": f"{source} % 2 == 1",
        }
        if name in simple and not arguments:
            return simple[name]
        if name in ("match", "search", "regex") and len(arguments) == 1:
            function = "match" if name == "match" else "search"
            return f"re.{function}({arguments[0]}, {source}) is not None"
        if name in ("in", "contains") and len(arguments) == 1:
            pair = (source, arguments[0]) if name == "in" else (arguments[0], source)
            return f"{pair[0]} in {pair[1]}"
        if name in ("equalto", "eq", "==") and arguments:
            return f"{source} == {arguments[0]}"
        raise NotCarried(f"the test {node.name}")

    def _defined(self, of: Any, wanted: bool) -> str:
        word = "in" if wanted else "not in"
        if isinstance(of, nodes.Name):
            if of.name in self.scope.registered or self.scope.defined(of.name):
                return repr(wanted)
            self.scope.refuse_lost(of.name)
            return f"{quoted(of.name)} {word} c.vars"
        if isinstance(of, (nodes.Getattr, nodes.Getitem)):
            key = quoted(of.attr) if isinstance(of, nodes.Getattr) else self.expression(of.arg)
            if isinstance(of.node, nodes.Name) and of.node.name in self.scope.registered:
                raise NotCarried("whether a result has a part")
            return f"{key} {word} {self._perhaps(of.node, '{}')[0]}"
        raise NotCarried("whether an expression is defined")


def renamed(fact: str, node: Any) -> Any:
    """Return names of systems as prov has them."""
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        return nodes.Const(system_name(fact, node.value))
    if isinstance(node, (nodes.List, nodes.Tuple)):
        return nodes.List([renamed(fact, each) for each in node.items])
    raise NotCarried("a comparison of a system's name with a variable")


def dotted(node: Any) -> str:
    """Return a name with its attributes: "ansible_lsb.codename"; "" for anything else."""
    if isinstance(node, nodes.Name):
        return str(node.name)
    if isinstance(node, nodes.Getattr):
        return f"{dotted(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        return f"{dotted(node.node)}.{node.arg.value}"
    return ""
