"""Login shells by kinds of sudo: the users that have them, and the page of the docs that tells what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[3] / "docs/logins.md"

#: column: what sudoers says of {user}
SUDO = {
    "no password": "{user} ALL=(ALL) NOPASSWD: ALL",
    "password": "{user} ALL=(ALL) ALL",
    "sudo-rs": "{user} ALL=(ALL) ALL",
    "in German": "{user} ALL=(ALL) ALL",
    "requiretty": "Defaults:{user} requiretty\n{user} ALL=(ALL) NOPASSWD: ALL",
    "not in sudoers": "",
    "one command": "{user} ALL=(ALL) /usr/bin/id",
}
HANGS = "bash that hangs"
#: row: the login shell, and what its ~/.bashrc begins with
SHELLS = {
    "bash": ("bash", ""),
    "dash": ("dash", ""),
    "fish": ("fish", ""),
    "tcsh": ("tcsh", ""),
    "zsh": ("zsh", ""),
    "bash that prints": ("bash", "echo Welcome; echo to all >&2; seq 5000"),
    "`exec fish` in ~/.bashrc": ("bash", "exec fish"),
    "`exec zsh` in ~/.bashrc": ("bash", "exec zsh"),
    "bash that reads": ("bash", "read -r answer"),
    HANGS: ("bash", "sleep 1000"),
}
#: what a cell says: the words of prov's message
SAYS = {
    "works": "",
    "terminal": "insists on a terminal (requiretty)",
    "refused": "this user may not use sudo",
    "part": "this user may not run everything by sudo",
    "no command": "the login shell does not run the command that it is given",
    "other shell": "the login works, but the agent did not start",
    "reads": "something in the login's start files reads standard input",
    "waits": "the login shell has not begun prov's script within 5 s",
}
PASSWORD = "correct-horse"
HOST_SETUP = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install fish tcsh zsh locales sudo-rs >/dev/null 2>&1
echo 'de_DE.UTF-8 UTF-8' >/etc/locale.gen
locale-gen >/dev/null
mkdir -p /opt/rs
ln -sfn /usr/bin/sudo-rs /opt/rs/sudo
printf 'MaxStartups 200\\nMatch User *-sudors\\n  SetEnv PATH=/opt/rs:/usr/bin:/bin\\nMatch User *-ingerman\\n\
  SetEnv LANG=de_DE.UTF-8 LANGUAGE=de\\n' >/etc/ssh/sshd_config.d/00-table.conf
systemctl reload ssh
"""


@dataclass(frozen=True)
class Login:
    """One cell. user: who logs in there."""

    shell: str
    sudo: str

    @property
    def user(self) -> str:
        row = list(SHELLS).index(self.shell)
        return f"u{row}-{''.join(filter(str.isalnum, self.sudo)).lower()}"

    @property
    def needs_password(self) -> bool:
        return self.sudo not in ("no password", "requiretty")

    def setup(self) -> str:
        """A sh script that makes the user."""
        program, start = SHELLS[self.shell]
        says = SUDO[self.sudo].format(user=self.user)
        return (
            f"useradd -m -s /usr/bin/{program} {self.user}\n"
            f"echo '{self.user}:{PASSWORD}' | chpasswd\n"
            f"mkdir -p -m 700 ~{self.user}/.ssh\n"
            f"cp /root/.ssh/authorized_keys ~{self.user}/.ssh/\n"
            f"echo '{start}' >~{self.user}/.bashrc\n"
            f"chown -R {self.user}: ~{self.user}\n"
            f"cat >/etc/sudoers.d/{self.user} <<'E'\n{says}\nE\n"
        )

    def variables(self) -> dict[str, Any]:
        """What the inventory says besides the address."""
        password = {"ansible_become_password": PASSWORD} if self.needs_password else {}
        return {"ansible_user": self.user, **password}


LOGINS = [Login(shell, sudo) for shell in SHELLS for sudo in SUDO]


def verdict(message: str) -> str:
    """The cell's word for what prov has said; the message itself where there is none."""
    if not message:
        return "works"
    return next((word for word, text in SAYS.items() if text and text in message), message)


def rows(seen: dict[Login, str]) -> list[str]:
    """The table of the page."""
    head = ["login shell", *SUDO]
    lines = [head, ["---"] * len(head)]
    lines += [[shell, *(seen[Login(shell, sudo)] for sudo in SUDO)] for shell in SHELLS]
    return [f"| {' | '.join(line)} |" for line in lines]
