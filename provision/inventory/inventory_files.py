"""Find the inventory's files and read them into an Inventory."""

from __future__ import annotations

import gc
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from provision.errors import ConfigError
from provision.inventory import (
    ansible_cfg,
    counted_hosts,
    graph,
    host_list,
    ini_groups,
    precedence,
    toml_groups,
    yaml_groups,
    yamlfile,
)
from provision.inventory.ansible_cfg import AnsibleCfg
from provision.inventory.loaded import Inventory, InventoryHost
from provision.inventory.own_names import checked_prefix
from provision.inventory.source_files import display, inventory_files
from provision.inventory.template_text import ON_REQUEST
from provision.inventory.unresolved import Draft
from provision.inventory.varsfolder import VarsFolder
from provision.inventory.yaml_values import shown
from provision.vault.given import VaultSettings, keyring

# One loader per format: (file, its name in messages, draft to fill). Chosen by the end of the file's name; a name
# without an end may be of either, as in Ansible.
Loader = Callable[[Path, str, Draft], None]
FORMATS: dict[str, Loader] = {
    ".yml": yaml_groups.load,
    ".yaml": yaml_groups.load,
    ".json": yaml_groups.load,
    ".toml": toml_groups.load,
}

DEFAULT = "inventory"
#: ends of names of scripts
PROGRAM_ENDS = (".py", ".sh", ".rb", ".pl", ".php")

#: RFC 7468: the first line of a certificate or a key
PEM = re.compile(rb"\s*-----BEGIN ([A-Z0-9 ]{1,40})-----")


