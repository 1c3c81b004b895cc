"""Who imports whom, what is shipped to hosts, and how large things are (docs/design.md)."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import provision
import provision.steps
from provision.controller import bootstrap
from provision.controller.agent_program import program_for
from provision.steps.base import Step

ROOT = Path(provision.__file__).parent
REPOSITORY = ROOT.parent
MODULES = sorted(p for p in ROOT.rglob("*.py") if not {"builtin", "skeleton"} & set(p.parts))
ROLES = sorted((REPOSITORY / "roles").rglob("*.py"))

#: the rooms from top to bottom; a module imports its own room and those below it
ROOMS = (
    "commands",
    "cli",
    "testing",
    "report",
    "run",
    "saved",
    "playbooks",
    "platforms",
    "bundles",
    "oci",
    "server",
    "serving",
    "role",
    "roles",
    "apps",
    "declared",
    "sources",
    "inventory",
    "vault",
    "cloud",
    "expressions",
    "lab",
    "controller",
    "agent",
    "steps",
    "system",
)
#: what all rooms use
SHARED = ("errors", "secrets", "names", "values", "locks", "user_cache")
#: the one door upwards: what steps call on the controller, where hosts never get
DOOR = "provision.steps.on_controller"
#: what travels to hosts
SHIPPED = ("agent", "steps", "system", "errors", "secrets")
#: longer than 400 lines, and to be split; nothing is added to this
TO_BE_SPLIT: dict[str, int] = {}
#: modules whose names people import
PUBLIC = {
    "provision/role.py",
    "provision/server.py",
    "provision/cli/fab.py",
    "provision/agent/system.py",
    "provision/system/host.py",
}
#: libraries that cost time to import, or that belong in one place, and who may import them
PLACES = {
    "fabric": {
        "controller/connection",
        "controller/local_connection",
        "controller/openssh/role_connection",
        "roles/plain_fabric",
        "cli/fab",
    },
    "paramiko": {
        "controller/channel",
        "controller/connection",
        "controller/local_connection",
        "controller/openssh/role_connection",
        "controller/ssh_config",
    },
    "invoke": {"cli/fab"},
    "jinja2": {
        "roles/templates",
        "roles/compiled_templates",
        "expressions",
        "playbooks/jinja_python",
        "playbooks/copied_files",
    },
    "rich": {"report", "cli", "commands", "testing/trial_table"},
    "click": {"cli", "commands"},
    "cryptography": {
        "apps/certificate_files",
        "apps/client_certificates",
        "apps/intermediates",
        "apps/own_certificate",
        "cloud/host_key_pairs",
        "vault/envelope",
    },
    "bcrypt": {"apps/htpasswd"},
    "boto3": {"cloud/aws_calls"},
    "botocore": {"cloud/aws_calls"},
}
#: compressed bytes that an agent's start may cost; what only some steps need belongs in modules that travel with them
LARGEST_AGENT = 72_000
LARGEST_PLAN = 95_800


def room(path: Path) -> str:
    """The module or package directly below provision that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def named(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def module_of(path: Path) -> str:
    """The dotted name of a file's module."""
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


BY_NAME = {module_of(path): path for path in MODULES}


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """(name, line) of every import in a file: at its top, in functions, and for type checkers."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def inner_imports(path: Path) -> Iterator[tuple[str, int]]:
    """(module of ours, line) that a file imports, or imports something from."""
    for name, line in imports(path):
        while name and name not in BY_NAME:
            name = name.rpartition(".")[0]
        if name not in ("", "provision", module_of(path)):
            yield name, line


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_imports_go_one_way(path: Path) -> None:
    here = room(path)
    if here == "__init__" or module_of(path) == DOOR:
        return
    for name, line in inner_imports(path):
        there = name.split(".")[1]
        if here in SHARED:
            assert there in SHARED, f"{named(path)}:{line} imports {name}"
        elif there not in SHARED:
            assert ROOMS.index(there) >= ROOMS.index(here), f"{named(path)}:{line} imports {name}"


def test_nothing_imports_in_a_circle() -> None:
    """Counting imports at the top, in functions and for type checkers; what goes through the door is not followed."""
    graph = {
        name: set() if name == DOOR else {there for there, _ in inner_imports(path)}
        for name, path in BY_NAME.items()
    }
    while leaves := {name for name, there in graph.items() if not there & graph.keys()}:
        graph = {name: there for name, there in graph.items() if name not in leaves}
    assert graph == {}, "these import each other, or modules that do"


def test_configuration_is_resolved_in_one_place() -> None:
    """What has been resolved is handed down; nothing asks for it again (decision D19)."""
    asks = {
        "provision.apps.reading.apps_of": {"provision/apps/fleet.py"},
        "provision.apps.balancing.balanced_of": {"provision/apps/fleet.py"},
        "provision.apps.balancing.balancers_in": {"provision/apps/fleet.py"},
        "provision.apps.fleet.Fleet": {"provision/roles/project.py"},
    }
    found: dict[str, set[str]] = {name: set() for name in asks}
    for path in MODULES + ROLES:
        for name, _ in imports(path):
            if name in asks:
                found[name].add(named(path))
    assert found == asks


def test_every_room_has_a_place() -> None:
    found = {room(path) for path in MODULES} - {"__init__"}
    assert found == {*ROOMS, *SHARED}, "add it to ROOMS, and to docs/design.md"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_libraries_have_their_places(path: Path) -> None:
    here = {room(path), path.relative_to(ROOT).with_suffix("").as_posix()}
    for name, line in imports(path):
        library = name.split(".")[0]
        assert here & PLACES.get(library, here), f"{named(path)}:{line} imports {library}"


@pytest.mark.parametrize("path", [p for p in MODULES if room(p) in SHIPPED], ids=named)
def test_what_is_shipped_needs_the_standard_library_only(path: Path) -> None:
    for name, line in imports(path):
        words = name.split(".")
        if words[0] == "provision":
            assert words[1] in SHIPPED or module_of(path) == DOOR, f"{named(path)}:{line} imports {name}"
        elif named(path) != "provision/secrets.py" or words[0] != "pydantic_core":
            # pydantic asks Secret for its schema, on the controller
            assert words[0] in sys.stdlib_module_names, f"{named(path)}:{line} imports {name}"


#: what prints; `Terminal` is ours, and shows what would steer a terminal
PRINTS = re.compile(
    r"^print$|^(click\.)?(secho|echo|echo_via_pager)$|^Console$|(std|\._)(out|err)(\.buffer)?\.write(lines)?$"
)
PRINTERS = {
    "provision/report/screen.py",
    # streams of agents: the agent's own frames, and what a program on this machine reads
    "provision/agent/link.py",
    "provision/agent/resident.py",
    # programs on hosts, which have nothing of prov
    "provision/bundles/fetch_program.py",
    "provision/bundles/host_program.py",
    # a program on hosts, whose output is the journal's
    "roles/tls/files/acme.py",
    # programs on hosts, whose output a step reads
    "roles/app/files/alembic_asking.py",
    "roles/app/files/django_chores.py",
    # runs on Lambda, whose log is what it prints
    "provision/platforms/lambda_/files/prov_handler.py",
    # runs on instances of Elastic Beanstalk, whose log is what it prints
    "provision/platforms/elastic_beanstalk/files/prov_instance.py",
    # ours, of that name, made of Terminal
    "provision/report/formats/as_text.py",
}


@pytest.mark.trust("7", "terminal-escapes")
@pytest.mark.parametrize("path", MODULES + ROLES, ids=named)
def test_only_reports_print_and_only_the_cli_exits(path: Path) -> None:
    here = room(path) if path in MODULES else "roles"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if PRINTS.search(called) and named(path) not in PRINTERS:
            raise AssertionError(
                f"{named(path)}:{node.lineno} prints by {called}, and not by report/screen.py"
            )
        if called in ("sys.exit", "exit", "quit"):
            assert here in ("cli", "commands"), f"{named(path)}:{node.lineno} exits"


@pytest.mark.parametrize(
    "path", [p for p in MODULES if room(p) not in ("controller", "agent", "steps", "system")], ids=named
)
def test_exit_statuses_have_names(path: Path) -> None:
    """`provision.errors.Exit` has all of them but those of programs on hosts."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        numbers: list[ast.expr] = []
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sys.exit", "os._exit"):
            numbers = list(node.args)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "exit_code":
            numbers = [node.value]
        elif isinstance(node, ast.Compare) and ast.unparse(node.left).endswith(
            ("exit_status()", "exit_code")
        ):
            numbers = list(node.comparators)
        for number in numbers:
            for each in ast.walk(number):
                assert not isinstance(each, ast.Constant), f"{named(path)}:{number.lineno} has a number"


def test_modules_have_names_of_their_own() -> None:
    """No two share a name, or differ by a letter. Names that are public stay: of steps, commands, and PUBLIC."""
    paths = [path for path in MODULES if path.stem != "__init__"]
    free = [path for path in paths if room(path) != "commands" and named(path) not in PUBLIC]
    free = [path for path in free if path.parent != ROOT / "steps"]
    found = set()
    for path in free:
        for other in paths:
            if path != other and differs_by_a_letter(path.stem, other.stem):
                found.add(path.relative_to(ROOT).as_posix())
    assert found == set()


def differs_by_a_letter(one: str, other: str) -> bool:
    """Return whether two names are the same, or one letter makes one of the other."""
    short, long = sorted((one, other), key=len)
    if len(long) - len(short) > 1:
        return False
    if len(long) == len(short):
        return sum(a != b for a, b in zip(short, long, strict=True)) <= 1
    return any(long[:at] + long[at + 1 :] == short for at in range(len(long)))


@pytest.mark.parametrize("path", MODULES + ROLES, ids=named)
def test_files_are_short(path: Path) -> None:
    """40 to 150 lines, one noun each; past 400 a file wants splitting."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= TO_BE_SPLIT.get(named(path), 400), f"{named(path)} has {lines} lines"


# -- what is shipped


def test_the_agent_is_small() -> None:
    sizes = {plan: len(program_for("", plan=plan).first_input()) for plan in (False, True)}
    assert 5_000 < sizes[False] <= LARGEST_AGENT, sizes
    assert sizes[False] < sizes[True] <= LARGEST_PLAN, sizes


def test_all_that_the_agent_imports_is_shipped_with_it() -> None:
    """The bootstrap looks for imports by pattern, because that is quick; here they are parsed."""
    shipped = {*bootstrap.needed(bootstrap.AGENT), *bootstrap.needed(bootstrap.PLAN)}
    for name in shipped:
        for wanted in top_imports(name):
            assert wanted in shipped, f"{name} imports {wanted}"
    travels = {name for name, path in BY_NAME.items() if room(path) in ("agent", "system") and text_of(path)}
    with_steps = {module for name in step_modules() for module in bootstrap.needed(name)}
    for_type_checkers = {
        "provision.system.undo_record",
        "provision.agent.system",
    }  # the latter: where System was
    assert travels - shipped - with_steps == for_type_checkers, "no agent needs these modules"


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


@pytest.mark.parametrize(
    "name",
    [name for name, path in BY_NAME.items() if room(path) in ("steps", "system") and path.stem != "__init__"],
)
def test_all_that_a_step_imports_travels_with_it(name: str) -> None:
    needed = bootstrap.needed(name)
    assert needed[-1] == name, "what a module imports comes before it"
    for module in needed:
        for wanted in top_imports(module):
            assert wanted in needed, f"{module} imports {wanted}"


def step_modules() -> list[str]:
    return [
        f"provision.steps.{m.name}" for m in pkgutil.iter_modules(provision.steps.__path__) if not m.ispkg
    ]


def top_imports(name: str) -> set[str]:
    """Modules of ours that a module imports when it is imported."""
    path = Path(str(importlib.import_module(name).__file__))
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("provision."):
            package = node.module in bootstrap.PACKAGES
            found.update(f"{node.module}.{a.name}" if package else node.module for a in node.names)
    return found


# -- documentation


def step_kinds() -> list[type[Step]]:
    found = []
    for name in step_modules():
        module = importlib.import_module(name)
        for cls in vars(module).values():
            if inspect.isclass(cls) and issubclass(cls, Step) and cls.__module__ == name:
                found.append(cls)
    return found


@pytest.mark.parametrize("cls", step_kinds(), ids=lambda cls: cls.__name__)
def test_every_field_of_a_step_is_explained(cls: type[Step]) -> None:
    base = () if cls is Step else fields(Step)
    text = " ".join(
        inspect.getdoc(c) or "" for c in cls.__mro__ if (issubclass(c, Step) and c is not Step) or c is cls
    )
    for field in fields(cls):
        if field.name not in {f.name for f in base}:
            assert re.search(rf"\b{field.name}\b", text), f"{cls.__name__} does not explain {field.name!r}"


@pytest.mark.parametrize("name", step_modules())
def test_every_public_function_of_steps_is_explained(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    for word, value in vars(module).items():
        ours = getattr(value, "__module__", "") == name and not word.startswith("_")
        if ours and (inspect.isfunction(value) or inspect.isclass(value)):
            assert inspect.getdoc(value), f"{name}.{word}"
