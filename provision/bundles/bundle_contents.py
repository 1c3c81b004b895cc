"""What a bundle of one host contains: prov, the host's variables, its project's roles, its applications' sources."""

from __future__ import annotations

import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provision import __version__
from provision.apps.application import Application
from provision.apps.tls_settings import Acme, OwnCertificate
from provision.bundles.bundle_file import PackedFiles
from provision.bundles.carried_libraries import carries, library_files
from provision.bundles.carried_variables import STAYS, CarriedVariables, carried
from provision.bundles.host_program import FORM, hashed
from provision.controller import project_commit
from provision.declared.role_folders import BUILTIN
from provision.errors import ConfigError, ConfigErrors, UsageError
from provision.inventory import InventoryHost
from provision.inventory.masking import ISSUED
from provision.roles.project import Assignment
from provision.roles.secret_uses import YamlPath
from provision.roles.variable_names import OF_HOSTS, words_below
from provision.values import dataclass

#: runs on the host, in the folder with the project: begins with prov's libraries
RUN = """import sys
from pathlib import Path
place = Path(__file__).parent
sys.path.insert(0, str(place / "lib"))
from provision.cli.bundled_run import begin
begin(place, sys.argv[1])
"""
#: the largest file of a role that is looked into for a private key
MOST_KEY = 1 << 20


@dataclass
class Bundle:
    """A bundle that can be written. about: what its program says and checks.  data: its contents.

    secrets: those that it lacks, and what opens each.  notes: what else it lacks.
    """

    about: Mapping[str, Any]
    data: bytes = field(repr=False)
    secrets: Mapping[str, Callable[[], Any]] = field(repr=False)
    notes: Sequence[str]