@contextmanager
def uncollected() -> Iterator[None]:
    """Let no garbage collection run: of what an inventory is read into, all stays, and looking through it again and
    again takes half the time of reading 100,000 hosts."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@uncollected()
def load(paths: Sequence[str | Path] | None = None, *, cwd: Path | None = None) -> Inventory:
    """Read the inventory.

    paths: files and folders, merged in this order; None or empty: what [tool.prov] in pyproject.toml names,
    looked for from cwd upwards, else the folder inventory/.  cwd: default is the process's.
    Raises ConfigErrors with every error in them, each with file and line; ConfigError if one of them, or
    pyproject.toml, cannot be read.
    """
    here = Path(os.path.abspath(cwd or Path.cwd()))  # noqa: PTH100 - resolve() would follow symlinks
    settings = project_settings(here)
    base, named = (here, paths) if paths else (settings.folder, settings.inventory)
    sources = [base / path for path in named]
    typed = [str(path) for path in named]
    draft = Draft(keyring(settings.vaults), merge=settings.cfg.merge, prefix=settings.prefix)
    folders: list[Path] = []
    read_from: list[Path] = []
    for source, name in zip(sources, typed, strict=True):
        if not source.exists():
            if "," in name:
                host_list.load(name, draft)
                continue
            raise missing(name, given=bool(paths))
        source = Path(os.path.abspath(source))  # noqa: PTH100
        read_from.append(source)
        folders.append(source if source.is_dir() else source.parent)
        for file in inventory_files(source, settings.cfg):
            with draft.problems.gathered():
                loader_for(file)(file, display(file, here), draft)
    counted_hosts.complete(draft)
    graph.complete(draft)
    draft.problems.raise_any()
    return build(draft, list(dict.fromkeys([*folders, settings.folder])), here, read_from, settings)


def build(
    draft: Draft,
    folders: Sequence[Path],
    here: Path,
    read_from: Sequence[Path],
    settings: ProjectSettings,
) -> Inventory:
    """The inventory of a complete draft, with group_vars/ and host_vars/ of these folders."""
    variables = [folder / name for folder in folders for name in ("group_vars", "host_vars")]
    group_vars, host_vars = (
        [VarsFolder(f / name, display(f / name, here), draft.problems, draft.keyring) for f in folders]
        for name in ("group_vars", "host_vars")
    )
    hosts = {
        name: InventoryHost(
            name=name,
            groups=groups,
            defined=draft.hosts[name].origin,
            located=precedence.variables(draft, name, groups, group_vars, host_vars),
            prefix=draft.prefix,
            layers=partial(precedence.layers, draft, name, groups, group_vars, host_vars),
        )
        for name, groups in graph.memberships(draft).items()
    }
    draft.problems.raise_any()
    parts = frozenset(path.resolve() for path in (*read_from, *variables))
    return Inventory(
        hosts=hosts,
        groups=draft.groups,
        project=here,
        sources=tuple(read_from),
        read_from=parts,
        strict=settings.strict,
        lookups=tuple(settings.lookups),
        settings=settings.cfg,
        hooks=settings.hooks,
    )


class ProjectSettings(NamedTuple):
    """What pyproject.toml says. folder: the project's.  inventory: its paths.

    strict: whether variables that nothing reads are refused.  lookups: those on request that templates may use.
    vaults: where the passwords of vaults come from.  cfg: what ansible.cfg says, which counts where this says nothing.
    hooks: pyproject.toml and its table of hooks, as it is there; None without one.
    prefix: of the variables that are prov's own (own_names.py).
    """

    folder: Path
    inventory: list[str]
    strict: bool = False
    lookups: Sequence[str] = ()
    vaults: VaultSettings = VaultSettings()
    cfg: AnsibleCfg = AnsibleCfg()
    hooks: tuple[Path, Any] | None = None
    prefix: str = ""


def project_settings(cwd: Path) -> ProjectSettings:
    """Return the settings of the project, whose folder is the nearest one upwards whose pyproject.toml has
    [tool.prov], else cwd.

    Raises ConfigError: not TOML, an inventory that is not text or a list of texts, or a `strict` that is not a boolean.
    """
    found = project_table(cwd)
    if found is None:
        cfg = ansible_cfg.read(cwd, "ansible.cfg")
        vaults = vault_settings(vaults_of(cfg), cwd / "ansible.cfg", cwd)
        return ProjectSettings(cwd, inventory_of(cfg) or [DEFAULT], vaults=vaults, cfg=cfg)
    file, settings = found
    folder = file.parent
    cfg = ansible_cfg.read(folder, display(folder / "ansible.cfg", cwd))
    named: Any = settings.get("inventory", inventory_of(cfg) or DEFAULT)
    paths = [named] if isinstance(named, str) else named
    if not isinstance(paths, list) or not paths or not all(isinstance(path, str) for path in paths):
        message = f"must be a path or a list of paths, not {shown(named)}"
        raise ConfigError(message, where=f"{display(file, cwd)} tool.prov.inventory")
    strict: Any = settings.get("strict", False)
    if not isinstance(strict, bool):
        raise ConfigError(
            f"must be true or false, not {shown(strict)}", where=f"{display(file, cwd)} tool.prov.strict"
        )
    lookups: Any = settings.get("lookups", [])
    if not isinstance(lookups, list) or not set(map(str, lookups)) <= set(ON_REQUEST):
        raise ConfigError(
            f"must be a list of lookups that are used on request: {', '.join(ON_REQUEST)}",
            where=f"{display(file, cwd)} tool.prov.lookups",
        )
    vaults = vault_settings({**vaults_of(cfg), **settings}, file, cwd)
    hooks = (file, settings["hooks"]) if "hooks" in settings else None
    prefix = checked_prefix(settings.get("prefix", ""), f"{display(file, cwd)} tool.prov.prefix")
    return ProjectSettings(folder, paths, strict, lookups, vaults, cfg, hooks, prefix)


def inventory_of(cfg: AnsibleCfg) -> list[str]:
    """Return the paths of the inventory that ansible.cfg names."""
    return [str(cfg.folder / Path(path).expanduser()) for path in cfg.inventory]


def vaults_of(cfg: AnsibleCfg) -> dict[str, Any]:
    """Return what ansible.cfg says of vaults, as pyproject.toml would."""
    found: dict[str, Any] = {}
    if cfg.vault_password_file:
        found["vault_password_file"] = str(cfg.folder / Path(cfg.vault_password_file).expanduser())
    if cfg.vault_identity_list:
        found["vault_identity_list"] = list(cfg.vault_identity_list)
    return found


def project_table(cwd: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """Return the nearest pyproject.toml with [tool.prov], from cwd upwards, and that table. Raises ConfigError: not
    TOML."""
    for folder in (cwd, *cwd.parents):
        file = folder / "pyproject.toml"
        if not file.is_file():
            continue
        try:
            table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("prov")
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"not TOML: {error}", where=display(file, cwd)) from None
        if table is not None:
            return file, table
    return None


def vault_settings(settings: Mapping[str, Any], file: Path, cwd: Path) -> VaultSettings:
    """Return `vault_password_file` and `vault_identity_list` of a project. Raises ConfigError.

    The list is of texts, or one text with commas, as in ansible.cfg.
    """
    listed: Any = settings.get("vault_identity_list", [])
    ids = [each.strip() for each in listed.split(",")] if isinstance(listed, str) else listed
    where = f"{display(file, cwd)} tool.prov"
    if not isinstance(ids, list) or not all(isinstance(each, str) and each for each in ids):
        message = f'must be a list of texts like "prod@~/.vault-prod", not {shown(listed)}'
        raise ConfigError(message, where=f"{where}.vault_identity_list")
    password_file: Any = settings.get("vault_password_file", "")
    if not isinstance(password_file, str):
        raise ConfigError(f"must be a path, not {shown(password_file)}", where=f"{where}.vault_password_file")
    return VaultSettings(file.parent, tuple(ids), password_file)


def missing(name: str, *, given: bool) -> ConfigError:
    """Return the error for a missing inventory. given: it was named with -i."""
    hint = (
        ""
        if given
        else 'Name one with -i PATH, or in pyproject.toml under [tool.prov]: inventory = ["PATH"].'
    )
    return ConfigError("no such inventory file or folder", where=name, hint=hint)


def loader_for(file: Path) -> Loader:
    """Return the loader of the file's format."""
    if is_script(file):
        # imported here: completion must be quick, and few inventories have scripts
        from provision.inventory import script_source

        return script_source.load
    if file.suffix in PROGRAM_ENDS:
        where = display(file, Path.cwd())
        raise ConfigError("a program that is not executable", where=where, hint=f"Run `chmod +x {where}`.")
    refuse_pem(file)
    if file.suffix:
        return FORMATS.get(file.suffix, ini_groups.load)
    return yaml_groups.load if yamlfile.holds_mapping(file) else ini_groups.load


def refuse_pem(file: Path) -> None:
    """Raise ConfigError if a file is a certificate or a key: a loader would report a mistake in each line."""
    try:
        with file.open("rb") as f:
            pem = PEM.match(f.read(100))
    except OSError:
        # the loader says why it can't be read
        return
    if pem:
        kind = pem[1].decode().lower()
        raise ConfigError(
            f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}, expected an inventory in YAML, INI or TOML",
            where=display(file, Path.cwd()),
            hint="Every file in the inventory's folder is read as an inventory. Move this one elsewhere, to tls/ for"
            " example.",
        )


def is_script(file: Path) -> bool:
    """Return whether Ansible would run the file and read what it prints."""
    try:
        with file.open("rb") as f:
            return os.access(file, os.X_OK) and f.read(2) == b"#!"
    except OSError:
        return False
