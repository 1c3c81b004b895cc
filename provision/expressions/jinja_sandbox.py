"""Jinja's sandbox as inventories use it: values keep their types, nothing can be changed, and work is bounded.

Source: ansible-core 2.19, "Templating": the result of a template that is one expression has the type of that
expression; several parts make a text, in which None is nothing; a template that yields nothing is None. Names that do
not exist are an error when they are used, and `default` catches them at any depth.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, Undefined, UndefinedError, nodes
from jinja2.lexer import TOKEN_STRING, TOKEN_VARIABLE_BEGIN, TOKEN_VARIABLE_END, Lexer
from jinja2.nativetypes import NativeCodeGenerator
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from provision.expressions import address_filters, data_filters, jinja_tests, text_filters
from provision.expressions.bounds import Bounds, ExpressionError

#: characters of a template
LONGEST_TEMPLATE = 200_000
COUNTED = "counted by prov"
RESULT = "result"


class Missing(StrictUndefined):
    """A name without a value; an error when it is used, and so are its attributes.

    error: why a value that exists could not be worked out; `default` catches it only if a name was undefined.
    """

    __slots__ = ("error",)
    error: ExpressionError | None

    def __init__(self, *args: Any, error: ExpressionError | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.error = error

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, key: object) -> Any:
        return self

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        where = "" if self._undefined_obj is missing else f" in {kind_of(self._undefined_obj)}"
        return f"{self._undefined_name!r} is undefined{where}"

    def fail(self) -> None:
        """Raise what using it raises: ExpressionError, or Jinja's UndefinedError."""
        self._fail_with_undefined_error()

    def _fail_with_undefined_error(self, *args: Any, **kwargs: Any) -> Any:
        if self.error is not None:
            raise self.error
        return super()._fail_with_undefined_error(*args, **kwargs)

    __iter__ = __str__ = __len__ = __eq__ = __ne__ = __bool__ = __hash__ = _fail_with_undefined_error
    __contains__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _fail_with_undefined_error
    __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = __call__ = _fail_with_undefined_error