@dataclass
class LocalFiles:
    """Files of this machine that a host's variables name. paths: in the bundle, by the variable's path.

    files: what they are here.  keys: private keys, which are secrets.
    """

    paths: dict[YamlPath, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    keys: dict[YamlPath, Path] = field(default_factory=dict)

    def add(self, path: YamlPath, file: Path) -> None:
        """Carry a file."""
        place = f"files/{len(self.files)}-{file.name}"
        self.paths[path], self.files[place] = place, file


def refuse_connected(assignment: Assignment) -> None:
    """Raise ConfigErrors if the host's roles need a connection to another host, or its authority."""
    host, served = assignment.host, assignment.served
    errors: list[ConfigError] = []
    hint = "Bundle hosts that stand alone, or give the application its URLs by `secrets`."
    for app in served.apps:
        for binding in app.bindings:
            if binding.is_elsewhere:
                message = (
                    f"{app.name} uses {binding.provider.name}, and the two hand each other what they need"
                )
                errors.append(host.error(("apps", app.name, "uses"), message, hint))
    for binding in served.provided:
        if binding.is_elsewhere:
            message = f"{binding.client.name} uses it, and the two hand each other what they need"
            errors.append(host.error(("roles",), message, hint))
    for balanced in served.balanced:
        message = f"balances {balanced.app.name}, whose hosts need one private authority"
        errors.append(host.error(("balance",), message, "Deploy it with prov deploy."))
    for other in served.balancers:
        message = f"{other.name} balances to it, and the two need one private authority"
        errors.append(host.error(("apps",), message, "Deploy it with prov deploy."))
    if errors:
        raise ConfigErrors(errors)


def readers(assignment: Assignment) -> Callable[[str], bool]:
    """Return what tells whether prov, or a role of the host, reads a variable."""
    project = (assignment.host.inventory.project or Path.cwd()) / "roles"
    folders = [folder for role, _ in assignment.roles for folder in role.folders]
    # a role may use another one of the project
    folders += [project] if project.is_dir() and project.resolve() != BUILTIN else []
    words = {word for folder in folders for word in words_below(folder)}
    names = {*OF_HOSTS, STAYS, *(role.name for role, _ in assignment.roles)}
    return lambda name: name in names or name in words


def local_files(assignment: Assignment) -> LocalFiles:
    """Return the files of this machine that applications name, their sources aside."""
    found = LocalFiles()
    for app in assignment.served.apps:
        at: YamlPath = ("apps", app.name)
        if isinstance(app.source, Path):
            found.paths[(*at, "source")] = f"sources/{app.name}"
        for place, file in app.files.items():
            found.add((*at, "files", place), file)
        for number, file in enumerate(app.snippets):
            found.add((*at, "snippets", number), Path(file))
        if isinstance(app.tls, OwnCertificate):
            found.add((*at, "tls", "certificate"), app.tls.certificate)
            found.keys[(*at, "tls", "key")] = app.tls.key
        if isinstance(app.tls, (OwnCertificate, Acme)) and app.tls.authority is not None:
            own = (
                assignment.host.origin(*at, "tls", "authority")
                if isinstance(app.tls, OwnCertificate)
                else None
            )
            found.add((*at, "tls", "authority") if own else ("tls", "acme", "authority"), app.tls.authority)
    return found


def bundle_of(
    assignment: Assignment, python: str, machine: str, seal: Callable[[bytes], bytes] | None
) -> Bundle:
    """Return the bundle of a host. Raises ProvError.

    python, machine: of the host, such as "3.11" and "x86_64".  seal: encrypts its secrets; None leaves them out.
    """
    refuse_connected(assignment)
    host, served = assignment.host, assignment.served
    local = local_files(assignment)
    left = [("apps", app.name, "image") for app in served.apps]
    found = carried(host, readers(assignment), local.paths, left)
    for path, file in local.keys.items():
        key_as_secret(found, path, file, str(host.origin(*path)))
    packed = PackedFiles()
    packed.add("run.py", RUN.encode())
    commits = {app.name: app.commit for app in served.apps}
    for app in served.apps:
        add_source(packed, app)
    for place, file in local.files.items():
        packed.add(place, file)
    packed.add("project/.keep", b"")
    for name, file in project_files(host.inventory.project or Path.cwd()):
        packed.add(f"project/{name}", file)
    sealed = seal is not None and bool(found.secrets)
    if seal is not None and found.secrets:
        opened = {name: open_() for name, open_ in found.secrets.items()}
        packed.add("secrets.age", seal(json.dumps(opened).encode()))
    extras = [name for name, needed in (("ec2", found.fetches), ("age", sealed)) if needed]
    with tempfile.TemporaryDirectory(prefix="prov-bundle-") as work:
        for name, file in library_files(extras, python, machine, Path(work)):
            packed.add(f"lib/{name}", file)
    commit = project_commit.commit()
    packed.add("host.json", described(assignment, found, commits, commit, sealed=sealed))
    now = time.time_ns()
    about = {
        "form": FORM,
        "host": host.name,
        "made": now,
        "said": f"{datetime.fromtimestamp(now // 10**9, UTC):%Y-%m-%d %H:%M:%S} UTC",
        "commit": commit,
        "prov": __version__,
        "python": python,
        "machine": machine,
        "others": sorted(hashed(name) for name in host.inventory.hosts if name != host.name),
    }
    notes = [f"{name}: {why}" for name, why in found.unreadable.items()]
    return Bundle(about, packed.packed(), {} if sealed else found.secrets, notes)


def add_source(packed: PackedFiles, app: Application) -> None:
    """Add the source of an application, as a release has it."""
    for inside, mode, source, target in app.release.entries:
        name = f"sources/{app.name}/{inside}"
        if source is None:
            packed.link(name, target)
            continue
        assert source.open is not None
        with source.open(b"") as f:
            packed.add(name, f, executable=bool(mode & 0o100))


def key_as_secret(found: CarriedVariables, path: YamlPath, file: Path, at: str) -> None:
    """Have a private key's file be one of the secrets. at: the line that names it."""
    name = ".".join(map(str, path))
    entry = found.variables[str(path[0])]
    for step in path[1:]:
        parts = dict(entry["of"])
        if step == path[-1]:
            entry["of"] = [[k, {"at": at, "key": name} if k == step else part] for k, part in entry["of"]]
        else:
            entry = parts[step]
    found.secrets[name] = lambda: file.read_text(encoding="ascii")


def described(
    assignment: Assignment, found: CarriedVariables, commits: Mapping[str, str], commit: str, *, sealed: bool
) -> bytes:
    """Return what the host side reads (`cli/bundled_run.py`)."""
    host, leads = assignment.host, assignment.served.leads
    first = {name: first_host(host, name) for name in commits if name not in leads}
    whole = {
        "name": host.name,
        "groups": list(host.groups),
        "defined": str(host.defined),
        "variables": found.variables,
        "secrets": [] if sealed else sorted(found.secrets),
        "sealed": sealed,
        "commits": commits,
        "commit": commit,
        "led_by": first,
        "strict": host.inventory.strict,
        "tls": "tls" in [role.name for role, _ in assignment.roles],
    }
    return json.dumps(whole, sort_keys=True).encode()


def first_host(host: InventoryHost, app: str) -> str:
    """Return the first host of the inventory that has an application: it sees to what is done once."""
    for each in host.inventory.hosts.values():
        apps = each.written("apps")
        if isinstance(apps, Mapping) and app in apps:
            return each.name
    return host.name


def project_files(project: Path) -> Iterator[tuple[str, Path]]:
    """Yield the project's own roles and steps. Raises ConfigError for one that is a private key."""
    if (project / "roles").resolve() == BUILTIN:
        # prov's own checkout
        return
    for top in ("roles", "steps"):
        for path in sorted((project / top).rglob("*")):
            name = path.relative_to(project)
            if not path.is_file() or not carries(name.parts):
                continue
            if path.stat().st_size < MOST_KEY and ISSUED.search(path.read_bytes().decode("latin-1")):
                raise ConfigError(
                    "looks like a private key or a token, and a bundle carries no secrets",
                    where=str(path),
                    hint="Keep it in a vault: a variable of the inventory that the role writes into a file.",
                )
            yield name.as_posix(), path


def check_target(python: str) -> None:
    """Raise UsageError for a Python that prov does not run on."""
    words = python.split(".")
    if len(words) != 2 or not all(map(str.isdigit, words)) or tuple(map(int, words)) < (3, 11):
        raise UsageError(f"expected a Python such as 3.13, got {python!r}", hint="prov needs 3.11 or newer.")


def this_python() -> tuple[str, str]:
    """Return the Python and the machine that prov runs on."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}", platform.machine()
