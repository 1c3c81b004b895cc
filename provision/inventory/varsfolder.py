"""group_vars/ and host_vars/: variables in files of their own.

Source: Ansible's vars plugin `host_group_vars`: a file NAME, NAME.yml, NAME.yaml or NAME.json, or a
folder NAME whose files are read in the order of their names. If several exist, Ansible
silently reads the first; prov refuses.
"""

from __future__ import annotations

from pathlib import Path

from provision.errors import ConfigError
from provision.inventory import yamlfile
from provision.inventory.located import Located, LocatedError
from provision.inventory.problems import Problems
from provision.inventory.sealed_variables import Layer, SealedVariables
from provision.inventory.yaml_values import shown
from provision.vault.envelope import is_envelope
from provision.vault.keyring import EMPTY, Keyring

SUFFIXES = ("", ".yml", ".yaml", ".json")


class VarsFolder:
    """One group_vars or host_vars folder, which need not exist.

    name: the folder's name in error messages.  keyring: the passwords of vaults.
    """

    def __init__(self, path: Path, name: str, problems: Problems, keyring: Keyring = EMPTY) -> None:
        self.keyring = keyring
        self.path = path
        self.name = name
        self.problems = problems
        self.entries = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
        self.known: dict[str, list[Layer]] = {}

    def of(self, name: str) -> list[Layer]:
        """Return the variables of the group or host, of each file; errors in the files go to the problems.

        Encrypted files are not opened yet.
        """
        if not self.entries:
            return []
        if name not in self.known:
            self.known[name] = []
            with self.problems.gathered():
                for file in self._files(name):
                    self.known[name].append(self._layer(file))
        return self.known[name]

    def _files(self, name: str) -> list[Path]:
        found = [name + suffix for suffix in SUFFIXES if name + suffix in self.entries]
        if len(found) > 1:
            names = " and ".join(f"{self.name}/{entry}" for entry in found)
            raise ConfigError(
                f"{names} both exist; only one can hold the variables of {name!r}", where=self.name
            )
        return [file for entry in found for file in _flattened(self.path / entry)]

    def _layer(self, file: Path) -> Layer:
        """The variables in a file."""
        shown_name = f"{self.name}/{file.relative_to(self.path).as_posix()}"
        data = yamlfile.contents(file, shown_name)
        if is_envelope(data):
            return SealedVariables(lambda: self._variables(data, file, shown_name))
        return self._variables(data, file, shown_name)

    def _variables(self, data: bytes, file: Path, shown_name: str) -> dict[str, Located]:
        document = yamlfile.parsed(data, file.parent, shown_name, self.keyring)
        if document is None or document.value is None:
            return {}
        if not isinstance(document.value, dict):
            raise LocatedError(
                document.origin, (), f"must be a mapping of variables, not {shown(document.value)}"
            )
        variables: dict[str, Located] = {}
        for key, part in document.parts.items():
            if not isinstance(key, str):
                raise LocatedError(
                    part.origin, (key,), f"the name of a variable must be text, not {shown(key)}"
                )
            variables[key] = part
        return variables


def _flattened(path: Path) -> list[Path]:
    """A file itself, or the files of a folder and of the folders in it, without hidden and backup files, links to
    nothing, and folders that have a dot in their names, as Ansible reads them."""
    if not path.is_dir():
        return [path] if path.exists() else []
    entries = [e for e in sorted(path.iterdir()) if not e.name.startswith(".") and not e.name.endswith("~")]
    return [file for e in entries if e.suffix in ([""] if e.is_dir() else SUFFIXES) for file in _flattened(e)]