def default(value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    """Return the value, or another one if it is undefined, or, with `boolean`, false."""
    if not defined(value):
        return default_value
    return default_value if boolean and not value else value


def defined(value: Any) -> bool:
    """Return whether a name has a value."""
    if isinstance(value, Missing) and value.error is not None and not value.error.undefined:
        value.fail()
    return not isinstance(value, Missing)


def mandatory(value: Any, msg: str = "") -> Any:
    """Return the value. Raises ExpressionError if it is undefined."""
    if not defined(value):
        raise ExpressionError(msg or "a mandatory variable is not defined")
    return value


def ternary(value: Any, true_val: Any, false_val: Any, none_val: Any = None) -> Any:
    """Return one value or another by the truth of a third."""
    if value is None and none_val is not None:
        return none_val
    return true_val if value else false_val


def kind_of(value: Any) -> str:
    """Return what a message calls a value."""
    if isinstance(value, Mapping):
        return "a mapping"
    return {"str": "a text", "int": "a number"}.get(
        type(value).__name__, "a list" if isinstance(value, list) else "it"
    )


class PlainBackslashes(Lexer):
    """Reads `{{ '\\1' }}` as Ansible does: in expressions, backslashes are not escapes, as YAML has those already."""

    def tokeniter(self, *args: Any, **kwargs: Any) -> Iterator[tuple[int, str, str]]:
        """Yield tokens, with the backslashes in texts of expressions doubled."""
        inside = False
        for line, kind, text in super().tokeniter(*args, **kwargs):
            if kind in (TOKEN_VARIABLE_BEGIN, TOKEN_VARIABLE_END):
                inside = kind == TOKEN_VARIABLE_BEGIN
            doubled = inside and kind == TOKEN_STRING
            yield line, kind, text.replace("\\", "\\\\") if doubled else text


class Generator(NativeCodeGenerator):
    """Compiles expressions without evaluating any of them."""

    def _output_const_repr(self, group: Iterable[Any]) -> str:
        parts = list(group)
        return repr(parts[0]) if len(parts) == 1 else repr("".join(map(str, parts)))

    def _output_child_to_const(self, node: nodes.Expr, frame: Any, finalize: Any) -> Any:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)

    def visit_Concat(self, node: nodes.Concat, frame: Any) -> None:
        """Write `a ~ b` as a call that is bounded."""
        self.write("environment.tilde((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class JinjaSandbox(ImmutableSandboxedEnvironment):
    """The environment of all expressions. bounds: counts their work; each outermost `render` resets it."""

    code_generator_class = Generator
    concat = staticmethod(lambda parts: joined(parts))
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        # never optimized: that evaluates while it compiles, outside of any bounds
        super().__init__(undefined=Missing, trim_blocks=True, optimized=False, autoescape=False)
        self.bounds = Bounds()
        for name in ("lipsum", "cycler", "joiner"):
            del self.globals[name]
        self.globals["undef"] = lambda hint="": Missing(hint or None)
        ours = {"default": default, "d": default, "mandatory": mandatory, "ternary": ternary}
        filters = {**text_filters.FILTERS, **data_filters.FILTERS, **address_filters.FILTERS, **ours}
        for name, function in {**self.filters, **filters}.items():
            self.filters[name] = self.bounds.limited(function)
        for name in filters:
            for collection in COLLECTIONS:
                self.filters[f"{collection}.{name}"] = self.filters[name]
        self.filters[COUNTED] = self.bounds.counted
        self.tests |= {
            **jinja_tests.TESTS,
            "defined": defined,
            "undefined": lambda value: not defined(value),
        }
        for name in jinja_tests.TESTS:
            self.tests[f"ansible.builtin.{name}"] = self.tests[name]
        self._compiled: dict[tuple[str, bool], Template] = {}
        self._lexers = {True: PlainBackslashes(self), False: Lexer(self)}
        self._in_yaml = False

    @property
    def lexer(self) -> Lexer:
        """What reads templates: of YAML, or of files."""
        return self._lexers[self._in_yaml]

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """Parse a template, and have each loop counted."""
        if len(source) > LONGEST_TEMPLATE:
            raise ExpressionError(f"a template can have at most {LONGEST_TEMPLATE:,} characters")
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, COUNTED, [], [], None, None, lineno=loop.lineno)
        for kind in (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends):
            for _ in tree.find_all(kind):
                raise ExpressionError("include, import and extends are for template files")
        return tree

    def call(self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function, as often as the bounds allow."""
        self.bounds.count()
        self.bounds.check_call(__obj, args)
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Calculate, if the result is not too large."""
        for side in (left, right):
            if isinstance(side, Missing):
                side.fail()
        self.bounds.check_operation(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def tilde(self, parts: Iterable[Any]) -> str:
        """Return values as one text."""
        texts = [str(listed(part, deep=True)) for part in parts]
        self.bounds.count()
        self.bounds.allow(sum(map(len, texts)))
        return "".join(texts)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return an attribute, or an entry, of a value."""
        return obj if isinstance(obj, Missing) else super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an entry, or an attribute, of a value."""
        if isinstance(argument, Missing):
            argument.fail()
        return obj if isinstance(obj, Missing) else super().getitem(obj, argument)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Any:
        """Return what an attribute is that expressions must not use."""
        return Missing(error=ExpressionError(f"the attribute {attribute!r} cannot be used"))

    def render(self, source: str, scope: Mapping[str, Any], *, in_yaml: bool = True) -> Any:
        """Return the value of a template.

        scope: the names in it.  in_yaml: it is a value, and not a file, where backslashes are escapes.
        Raises ExpressionError: not Jinja, undefined names, or too much work.
        """
        with self.bounds.outermost(), failures():
            self.bounds.count()
            template = self._template(source, in_yaml=in_yaml)
            context = self.context_class(self, scope, None, {})  # type: ignore[arg-type] # any mapping will do
            found = self.bounds.text(joined(template.root_render_func(context)))
        if not isinstance(found, str):
            return found
        # as Ansible: a text ends with as many line ends as its template
        ends = len(source) - len(source.rstrip("\n")) - (len(found) - len(found.rstrip("\n")))
        return found + "\n" * ends if ends > 0 else found

    def _template(self, source: str, *, in_yaml: bool) -> Template:
        """A compiled template."""
        known = self._compiled.get((source, in_yaml))
        if known is None:
            self._in_yaml = in_yaml
            try:
                known = self._compiled[source, in_yaml] = self.from_string(source)
            finally:
                self._in_yaml = False
            if known.blocks:
                raise ExpressionError("blocks are for template files")
        return known

    def compiled(self, source: str) -> Template:
        """Return a single expression, compiled. Raises ExpressionError if it is not one."""
        with failures():
            parser = Parser(self, source, state="variable")
            expression = parser.parse_expression()
            if not parser.stream.eos:
                raise ExpressionError("text comes after the expression")
            expression.set_environment(self)
            assign = nodes.Assign(nodes.Name(RESULT, "store"), expression, lineno=1)
            return self.from_string(nodes.Template([assign], lineno=1))

    def evaluate(self, expression: Template, names: Mapping[str, Any]) -> Any:
        """Return what a compiled expression is. Raises ExpressionError."""
        with self.bounds.outermost(), failures():
            context = self.context_class(self, names, None, {})  # type: ignore[arg-type] # any mapping will do
            for _ in expression.root_render_func(context):
                pass
            found = context.vars[RESULT]
            if isinstance(found, Missing):
                found.fail()
            return self.bounds.text(listed(found))


#: collections that the filters have in Ansible, and by which they can be called
COLLECTIONS = ("ansible.builtin", "ansible.utils", "community.general", "ansible.netcommon")


class failures:
    """Turn whatever expressions raise into an ExpressionError: they do things to values of any kind."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, ExpressionError) or not isinstance(error, Exception):
            return
        if isinstance(error, RecursionError):
            raise ExpressionError("it is nested too deep, or refers to itself") from None
        if isinstance(error, UndefinedError):
            raise ExpressionError(str(error.message), undefined=True) from None
        if isinstance(error, TemplateError):
            raise ExpressionError(str(error.message or error)) from None
        raise ExpressionError(f"{str(error) or type(error).__name__}") from None


def joined(parts: Iterable[Any]) -> Any:
    """Return what the parts of a template are together."""
    found = [part for part in parts if part is not None]
    if not found:
        return None
    for part in found:
        if isinstance(part, Missing):
            part.fail()
    if len(found) == 1:
        if isinstance(found[0], Undefined):
            raise ExpressionError("an `if` without `else` has no value here")
        return listed(found[0])
    return "".join(str(listed(part, deep=True)) for part in found)


def listed(value: Any, *, deep: bool = False) -> Any:
    """Return what yields values as a list of them, and anything else as it is. deep: also in lists."""
    if (
        isinstance(value, (Iterator, range, set, frozenset, KeysView, ValuesView, ItemsView))
        or type(value) is tuple
    ):
        value = list(value)
    if deep and type(value) is list:
        return [listed(part, deep=True) for part in value]
    return value
