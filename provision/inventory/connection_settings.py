"""How to reach a host, from its ansible_* variables.

Source: Ansible, "Connecting to hosts: behavioral inventory parameters", and the plugins ssh and sudo: where a
setting has several names, the last one in the plugin's list wins. Variables that only tune
are ignored. Others that prov does not follow are refused: without them, prov could reach another host or
none.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from provision.inventory.host_variables import HostVariables
from provision.inventory.located import Located, LocatedError
from provision.inventory.platform_names import PLATFORM, is_own_variable
from provision.inventory.problems import Problems
from provision.inventory.ranges import DIGITS
from provision.inventory.yaml_values import shown
from provision.names import suggestion
from provision.secrets import Secret
from provision.values import dataclass

LOGIN_PASSWORDS = ("ansible_password", "ansible_ssh_pass", "ansible_ssh_password")
BECOME_PASSWORDS = ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass")
PASSWORDS = frozenset(LOGIN_PASSWORDS + BECOME_PASSWORDS)
#: all variables that are read here
NAMES = (
    "ansible_host", "ansible_ssh_host", "ansible_port", "ansible_ssh_port", "ansible_user", "ansible_ssh_user",
    *LOGIN_PASSWORDS, "ansible_private_key_file", "ansible_ssh_private_key_file", "ansible_connection",
    "ansible_python_interpreter", "ansible_ssh_executable", "ansible_ssh_args", "ansible_ssh_common_args",
    "ansible_ssh_extra_args", "ansible_become", *BECOME_PASSWORDS, "ansible_become_method", "ansible_become_user",
    "ansible_sudo_user", "prov_persist", "prov_guard_seconds",
)  # fmt: skip

KINDS: dict[str, Literal["ssh", "lab", "local"]] = {
    "ssh": "ssh",
    "smart": "ssh",
    "paramiko": "ssh",
    "paramiko_ssh": "ssh",
    "lab": "lab",
    "local": "local",
}

#: other connection plugins of Ansible's: such hosts are listed, but can't be reached
ELSEWHERE = (
    "docker", "podman", "buildah", "lxc", "lxd", "incus", "chroot", "jail", "zone", "kubectl", "oc", "winrm",
    "psrp", "network_cli", "netconf", "httpapi", "libssh", "grpc", "aws_ssm", "saltstack", "vmware_tools",
    "libvirt_lxc", "libvirt_qemu", "qubes", "nspawn", "funcd", "iocage", "proxmox_pct_remote",
)  # fmt: skip
CANT_REACH = (
    "prov reaches hosts over SSH; this machine has ansible_connection: local, a host of `prov lab` has lab."
)

SSH_CONFIG = (
    "Write it in ~/.ssh/config, which prov honours: ProxyJump, ProxyCommand, Port, IdentityFile and so on."
)
SSH_AGENT = "Load the key into ssh-agent (ssh-add), or name its file with ansible_ssh_private_key_file."
#: seconds for which connections are kept by default, as Ansible does
PERSIST = 60
LONGEST_PERSIST = 24 * 3600

PLAIN_SUDO = "prov becomes root with plain sudo; what sudo needs belongs in the host's sudoers."
REFUSED: dict[str, str] = {
    "ansible_paramiko_proxy_command": SSH_CONFIG,
    "ansible_ssh_pkcs11_provider": SSH_AGENT,
    "ansible_private_key": SSH_AGENT,
    "ansible_ssh_private_key": SSH_AGENT,
    "ansible_private_key_passphrase": SSH_AGENT,
    "ansible_ssh_private_key_passphrase": SSH_AGENT,
    "ansible_become_exe": PLAIN_SUDO,
    "ansible_sudo_exe": PLAIN_SUDO,
    "ansible_become_flags": PLAIN_SUDO,
    "ansible_sudo_flags": PLAIN_SUDO,
}

# Ansible's BOOLEANS_TRUE and BOOLEANS_FALSE
TRUE = ("y", "yes", "on", "1", "true", "t")
FALSE = ("n", "no", "off", "0", "false", "f")

# ways to say "find it", besides auto, auto_legacy and their _silent forms; prov finds python3 itself
FIND_PYTHON = re.compile(r"auto\w*|python3?|/usr/bin/env python3?")


@dataclass(frozen=True)
class ConnectionSettings:
    """How to reach and become root on a host; None where the inventory says nothing.

    kind: "ssh"; "local": this machine; "lab": address, user, port, key and known hosts come from the lab, by the
    host's name; "other": by a plugin of Ansible's, or on a platform, of the name `plugin`; "ec2": address and known
    hosts are those of its instance, as the block `ec2` says.
    address: ansible_host, else the host's name (which may be an alias in ~/.ssh/config).
    port, user, private_key_file: None leaves them to ~/.ssh/config and its defaults.
    python_interpreter: an absolute path on the host; None finds python3 there.
    paramiko: whether paramiko is asked for.  ssh_executable: the ssh client, by name or path.
    ssh_arguments, more_ssh_arguments: for ssh, before and after those that come of the variables above.
    persist: seconds for which a connection is kept after its last use; 0 keeps none.
    become: whether to use sudo; None means if the login user is not root.
    guard_seconds: until a change that could lock us out is put back, unless a new login has confirmed it.
    """

    kind: Literal["ssh", "lab", "local", "other", "ec2"]
    address: str
    plugin: str = ""
    port: int | None = None
    user: str | None = None
    password: Secret | None = None
    private_key_file: Path | None = None
    python_interpreter: str | None = None
    paramiko: bool = False
    ssh_executable: str = "ssh"
    ssh_arguments: tuple[str, ...] = ()
    more_ssh_arguments: tuple[str, ...] = ()
    persist: int = PERSIST
    become: bool | None = None
    become_password: Secret | None = None
    guard_seconds: float = 60.0


def connection_settings(
    host: HostVariables, variables: Mapping[str, Any], defaults: Mapping[str, Located]
) -> ConnectionSettings:
    """Return the connection settings of a host. Raises ConfigErrors with every error in its variables.

    variables: its final ones, which raise ConfigErrors when one that is read can't be worked out.
    defaults: those of ansible.cfg, for hosts that a login reaches.
    """
    reader = SettingsReader(host, variables, defaults)
    kind = reader.kind()
    if kind == "other" and not reader.platform():
        # listed, never reached: how Ansible logs in there, and becomes root, is not prov's to judge
        address = reader.address("ansible_host", "ansible_ssh_host") or host.name
        reader.problems.raise_any()
        return ConnectionSettings(kind, address, reader.plugin())
    reader.refuse_others()
    settings = ConnectionSettings(
        kind=kind,
        address=reader.address("ansible_host", "ansible_ssh_host") or host.name,
        plugin=reader.platform() or reader.plugin() if kind == "other" else "",
        port=reader.port("ansible_port", "ansible_ssh_port"),
        user=reader.text("ansible_user", "ansible_ssh_user"),
        password=reader.secret(*LOGIN_PASSWORDS),
        private_key_file=reader.path("ansible_private_key_file", "ansible_ssh_private_key_file"),
        python_interpreter=reader.interpreter("ansible_python_interpreter"),
        paramiko=reader.paramiko(),
        ssh_executable=reader.executable("ansible_ssh_executable"),
        ssh_arguments=reader.words("ansible_ssh_args"),
        more_ssh_arguments=(
            *reader.words("ansible_ssh_common_args"),
            *reader.words("ansible_ssh_extra_args"),
        ),
        persist=reader.seconds("prov_persist", PERSIST),
        become=reader.boolean("ansible_become"),
        become_password=reader.secret(*BECOME_PASSWORDS),
        guard_seconds=reader.guard_seconds("prov_guard_seconds"),
    )
    reader.problems.raise_any()
    return settings


class SettingsReader:
    """Takes typed values from a host's variables; of a setting's several names, the weakest comes first."""

    def __init__(
        self, host: HostVariables, variables: Mapping[str, Any], defaults: Mapping[str, Located]
    ) -> None:
        self.host, self.variables, self.defaults = host, variables, {}
        self.problems = Problems()
        self._secrets: list[str] = []
        if KINDS.get(self.plugin()) == "ssh":
            self.defaults = dict(defaults)

    def wrong(self, name: str, message: str, hint: str = "") -> None:
        """Gather an error about a variable, which quotes nothing of a vault."""
        error = self.host.error_as_written((name,), message, hint)
        if name not in self.host.located and name in self.defaults:
            error = LocatedError(self.defaults[name].origin, (name,), message, hint=hint)
        if self._secrets:
            from provision.agent.secret_masks import Masks

            error.hide(Masks(self._secrets).hide)
        self.problems.add(error)

    def value(self, *names: str) -> tuple[str, Any]:
        """The strongest of the variables that is set, and its value; None, with an error, if it can't be read."""
        for name in reversed(names):
            value = None
            with self.problems.gathered():
                value = self.variables.get(name)
            if isinstance(value, Secret):
                value = value.reveal()
                self._secrets.append(value)
            if value is None or value == "":
                continue
            return name, value
        for name in names:
            if name in self.defaults:
                return name, self.defaults[name].value
        return names[0], None

    def text(self, *names: str) -> str | None:
        name, value = self.value(*names)
        if value is None:
            return None
        if not isinstance(value, str):
            self.wrong(name, f"must be text, not {shown(value)}", "Put it in quotes.")
            return None
        if value != value.strip() or not value.isprintable() or value.startswith("-"):
            self.wrong(
                name, f"{shown(value)} begins with '-', has blanks around it, or contains a line break"
            )
            return None
        return str(value)

    def address(self, *names: str) -> str | None:
        """A name or an IP address alone: only some programs would accept a user or a port in it."""
        name, _ = self.value(*names)
        value = self.text(*names)
        if value is None:
            return None
        if "@" in value or (value.count(":") == 1 and not value.startswith("[")) or value.startswith("["):
            hint = "Write the user into ansible_user, and the port into ansible_port."
            self.wrong(name, f"must be a name or an address alone, not {shown(value)}", hint)
            return None
        return value

    def secret(self, *names: str) -> Secret | None:
        name, value = self.value(*names)
        if value is not None and not isinstance(value, str):
            # YAML has already changed it: 0123 is 83, and `yes` is true
            self.wrong(name, "must be text", "Put the password in quotes.")
            return None
        return None if value is None else Secret(str(value))

    def port(self, *names: str) -> int | None:
        name, value = self.value(*names)
        number = (
            int(value) if isinstance(value, str) and value.isdecimal() and len(value) <= DIGITS else value
        )
        if value is None:
            return None
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= 65535:
            self.wrong(name, f"must be a port (1 to 65535), not {shown(value)}")
            return None
        return number

    def seconds(self, name: str, default: int) -> int:
        _, value = self.value(name)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LONGEST_PERSIST:
            self.wrong(name, f"must be a number of seconds (0 to {LONGEST_PERSIST}), not {shown(value)}")
            return default
        return value

    def words(self, name: str) -> tuple[str, ...]:
        """Arguments of a program, as a shell splits them."""
        _, value = self.value(name)
        if value is None:
            return ()
        if not isinstance(value, str) or not value.isprintable():
            self.wrong(name, f"must be arguments of ssh on one line, not {shown(value)}")
            return ()
        try:
            return tuple(shlex.split(value))
        except ValueError as error:
            self.wrong(name, f"can't be split into arguments: {str(error).lower()}")
            return ()

    def executable(self, name: str) -> str:
        """A program: its name, or its path, which starts at the inventory file unless it is absolute."""
        value = self.text(name)
        if value is None:
            return "ssh"
        return str(self.path(name) or value) if "/" in value else value

    def boolean(self, name: str) -> bool | None:
        _, value = self.value(name)
        word = str(value).lower()
        if value is None:
            return None
        if not isinstance(value, (bool, int, str)) or word not in TRUE + FALSE:
            self.wrong(name, f"must be true or false, not {shown(value)}")
            return None
        return word in TRUE

    def path(self, *names: str) -> Path | None:
        """A file of this machine; `~` is the user's home, a relative path starts at the inventory file."""
        name, _ = self.value(*names)
        value = self.text(*names)
        origin = self.host.origin_as_written((name,))
        if origin is None and name in self.defaults:
            origin = self.defaults[name].origin
        if value is None or origin is None:
            return None
        try:
            return origin.folder / Path(value).expanduser()
        except RuntimeError:  # ~name of a user that does not exist
            self.wrong(name, f"no such home folder: {value!r}")
            return None

    def interpreter(self, name: str) -> str | None:
        value = self.text(name)
        if value is None or FIND_PYTHON.fullmatch(value):
            return None
        if not value.startswith("/") or " " in value:
            self.wrong(
                name, f"must be an absolute path, not {shown(value)}", "Remove it, and prov finds python3."
            )
            return None
        return value

    def guard_seconds(self, name: str) -> float:
        _, value = self.value(name)
        if value is None:
            return ConnectionSettings.guard_seconds
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value <= 3600:
            self.wrong(name, f"must be a number of seconds from 1 to 3600, not {shown(value)}")
            return ConnectionSettings.guard_seconds
        return float(value)

    def plugin(self) -> str:
        """The connection plugin, by the last part of its name."""
        return (self.text("ansible_connection") or "ssh").rpartition(".")[2]

    def kind(self) -> Literal["ssh", "lab", "local", "other", "ec2"]:
        plugin = self.plugin()
        if self.platform():
            return "other"
        named = self.value("ansible_host", "ansible_ssh_host")[1]
        if "ec2" in self.host.located and named is None and KINDS.get(plugin) == "ssh":
            return "ec2"
        if plugin in ELSEWHERE:
            return "other"
        if plugin not in KINDS:
            wrong = self.text("ansible_connection")
            message = f"{wrong!r} is not one of ssh, local, lab.{suggestion(plugin, [*KINDS, *ELSEWHERE])}"
            self.wrong("ansible_connection", message, CANT_REACH)
        return KINDS.get(plugin, "ssh")

    def platform(self) -> str:
        """The platform of a target that is not a host; "" for hosts."""
        name = self.host.named(PLATFORM)
        if name not in self.host.located:
            return ""
        value = None
        with self.problems.gathered():
            value = self.variables.get(name)
        own = name == PLATFORM and is_own_variable(value, self.host.located)
        return "" if value is None or own else str(value)

    def paramiko(self) -> bool:
        """Whether Ansible's plugin of that name is asked for."""
        return self.plugin() in ("paramiko", "paramiko_ssh")

    def refuse_others(self) -> None:
        """Refuse variables that change how a host is reached or who root is, in ways that prov does not
        follow."""
        for name, hint in REFUSED.items():
            if self.value(name)[1] is not None:
                self.wrong(name, "is not supported", hint)
        method = self.text("ansible_become_method")
        if method not in (None, "sudo", "ansible.builtin.sudo"):
            self.wrong("ansible_become_method", f"{method!r} is not supported", PLAIN_SUDO)
        for name in ("ansible_become_user", "ansible_sudo_user"):
            if self.text(name) not in (None, "root"):
                self.wrong(
                    name,
                    f"must be root, not {shown(self.value(name)[1])}",
                    "Steps take a user of their own.",
                )
