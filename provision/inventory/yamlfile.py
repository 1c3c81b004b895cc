"""Read a YAML (or JSON) file into values that know their lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from provision.errors import ConfigError
from provision.inventory.located import Located, LocatedError, Origin
from provision.inventory.problems import Problems
from provision.inventory.template_text import is_template
from provision.inventory.yaml_values import Encrypted, Reference, SealedTemplate, Verbatim, revealed
from provision.secrets import MASK, Secret
from provision.vault.envelope import is_envelope
from provision.vault.keyring import EMPTY, Keyring
from provision.vault.references import fault

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml, if PyYAML has it, is ten times as fast
CORE = "tag:yaml.org,2002:"
TEXT = CORE + "str"
SCALARS = {CORE + name for name in ("null", "bool", "int", "float", "binary", "timestamp", "str", "value")}
MERGE = CORE + "merge"
RESOLVER: Any = yaml.resolver.Resolver()
NEWLINE = b"\n"
#: what PyYAML raises for text that does not fit its tag (!!int "", !!timestamp soon)
WRONG_SCALAR = (ValueError, ArithmeticError, LookupError, AttributeError, TypeError, yaml.YAMLError)

# libyaml's words -> plain words. The rest is passed on.
PLAIN_WORDS = {
    "mapping values are not allowed in this context": "this line has a ':' too many, or wrong indentation; "
    "put text that contains ': ' in quotes",
    "could not find expected ':'": "a key without ':' after it",
    "did not find expected key": "wrong indentation, or a key without ':' after it",
    "did not find expected '-' indicator": "wrong indentation, or a '-' is missing",
    "did not find expected ',' or ']'": "a ',' or ']' is missing",
    "did not find expected ',' or '}'": "a ',' or '}' is missing",
    "found unexpected end of stream": "a quote is missing at the end of a text",
    "but found another document": "a second document begins; a file can have only one",
    "found undefined alias": "an alias (*name) without its anchor (&name)",
}
DEEPEST = 100
#: values that aliases (*name) and merges (<<) may add: a few lines of aliases of aliases expand to more than
#: any memory holds
MOST_ALIASED = 20_000
#: no setting needs larger whole numbers, and they take long to print
LARGEST = 2**128
TOO_DEEP = f"lists or mappings are nested more than {DEEPEST} deep"
BRACES = "Put text that begins with [ or { in quotes."


def read(path: Path, shown: str, keyring: Keyring = EMPTY) -> Located | None:
    """The one document of a YAML file; None if the file is empty.

    shown: the file's name in error messages.  keyring: the passwords of vaults. What a file that is encrypted as a
    whole has as text is a Secret.
    Raises ConfigErrors: unreadable, not UTF-8, not YAML, tabs, duplicate keys, unknown tags, a vault that can't be
    opened.
    """
    return parsed(contents(path, shown), path.parent, shown, keyring)


def contents(path: Path, shown: str) -> bytes:
    """What a file contains. Raises ConfigError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=shown) from None
    except ValueError:
        raise ConfigError("the path has a NUL in it", where=shown.replace("\0", "\\0")) from None


