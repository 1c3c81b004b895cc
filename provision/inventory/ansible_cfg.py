"""ansible.cfg of a project: defaults below everything that the inventory and pyproject.toml say.

Source: ansible-core 2.19, "Ansible Configuration Settings". The file is that of $ANSIBLE_CONFIG, or of the project's
folder; as in Ansible, it is passed over in a folder that everyone can write to. Those of the user and the machine
(~/.ansible.cfg, /etc/ansible/ansible.cfg) are not read: they are not the project's.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from provision.errors import ConfigError
from provision.inventory.located import Located, Origin
from provision.inventory.ranges import DIGITS
from provision.values import dataclass

TRUE = ("true", "yes", "on", "1", "t", "y")
#: settings that are variables of a host, as defaults
VARIABLES = {
    ("defaults", "remote_user"): "ansible_user",
    ("defaults", "remote_port"): "ansible_port",
    ("defaults", "interpreter_python"): "ansible_python_interpreter",
    ("defaults", "private_key_file"): "ansible_private_key_file",
    ("privilege_escalation", "become"): "ansible_become",
    ("privilege_escalation", "become_method"): "ansible_become_method",
    ("privilege_escalation", "become_user"): "ansible_become_user",
    ("ssh_connection", "ssh_args"): "ansible_ssh_args",
    ("ssh_connection", "ssh_common_args"): "ansible_ssh_common_args",
    ("ssh_connection", "ssh_extra_args"): "ansible_ssh_extra_args",
    ("ssh_connection", "ssh_executable"): "ansible_ssh_executable",
}
OTHERS = {
    ("defaults", name)
    for name in (
        "inventory", "host_key_checking", "timeout", "hash_behaviour", "vault_password_file", "vault_identity_list",
        "forks", "roles_path", "inventory_ignore_extensions", "inventory_ignore_patterns",
    )
} | {("inventory", "ignore_extensions"), ("inventory", "ignore_patterns")}  # fmt: skip
#: what prov does without being told: it asks where sudo wants a password, and each run is one process on the host
NEEDLESS = {
    ("privilege_escalation", "become_ask_pass"), ("ssh_connection", "pipelining"), ("connection", "pipelining"),
}  # fmt: skip
MOST_FORKS = 1000


@dataclass(frozen=True)
class AnsibleCfg:
    """What the file says.

    variables: defaults of hosts.  inventory: its paths.  merge: whether mappings are merged (hash_behaviour).
    vault_password_file, vault_identity_list: as they are written.  forks: hosts at a time; None if it says nothing.
    ignored_ends, ignored_patterns: of names in an inventory's folder that are passed over; None and () without them.
    roles_path: where `prov import` looks for roles of Ansible.
    folder: of the file; paths start there.
    unread: the settings that prov does not read, with their lines.
    """

    variables: Mapping[str, Located] = field(default_factory=dict)
    inventory: tuple[str, ...] = ()
    merge: bool = False
    vault_password_file: str = ""
    vault_identity_list: tuple[str, ...] = ()
    forks: int | None = None
    ignored_ends: tuple[str, ...] | None = None
    ignored_patterns: tuple[re.Pattern[str], ...] = ()
    roles_path: tuple[Path, ...] = ()
    folder: Path = Path()
    unread: tuple[str, ...] = ()


def read(project: Path, shown: str) -> AnsibleCfg:
    """Return the settings of a project. shown: the file's name in error messages.

    Raises ConfigError: not in the form of INI, or values that can't be.
    """
    named = os.environ.get("ANSIBLE_CONFIG", "")
    file = Path(named).expanduser() if named else project / "ansible.cfg"
    if file.is_dir():
        file /= "ansible.cfg"
    if not file.is_file() or (not named and file.parent.stat().st_mode & stat.S_IWOTH):
        return AnsibleCfg()
    return CfgFile(file, str(file) if named else shown).settings()


class CfgFile:
    """Reads one file. file: its path.  shown: its name in error messages."""

    def __init__(self, file: Path, shown: str) -> None:
        # imported here: it takes a millisecond, and few projects have the file
        import configparser

        self._file, self._shown = file, shown
        self._parser = configparser.RawConfigParser(
            inline_comment_prefixes=(";",), strict=False, allow_no_value=True
        )
        try:
            text = file.read_bytes().decode("utf-8-sig")
            self._parser.read_string(text)
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", where=shown) from None
        except UnicodeDecodeError:
            raise ConfigError("is not UTF-8 text", where=shown) from None
        except configparser.Error as error:
            line = getattr(error, "lineno", None) or getattr(error, "errors", [(1,)])[0][0]
            raise ConfigError("is not a section, or name = value", where=f"{shown}:{line}") from None
        self._lines = text.splitlines()

    def settings(self) -> AnsibleCfg:
        """Return what the file says."""
        variables = {
            name: Located(self._value(*key), self._origin(*key))
            for key, name in VARIABLES.items()
            if self._value(*key)
        }
        arguments = self._more_arguments()
        if arguments:
            key, words = arguments
            given = variables.get("ansible_ssh_args")
            text = f"{words} {given.value}" if given else words
            variables["ansible_ssh_args"] = Located(text, given.origin if given else self._origin(*key))
        behaviour = self._value("defaults", "hash_behaviour") or "replace"
        if behaviour not in ("replace", "merge"):
            raise self._wrong(("defaults", "hash_behaviour"), f"must be replace or merge, not {behaviour!r}")
        return AnsibleCfg(
            variables=variables,
            inventory=self._list("inventory"),
            merge=behaviour == "merge",
            vault_password_file=self._value("defaults", "vault_password_file"),
            vault_identity_list=self._list("vault_identity_list"),
            forks=self._number("forks", "", MOST_FORKS),
            ignored_ends=self._list(*self._ignored("extensions")) or None,
            ignored_patterns=self._patterns(),
            roles_path=self._folders("roles_path"),
            folder=self._file.parent,
            unread=tuple(self._unread()),
        )

    def _folders(self, name: str) -> tuple[Path, ...]:
        """Paths that colons separate; they start at the file's folder."""
        words = filter(None, (word.strip() for word in self._value("defaults", name).split(":")))
        return tuple(self._file.parent / Path(word).expanduser() for word in words)

    def _more_arguments(self) -> tuple[tuple[str, str], str] | None:
        """Arguments of ssh for settings that it has by another name, and the setting that they are of."""
        words, key = [], ("defaults", "timeout")
        seconds = self._number("timeout", "seconds ", 3600)
        if seconds:
            words.append(f"-oConnectTimeout={seconds}")
        checking = self._value("defaults", "host_key_checking")
        if checking and checking.lower() not in TRUE:
            key = ("defaults", "host_key_checking")
            words.append("-oStrictHostKeyChecking=no")
        return (key, " ".join(words)) if words else None

    def _unread(self) -> list[str]:
        return [
            f"{self._origin(section, name)} {section}.{name}"
            for section in self._parser.sections()
            for name in self._parser.options(section)
            if (section, name) not in VARIABLES and (section, name) not in OTHERS | NEEDLESS
        ]

    def _ignored(self, what: str) -> tuple[str, str]:
        """The name and the section of a setting that has two names; the second one counts, as in Ansible."""
        later = ("inventory", f"ignore_{what}")
        return (later[1], later[0]) if self._value(*later) else (f"inventory_ignore_{what}", "defaults")

    def _patterns(self) -> tuple[re.Pattern[str], ...]:
        """The regular expressions for names of files that are passed over."""
        name, section = self._ignored("patterns")
        try:
            return tuple(map(re.compile, self._list(name, section)))
        except re.error as error:
            raise self._wrong((section, name), f"is not a regular expression: {error}") from None

    def _number(self, name: str, unit: str, most: int) -> int | None:
        """A number of [defaults]; None if it is not set. unit: of the number, in words."""
        value = self._value("defaults", name)
        if value and not (value.isdecimal() and len(value) <= DIGITS and 1 <= int(value) <= most):
            kind = unit or "a number "
            raise self._wrong(("defaults", name), f"must be {kind}(1 to {most}), not {value!r}")
        return int(value) if value else None

    def _list(self, name: str, section: str = "defaults") -> tuple[str, ...]:
        return tuple(word.strip() for word in self._value(section, name).split(",") if word.strip())

    def _value(self, section: str, name: str) -> str:
        """A value without quotes around it; "" if it is not set."""
        value = self._parser.get(section, name, fallback="") or ""
        value = value.strip()
        return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value

    def _wrong(self, key: tuple[str, str], message: str) -> ConfigError:
        return ConfigError(message, where=f"{self._origin(*key)} {'.'.join(key)}")

    def _origin(self, section: str, name: str) -> Origin:
        """The line of a setting; the last one counts."""
        here, found = "", 1
        for number, line in enumerate(self._lines, 1):
            head = re.match(r"\[([^\]]+)\]", line)
            here = head[1] if head else here
            if here == section and re.match(rf"{re.escape(name)}\s*([=:]|$)", line, re.I):
                found = number
        return Origin(self._shown, found, self._file.parent)
