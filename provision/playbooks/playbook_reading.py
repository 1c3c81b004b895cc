"""Read a playbook, its roles and the files that they include."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from provision.errors import ConfigError
from provision.inventory.located import Located
from provision.inventory.yamlfile import read
from provision.values import dataclass
from provision.vault.envelope import is_envelope

#: docs.ansible.com, "Playbook Keywords": of tasks and blocks
KEYWORDS = frozenset(
    """action any_errors_fatal args async become become_exe become_flags become_method become_user changed_when
    check_mode collections connection debugger delay delegate_facts delegate_to diff environment failed_when
    ignore_errors ignore_unreachable local_action loop loop_control module_defaults name no_log notify poll port
    register remote_user retries run_once sudo sudo_user tags throttle timeout until vars when block rescue always
    listen""".split()  # noqa: SIM905 - shorter than a list
)
INCLUDES = {"include", "include_tasks", "import_tasks"}
ROLES = {"include_role", "import_role"}
PREFIXES = ("ansible.builtin.", "ansible.legacy.", "ansible.posix.", "community.")
#: modules whose text is a command
FREE = {"command", "shell", "script", "raw"}
WORD = re.compile(r"""(?P<name>\w+)=(?P<value>(?:"[^"]*"|'[^']*'|\{\{.*?\}\}|[^\s"'])*)(?=\s|\Z)""")
#: includes and dependencies of roles in each other
DEEPEST = 20
NO_FOLDER = "its folder was not found. `ansible-galaxy install -r requirements.yml` fetches those that are listed there"


@dataclass(frozen=True)
class Variable:
    """A variable of a play or role. fixed: whether it comes before what the inventory says."""

    value: Any
    fixed: bool


@dataclass(frozen=True)
class Task:
    """A task, or a block of them. source: its lines.  folder: of the role or playbook that it is in."""

    name: str
    module: str
    args: Any
    keywords: dict[str, Any]
    where: str
    source: tuple[str, ...]
    folder: Path
    parts: dict[str, list[Task]] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """Tasks that become a function. unread: what it lists and is not there."""

    name: str
    about: str
    tasks: list[Task]
    handlers: list[Task]
    variables: dict[str, Variable]
    unread: list[str] = field(default_factory=list)


def sections(path: Path, roles_path: Sequence[Path]) -> list[Section]:
    """Return what a playbook, or the folder of a role, has.

    roles_path: where roles are besides the folders of playbooks.  Raises ConfigError.
    """
    if path.is_dir():
        return role_sections(path, {}, [path.parent, *roles_path], ())
    beside = [path.parent / "roles", path.parent, path.parent.parent / "roles", *roles_path]
    found = [section for play in plays(path) for section in play_sections(play, beside)]
    if not found:
        raise ConfigError("has no tasks", where=str(path))
    return found


def plays(path: Path, depth: int = 0) -> list[Located]:
    """Return the plays of a playbook, and of those that it imports. Raises ConfigError."""
    document = read(path, str(path))
    if document is None or not isinstance(document.value, list):
        raise ConfigError(
            "expected a playbook, a list of plays",
            where=str(path),
            hint="For the role of Ansible, name its folder: prov import roles/NAME",
        )
    found = []
    for play in document.parts.values():
        if not isinstance(play.value, dict):
            raise ConfigError("expected a play, a mapping", where=str(play.origin))
        other = play.value.get("import_playbook", play.value.get("ansible.builtin.import_playbook"))
        if other is not None and depth < DEEPEST:
            found += plays(path.parent / str(other), depth + 1)
        elif "hosts" in play.value:
            found.append(play)
        else:
            raise ConfigError(
                "expected a play with `hosts`",
                where=str(play.origin),
                hint="For a file of tasks, name the folder of its role: prov import roles/NAME",
            )
    return found


def play_sections(play: Located, beside: list[Path]) -> list[Section]:
    """Return the roles and the tasks of a play, in their order.

    beside: where its roles are, if they are not beside the file that it is in.  Raises ConfigError.
    """
    values, folder = play.value, play.origin.folder
    unread = []
    own = {name: Variable(value, True) for name, value in mapping(values.get("vars")).items()}
    for name in flat(values.get("vars_files")):
        file = folder / str(name)
        if file.is_file() and is_envelope(file.read_bytes()):
            unread.append(f"vars_files: {name} is a vault: put it into group_vars/")
        elif file.is_file():
            own |= {key: Variable(value, True) for key, value in mapping(plain(file)).items()}
        else:
            unread.append(f"vars_files: {name}")
    handlers = tasks_of(play.parts.get("handlers"), folder)
    about = str(values.get("name") or f"Tasks for {values['hosts']}.")
    inherited = {key: values[key] for key in ("become_user", "sudo_user", "environment") if key in values}
    found = []
    paths = [folder / "roles", *beside]
    for key, function in (
        ("pre_tasks", "before"),
        ("roles", ""),
        ("tasks", "tasks"),
        ("post_tasks", "after"),
    ):
        if key == "roles":
            for role in flat(values.get("roles")):
                found += listed_role(role, own, paths, play, inherited)
            continue
        tasks = [inheriting(task, inherited) for task in tasks_of(play.parts.get(key), folder)]
        if tasks or (key == "tasks" and unread):
            found.append(Section(function, about, tasks, handlers, own, unread))
    # handlers of a play and of all its roles are one list
    every = list({h.where: h for part in (handlers, *(s.handlers for s in found)) for h in part}.values())
    return [Section(s.name, s.about, s.tasks, [*s.handlers, *every], s.variables, s.unread) for s in found]


def inheriting(task: Task, inherited: dict[str, Any]) -> Task:
    """Return a task with what its play says for all."""
    keywords = {**inherited, **task.keywords}
    return Task(task.name, task.module, task.args, keywords, task.where, task.source, task.folder, task.parts)


def listed_role(
    role: Any, own: dict[str, Variable], paths: list[Path], play: Located, inherited: dict[str, Any]
) -> list[Section]:
    """Return the sections of a role that a play lists."""
    given = role if isinstance(role, dict) else {"role": role}
    name = str(given.get("role", given.get("name", "")))
    folder = role_folder(name, paths)
    if folder is None:
        return [Section(name, f"The role {name}.", [], [], {}, [f"role {name}: {NO_FOLDER}"])]
    extra = {key: value for key, value in given.items() if key not in {*KEYWORDS, "role", "name"}}
    extra |= mapping(given.get("vars"))
    variables = {**own, **{key: Variable(value, True) for key, value in extra.items()}}
    found = role_sections(folder, variables, paths, ())
    keywords = {**inherited, **{key: given[key] for key in ("when", "become_user") if key in given}}
    return [
        Section(
            s.name, s.about, [inheriting_block(s, keywords, folder, play)], s.handlers, s.variables, s.unread
        )
        if "when" in keywords and s.tasks
        else Section(
            s.name, s.about, [inheriting(t, keywords) for t in s.tasks], s.handlers, s.variables, s.unread
        )
        for s in found
    ]


def role_folder(name: str, paths: Iterable[Path]) -> Path | None:
    """Return the folder of a role: "NAME", or "NAMESPACE.COLLECTION.NAME" of a collection in the project."""
    parts = name.split(".")
    below = [Path(name)]
    if len(parts) == 3:
        below.append(Path("collections/ansible_collections", parts[0], parts[1], "roles", parts[2]))
    folders = (path / each for each in below for path in paths)
    return next((folder for folder in folders if (folder / "tasks").is_dir()), None)


def inheriting_block(section: Section, keywords: dict[str, Any], folder: Path, play: Located) -> Task:
    """Return the tasks of a role as a block with keywords."""
    return Task("", "block", None, keywords, str(play.origin), (), folder, {"block": section.tasks})


def role_sections(
    folder: Path, given: dict[str, Variable], paths: list[Path], above: tuple[Path, ...]
) -> list[Section]:
    """Return a role of Ansible, after those that it depends on. Raises ConfigError."""
    if not (folder / "tasks").is_dir():
        raise ConfigError("expected the role of Ansible: the folder has no tasks/main.yml", where=str(folder))
    if folder in above:
        return []
    found = []
    for one in flat(mapping(plain(main(folder, "meta"))).get("dependencies")):
        name = str(one.get("role", one.get("name", "")) if isinstance(one, dict) else one)
        other = role_folder(name, paths)
        if other is not None:
            found += role_sections(other, given, paths, (*above, folder))
    variables = {
        **{name: Variable(value, False) for name, value in mapping(plain(main(folder, "defaults"))).items()},
        **{name: Variable(value, True) for name, value in mapping(plain(main(folder, "vars"))).items()},
        **given,
    }
    tasks, handlers = (file_tasks(main(folder, kind), folder, 0) for kind in ("tasks", "handlers"))
    return [
        *found,
        Section(folder.resolve().name, f"The role {folder.resolve().name}.", tasks, handlers, variables),
    ]


def main(folder: Path, kind: str) -> Path:
    """Return the main file of a part of a role."""
    names = [folder / kind / name for name in ("main.yml", "main.yaml", "main")]
    return next((path for path in names if path.is_file()), names[0])


def plain(path: Path) -> Any:
    """Return the value of a YAML file; None if it does not exist."""
    document = read(path, str(path)) if path.is_file() else None
    return None if document is None else document.value


def mapping(value: Any) -> dict[str, Any]:
    """Return a value if it is a mapping, or the mappings of a list as one."""
    if isinstance(value, list):
        return {key: each for part in value for key, each in mapping(part).items()}
    return value if isinstance(value, dict) else {}


def flat(value: Any) -> list[Any]:
    """Return a value as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def file_tasks(path: Path, folder: Path, depth: int) -> list[Task]:
    """Return the tasks of a file; none if it does not exist."""
    document = read(path, str(path)) if path.is_file() else None
    return [] if document is None else tasks_of(document, folder, depth)


def tasks_of(listed: Located | None, folder: Path, depth: int = 0) -> list[Task]:
    """Return the tasks of a list. Raises ConfigError."""
    if listed is None or listed.value is None:
        return []
    if not isinstance(listed.value, list):
        raise ConfigError("expected a list of tasks", where=str(listed.origin))
    return [task_of(part, folder, depth) for part in listed.parts.values()]


def task_of(located: Located, folder: Path, depth: int) -> Task:
    """Return one task or block. Raises ConfigError."""
    value = located.value
    if not isinstance(value, dict):
        raise ConfigError("expected a task, a mapping", where=str(located.origin))
    keywords = {
        str(key): each for key, each in value.items() if key in KEYWORDS or str(key).startswith("with_")
    }
    source = tuple(source_of(located))
    where = str(located.origin)
    name = str(value.get("name") or "")
    if "block" in value:
        parts = {
            kind: tasks_of(located.parts.get(kind), folder, depth) for kind in ("block", "rescue", "always")
        }
        return Task(name, "block", None, keywords, where, source, folder, parts)
    module, args = module_of(value, keywords)
    if module in INCLUDES | ROLES and depth < DEEPEST:
        included = inclusion(module, args, Path(located.origin.file), folder, depth)
        if included is not None:
            return Task(name, "block", None, keywords, where, source, folder, {"block": included})
    return Task(name, module, args, keywords, where, source, folder)


def module_of(value: dict[str, Any], keywords: dict[str, Any]) -> tuple[str, Any]:
    """Return the module's short name and its arguments: a mapping, or the text of a command."""
    if "local_action" in value:
        return "local_action", value["local_action"]
    if isinstance(value.get("action"), str):
        name, _, args = value["action"].partition(" ")
        found = {name: args}
    elif isinstance(value.get("action"), dict):
        args = dict(value["action"])
        found = {str(args.pop("module", "")): args}
    else:
        found = {str(key): each for key, each in value.items() if str(key) not in keywords}
    if len(found) != 1:
        return " ".join(found), None
    name, args = next(iter(found.items()))
    short = name.rpartition(".")[2] if name.startswith(PREFIXES) else name
    if isinstance(args, str):
        args = words(args, free=short in FREE)
    extra = keywords.get("args")
    if isinstance(extra, dict):
        args = {**(args if isinstance(args, dict) else {}), **extra}
    return short, args


def words(text: str, *, free: bool) -> dict[str, Any]:
    """Return `name=value` words as a mapping; what remains is `_raw`. free: whether that is a command.

    Of a command, only the options of the module count, as in Ansible.
    """
    options = {"chdir", "creates", "removes", "executable", "warn"}
    found: dict[str, Any] = {}

    def taken(match: re.Match[str]) -> str:
        if free and match["name"] not in options:
            return match[0]
        value = match["value"]
        found[match["name"]] = value[1:-1] if len(value) > 1 and value[0] == value[-1] in "\"'" else value
        return ""

    rest = WORD.sub(taken, text).strip()
    return {**({"_raw": rest} if rest else {}), **found}


def inclusion(module: str, args: Any, file: Path, folder: Path, depth: int) -> list[Task] | None:
    """Return the tasks that a task includes; None if only a run could tell which."""
    given = args if isinstance(args, dict) else {}
    name = str(given.get("_raw", given.get("file", given.get("name", ""))))
    if not name or "{{" in name:
        return None
    if module in ROLES:
        other = role_folder(name, [folder.parent, folder / "roles"])
        return None if other is None else file_tasks(main(other, "tasks"), other, depth + 1)
    for base in (file.parent, folder / "tasks", folder):
        if (base / name).is_file():
            return file_tasks(base / name, folder, depth + 1)
    return None


def source_of(located: Located) -> Iterator[str]:
    """Yield the lines of an item of a list, without their indentation."""
    lines = Path(located.origin.folder / Path(located.origin.file).name).read_text("utf-8-sig").splitlines()
    at = located.origin.line - 1
    while at > 0 and not lines[at].lstrip().startswith("-"):
        at -= 1
    margin = len(lines[at]) - len(lines[at].lstrip())
    end = at + 1
    while end < len(lines) and (
        not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > margin
    ):
        end += 1
    while not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#"):
        end -= 1
    for line in lines[at:end]:
        yield line[margin:].rstrip()