def parsed(data: bytes, folder: Path, shown: str, keyring: Keyring = EMPTY) -> Located | None:
    """The one document of a file with these contents, like `read`. folder: the file's."""
    sealed = is_envelope(data)
    try:
        text = (keyring.open(data, f"{shown}:1") if sealed else data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8 text", where=f"{shown}:{line}") from None
    try:
        node = yaml.compose(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise syntax_error(error, text, shown, sealed=sealed) from None
    except RecursionError:
        raise ConfigError(TOO_DEEP, where=shown) from None
    if node is None:
        return None
    top = Origin(shown, 1, folder)
    document = Document(top, MOST_ALIASED + written(node), keyring=keyring, sealed=sealed, json=is_json(text))
    located = document.located(node, (), document.origin(node))
    document.problems.raise_any()
    return located


def is_json(text: str) -> bool:
    """Return whether a text is JSON, which Ansible tries first: 1e2 is a number there, and text in YAML 1.1."""
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def sealed_text(value: Any) -> Any:
    """Return a value of an encrypted file: a text is a Secret, or a template that yields one."""
    if not isinstance(value, str):
        return value
    return SealedTemplate(value) if is_template(value) else Secret(value)


def holds_mapping(path: Path) -> bool:
    """Return whether a file is a mapping in YAML, or JSON, or only begins one ("---")."""
    try:
        with path.open(encoding="utf-8-sig") as f:
            node = yaml.compose(f, Loader=LOADER)
            return isinstance(node, yaml.MappingNode) or (node is not None and node.tag == CORE + "null")
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
        return False


def written(node: yaml.Node) -> int:
    """How many values a document has, each counted once."""
    seen: set[int] = set()
    left: list[Any] = [node]
    while left:
        here = left.pop()
        if id(here) in seen:
            continue
        seen.add(id(here))
        if isinstance(here, yaml.SequenceNode):
            left += here.value
        elif isinstance(here, yaml.MappingNode):
            left += [part for pair in here.value for part in pair]
    return len(seen)


def syntax_error(error: yaml.YAMLError, text: str, shown: str, *, sealed: bool = False) -> ConfigError:
    """PyYAML's error in plain words, with its line. sealed: the text is a secret, and is not quoted."""
    if isinstance(error, yaml.reader.ReaderError):
        # libyaml counts bytes; PyYAML without it, characters
        before = (
            text.encode()[: error.position]
            if LOADER is not yaml.SafeLoader
            else text[: error.position].encode()
        )
        code = error.character if isinstance(error.character, int) else ord(error.character[:1] or "?")
        return ConfigError(
            f"a character that YAML does not allow: U+{max(code, 0):04X}",
            where=f"{shown}:{before.count(NEWLINE) + 1}",
        )
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return ConfigError("not YAML" if sealed else f"not YAML: {error}", where=shown)
    mark = error.problem_mark
    lines = text.split("\n")
    row = min(mark.line, len(lines) - 1)
    where = f"{shown}:{row + 1}"
    if lines[row][mark.column : mark.column + 1] == "\t":
        return ConfigError("a tab in the indentation; YAML allows only spaces there", where=where)
    problem = str(error.problem)
    if problem.startswith("found character"):
        message = f"text cannot begin with {lines[row][mark.column : mark.column + 1]!r}; put it in quotes"
    else:
        message = PLAIN_WORDS.get(problem, "not YAML" if sealed else f"not YAML: {problem}")
    begun = error.context_mark
    if begun is not None and begun.line not in (0, mark.line):
        message += f" (in what begins in line {begun.line + 1})"
    return ConfigError(message, where=where, hint=BRACES if "{{" in lines[row] else "")


def as_list(node: yaml.Node) -> yaml.SequenceNode | None:
    """Return a set, or pairs (!!omap, !!pairs), as the list that Ansible makes of it; None for others."""
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode) and node.tag == CORE + "set":
        parts = [key for key, _ in node.value]
    elif isinstance(node, yaml.SequenceNode) and node.tag in (CORE + "omap", CORE + "pairs"):
        for each in node.value:
            if not isinstance(each, yaml.MappingNode) or len(each.value) != 1:
                return None
            parts.append(yaml.SequenceNode(CORE + "seq", list(each.value[0]), each.start_mark, each.end_mark))
    else:
        return None
    return yaml.SequenceNode(CORE + "seq", parts, node.start_mark, node.end_mark)


class Document:
    """Turns the nodes of one document into located values, and gathers errors.

    most: the allowed number of values.  keyring: the passwords of its `!vault` values.
    sealed: whether the file is encrypted as a whole.  json: whether it is JSON.
    """

    def __init__(
        self, top: Origin, most: int, *, keyring: Keyring = EMPTY, sealed: bool = False, json: bool = False
    ) -> None:
        self.top = top
        self.keyring = keyring
        self.sealed = sealed
        self.json = json
        self.unsafe = False  # within a list or mapping that is !unsafe
        self.left = most
        self.problems = Problems()
        self.constructor = yaml.constructor.SafeConstructor()
        self.open: set[int] = set()  # ids of the nodes that are being turned, to see an alias to itself

    def origin(self, node: yaml.Node) -> Origin:
        """The line on which the node begins."""
        return Origin(self.top.file, node.start_mark.line + 1, self.top.folder)

    def wrong(self, node: yaml.Node, path: tuple[str | int, ...], message: str, hint: str = "") -> None:
        """Gather an error about this node."""
        self.problems.add(LocatedError(self.origin(node), path, message, hint=hint))

    def located(self, node: yaml.Node, path: tuple[str | int, ...], origin: Origin) -> Located:
        """The value of a node and of everything in it."""
        self.count(node, path)
        if id(node) in self.open or len(path) > DEEPEST:
            self.wrong(node, path[:3], TOO_DEEP if len(path) > DEEPEST else "an alias that contains itself")
            return Located(None, origin)
        self.open.add(id(node))
        try:
            if node.tag == "!vault" or node.tag == "!vault-encrypted":
                return self.encrypted(node, path, origin)
            if node.tag == "!secret":
                return self.reference(node, path, origin)
            if node.tag == "!unsafe" and not isinstance(node, yaml.ScalarNode):
                return self.all_unsafe(node, path, origin)
            if isinstance(node, yaml.ScalarNode):
                value = self.scalar(node, path)
                return Located(sealed_text(value) if self.sealed else value, origin, sealed=self.sealed)
            if isinstance(node, yaml.SequenceNode) and node.tag == CORE + "seq":
                return self.sequence(node, path, origin)
            if isinstance(node, yaml.MappingNode) and node.tag == CORE + "map":
                return self.mapping(node, path, origin)
            if (listed := as_list(node)) is not None:
                return self.sequence(listed, path, origin)
            self.wrong(node, path, f"unknown tag {node.tag.replace(CORE, '!!')!r}")
            return Located(None, origin)
        finally:
            self.open.discard(id(node))

    def all_unsafe(self, node: yaml.Node, path: tuple[str | int, ...], origin: Origin) -> Located:
        """A list or mapping with the tag !unsafe: no text in it is a template."""
        kind = "map" if isinstance(node, yaml.MappingNode) else "seq"
        before, self.unsafe, node.tag = self.unsafe, True, CORE + kind
        self.open.discard(id(node))
        try:
            return self.located(node, path, origin)
        finally:
            self.unsafe, node.tag = before, "!unsafe"

    def encrypted(self, node: yaml.Node, path: tuple[str | int, ...], origin: Origin) -> Located:
        """A value with the tag !vault."""
        if isinstance(node, yaml.ScalarNode):
            return Located(Encrypted(node.value, self.keyring, str(origin)), origin, deferred=True)
        self.wrong(node, path, "`!vault` takes text", "Write it as `ansible-vault encrypt_string` does.")
        return Located(None, origin)

    def reference(self, node: yaml.Node, path: tuple[str | int, ...], origin: Origin) -> Located:
        """A value with the tag !secret, which is fetched when it is used."""
        kind = "map" if isinstance(node, yaml.MappingNode) else "seq"
        node.tag = CORE + ("str" if isinstance(node, yaml.ScalarNode) else kind)
        self.open.discard(id(node))
        wanted = revealed(self.located(node, path, origin).value)
        node.tag = "!secret"
        if message := fault(wanted):
            self.wrong(node, path, message)
            return Located(None, origin)
        found = Reference(wanted, self.top.folder, self.keyring.fetched, str(origin))
        return Located(found, origin, deferred=True)

    def count(self, node: yaml.Node, path: tuple[str | int, ...], values: int = 1) -> None:
        """Count values. Raises ConfigErrors at once if there are too many."""
        self.left -= values
        if self.left < 0:
            message = f"aliases (*name) and merges (<<) add more than {MOST_ALIASED:,} values to this file"
            self.wrong(node, path[:3], message, "Write the values out, or put them into a group's variables.")
            self.problems.raise_any()

    def scalar(self, node: yaml.ScalarNode, path: tuple[str | int, ...]) -> Any:
        if node.tag == "!unsafe":
            # as in Ansible, which takes quotes for none there: 5 and '5' are numbers
            tag = RESOLVER.resolve(yaml.ScalarNode, node.value, (True, False))
            found = self.scalar(yaml.ScalarNode(tag, node.value, node.start_mark, node.end_mark), path)
            return Verbatim(found) if isinstance(found, str) else found
        if node.tag not in SCALARS:
            self.wrong(node, path, f"unknown tag {node.tag.replace(CORE, '!!')!r}")
            return None
        try:
            # most values are text, which the constructor would return as it is
            value = node.value if node.tag == TEXT else self.constructor.construct_object(node)
            if self.json and not node.style and isinstance(value, str):
                value = float(value)
            if self.unsafe and isinstance(value, str):
                return Verbatim(value)
            if isinstance(value, int) and not -LARGEST < value < LARGEST:
                raise ValueError
            return value
        except WRONG_SCALAR:  # such as 2024-02-31, which looks like a date
            self.wrong(
                node,
                path,
                f"{MASK if self.sealed else repr(node.value[:60])} is not a valid {node.tag.removeprefix(CORE)}",
                "Put text in quotes.",
            )
            return None

    def sequence(self, node: yaml.SequenceNode, path: tuple[str | int, ...], origin: Origin) -> Located:
        parts: dict[str | int, Located] = {
            index: self.located(item, (*path, index), self.origin(item))
            for index, item in enumerate(node.value)
        }
        return self.whole([part.value for part in parts.values()], origin, parts)

    def whole(self, value: Any, origin: Origin, parts: dict[str | int, Located]) -> Located:
        """A list or mapping of these parts."""
        deferred = any(part.deferred for part in parts.values())
        return Located(value, origin, parts, deferred=deferred, sealed=self.sealed)

    def mapping(self, node: yaml.MappingNode, path: tuple[str | int, ...], origin: Origin) -> Located:
        parts: dict[str | int, Located] = {}
        merged: dict[str | int, Located] = {}
        for key_node, value_node in node.value:
            if key_node.tag == MERGE:
                merged = {**self.merged(value_node, path), **merged}
                continue
            key = self.key(key_node, path)
            if key is None:
                continue
            if key in parts:
                self.wrong(
                    key_node,
                    path,
                    f"the key {key!r} is repeated; it first occurs on line {parts[key].origin.line}",
                )
                continue
            parts[key] = self.located(value_node, (*path, key), self.origin(key_node))
        parts = {**merged, **parts}
        return self.whole({key: part.value for key, part in parts.items()}, origin, parts)

    def key(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        """A key as plain Python; None, and an error gathered, if it cannot be one."""
        if not isinstance(node, yaml.ScalarNode):
            self.wrong(
                node,
                path,
                "a key must be text, not a list or mapping",
                BRACES,
            )
            return None
        key = self.scalar(node, path)
        if isinstance(key, Verbatim):
            key = str(key)
        if isinstance(key, bool) and str(node.value).lower() not in ("true", "false"):
            # YAML 1.1 reads `on`, `off`, `yes` and `no` as booleans; who writes `on: one` means text
            key = str(node.value)
        if key is None:
            self.wrong(node, path, "a key is empty")
        elif not isinstance(key, (str, int, float)) or key != key:
            # dates, bytes, and NaN, which is not equal to itself
            self.wrong(node, path, f"a key must be text, not {node.value[:60]!r}", "Put it in quotes.")
            return None
        return key

    def merged(self, node: yaml.Node, path: tuple[str | int, ...]) -> dict[str | int, Located]:
        """What `<<: *anchor` brings; of several the first with a key wins (yaml.org/type/merge)."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        parts: dict[str | int, Located] = {}
        for source in sources:
            if isinstance(source, yaml.MappingNode):
                more = self.located(source, path, self.origin(source)).parts
                self.count(source, path, len(more) + len(parts))
                parts = {**more, **parts}
            else:
                self.wrong(source, path, "'<<' takes a mapping or a list of mappings")
        return parts
