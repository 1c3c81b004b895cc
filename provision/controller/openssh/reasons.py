"""Why ssh did not log in: its own message first, then what to do.

Source: the messages of OpenSSH 8.4 to 10 (sshconnect.c, sshconnect2.c, packet.c, channels.c, mux.c), in the
locale C.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
from collections.abc import Sequence

from provision.controller.openssh.arguments import one
from provision.controller.openssh.client_settings import HINT, Settings
from provision.controller.openssh.log import Log
from provision.controller.openssh.user_certificates import expired
from provision.controller.transport import PINNED_HINT, Target
from provision.errors import UnreachableError
from provision.values import dataclass

#: lines of a jump host's or a ProxyCommand's output that are shown
SHOWN = 3
UNKNOWN_KEY = re.compile(r"No (\S+) host key is known for (\S+) and you have requested strict checking")
CHANGED_KEY = re.compile(r"[Hh]ost key for (\S+) has changed and you have requested strict checking")
REVOKED_KEY = re.compile(r"\S+ host key for (\S+) was revoked and you have requested strict checking")
OFFENDING = re.compile(r"^Offending (?:\S+ )?key (?:for IP )?in (.+:\d+)$", re.MULTILINE)
#: ssh's question about the unknown key of a jump host; prov leaves that decision to the user
MAY_CONTINUE = re.compile(r"continue connecting \(yes/no")
OF_UNKNOWN = re.compile(
    r"authenticity of host '(\S+?)(?: \([^)]*\))?' can't be established.*?"
    r"(\S+) key fingerprint is:? ?(SHA256:\S+?)\.?\s",
    re.DOTALL,
)
PASSPHRASE = re.compile(r"passphrase for (?:key )?'?([^']+?)'?:? ?$")
#: final lines that follow more informative ones
TRAILERS = re.compile(
    r"^(Permission denied, please|Host key verification failed|Disconnected from |Connection closed by "
    r"|Connection reset by |terminating, |kex_exchange_identification: |banner exchange: .*UNKNOWN|@+"
    r"|ssh_dispatch_run_fatal: Connection to UNKNOWN)"
)
#: a busy sshd (MaxStartups), or one that re-executes itself: worth a quick retry
DROPPED = re.compile(
    r"kex_exchange_identification: (read: )?Connection (closed|reset)|ssh_exchange_identification|"
    r"Connection (closed|reset) by \S+ port \d+$",
    re.MULTILINE,
)
REFUSED = re.compile(r"connect to host \S+ port \d+: Connection refused")
TOO_MANY = re.compile(r"Too many authentication failures")

#: (ssh's message, what to do)
HINTS = (
    (
        re.compile(r"Could not resolve hostname"),
        "Set ansible_host to an address, or add the name to DNS or ~/.ssh/config.",
    ),
    (
        re.compile(r"stdio forwarding failed|open failed: (connect failed|administratively prohibited)"),
        "Is the host up, and may the jump host connect to it?",
    ),
    (
        re.compile(r"connect to (host|address) |timed out|No route to host|unreachable"),
        "Is the host up, and sshd running on that port?",
    ),
    (
        re.compile(r"no matching .* found|Unable to negotiate"),
        "The host and this machine's ssh have no algorithm in common. Allow one that the host offers in ~/.ssh/config,"
        " for this host only (HostKeyAlgorithms, KexAlgorithms, ...).",
    ),
    (
        re.compile(r"[Bb]ad configuration option|Bad owner or permissions|: line \d+:|no argument after"),
        HINT,
    ),
    (
        re.compile(r"account (has |is )?expired", re.IGNORECASE),
        "The host's administrator has to renew the account: chage -E -1 USER.",
    ),
    (
        DROPPED,
        "sshd ended the connection before the login. Its log says why: journalctl -u ssh on the host. It may be busy"
        " (MaxStartups), or a firewall or fail2ban may refuse this machine.",
    ),
)
LAST_HINT = "Try `prov ssh HOST`, which shows the same login."


@dataclass(frozen=True)
class LoginFailure:
    """One ssh process that has ended without a login.

    log: its log.  said: the stderr output of ssh and of its child processes, for jump hosts or a
    ProxyCommand.  questions: the questions that it asked, in order.
    """

    target: Target
    settings: Settings
    log: Log
    said: str
    questions: Sequence[str] = ()

    def text(self) -> str:
        """Return all messages for users."""
        return "\n".join([*self.said.splitlines(), *self.log.words()])

    def was_dropped(self) -> bool:
        """Return whether sshd closed the connection before it sent anything, without a reason."""
        words = self.log.words()
        return bool(words) and all(DROPPED.search(f"{word}\n") for word in words) and not self.proxy_words()

    def was_refused(self) -> bool:
        """Return whether nothing listens on the port."""
        return REFUSED.search(self.text()) is not None

    def had_too_many_keys(self) -> bool:
        """Return whether sshd ended the login because ssh offered more keys than it allows."""
        return TOO_MANY.search(self.text()) is not None

    def hides_a_proxys_words(self) -> bool:
        """Return whether the connection went over a jump host or a ProxyCommand that left no message."""
        asked_to_continue = any(MAY_CONTINUE.search(question) for question in self.questions)
        return self._has_proxy() and not self.said.strip() and not asked_to_continue

    def _has_proxy(self) -> bool:
        return any(one(self.settings, name) not in ("", "none") for name in ("proxyjump", "proxycommand"))

    def proxy_words(self) -> list[str]:
        """Return the last messages of a jump host's ssh, or of a ProxyCommand."""
        if not self._has_proxy():
            return []
        lines = [line.strip() for line in self.said.splitlines()]
        return [line for line in lines if line and not TRAILERS.match(line)][-SHOWN:]

    def error(self) -> UnreachableError:
        """Return the error for users."""
        return self._of_keys() or self._of_a_jump() or self._of_login() or self._other()

    # -- host keys

    def _of_keys(self) -> UnreachableError | None:
        text = self.text()
        kind, shown = self.log.host_key()
        key = f"{kind} {shown}".strip() or "of a kind that ssh does not tell"
        if unknown := UNKNOWN_KEY.search(text):
            accept = (
                f"Compare the fingerprint with the host's own; to accept it: {self._acceptance(unknown[2])}"
            )
            return UnreachableError(
                f"Host key verification failed: {unknown[0]}: {key}",
                hint=PINNED_HINT if self.target.pinned else accept,
            )
        if changed := CHANGED_KEY.search(text):
            places = ", ".join(OFFENDING.findall(text))
            where = f" ({places})" if places else ""
            remove = "If the host was reinstalled, remove the old key: " + shlex.join(
                ["ssh-keygen", *self._file_of_keys(), "-R", changed[1]]
            )
            return UnreachableError(
                f"{changed[0][0].upper()}{changed[0][1:]}: it is {key}, and another one is known{where}",
                hint=PINNED_HINT if self.target.pinned else remove,
            )
        if revoked := REVOKED_KEY.search(text):
            return UnreachableError(
                f"{revoked[0]}: {key}",
                hint="Find out why: it may have been stolen. The host needs another key.",
            )
        return self._of_a_jumps_key()

    def _acceptance(self, name: str) -> str:
        """Return the command that accepts the host's key."""
        if self._has_proxy() or one(self.settings, "hostkeyalias"):
            # this machine can't scan it, or not by that name
            return f"prov ssh {self.target.name or name} -- true"
        host, _, port = name.removeprefix("[").partition("]:")
        file = "".join(shlex.quote(name) for name in self._file_of_keys()[1:]) or "~/.ssh/known_hosts"
        return f"{scan_command(host, port, self.log.host_key()[0])} >> {file}"

    def _file_of_keys(self) -> list[str]:
        """Return ssh-keygen's option for the known_hosts file; empty for the user's default one."""
        home = pwd.getpwuid(os.getuid()).pw_dir
        first = one(self.settings, "userknownhostsfile").split(" ")[0]
        return [] if first in ("", f"{home}/.ssh/known_hosts") else ["-f", first]

    def _of_a_jumps_key(self) -> UnreachableError | None:
        for question in reversed(self.questions):
            found = OF_UNKNOWN.search(question + "\n")
            if found and MAY_CONTINUE.search(question):
                name, kind, shown = found.groups()
                return UnreachableError(
                    f"Host key verification failed: no host key is known for the jump host {name};"
                    f" it is {kind} {shown}",
                    hint=f"Compare the fingerprint with the host's own; to accept it:"
                    f" prov ssh {self.target.name or self.target.address} -- true",
                )
        return None

    # -- logins

    def _of_a_jump(self) -> UnreachableError | None:
        words = self.proxy_words()
        if not words:
            return None
        jump = one(self.settings, "proxyjump")
        way = f"the jump host {jump}" if jump else "ProxyCommand"
        said = " / ".join(words)
        hint = hint_for(said) or (
            "Check the login on the jump host: User and IdentityFile of it in ~/.ssh/config."
            if "Permission denied" in said
            else "Look at ProxyJump or ProxyCommand in ~/.ssh/config."
        )
        return UnreachableError(f"{way}: {said}", hint=hint)

    def _of_login(self) -> UnreachableError | None:
        text, offered = self.text(), self.log.offered()
        if ended := next((line for line in text.splitlines() if TOO_MANY.search(line)), ""):
            return UnreachableError(
                f"{ended}: too many keys were offered ({len(offered)})",
                hint="Name the one that the host knows: IdentityFile and `IdentitiesOnly yes` in ~/.ssh/config, or"
                " ansible_ssh_private_key_file.",
            )
        denied = next((line for line in self.log.words() if "Permission denied (" in line), "")
        if not denied:
            return None
        notes = [*self._about_keys(offered), *(f"{name} is not there" for name in self.log.missing())]
        locked = next((found[1] for q in self.questions if (found := PASSPHRASE.search(q))), "")
        if locked:
            return UnreachableError(
                "; ".join([f"{denied.rstrip('.')}: the private key {locked} is encrypted", *notes]),
                hint="Load it into an agent first: ssh-add",
            )
        return UnreachableError(
            "; ".join([denied.rstrip("."), *notes]),
            hint="Check ansible_user and ansible_ssh_private_key_file, and that the public key is in the user's"
            " authorized_keys.",
        )

    def _about_keys(self, offered: Sequence[str]) -> list[str]:
        """Return which keys were offered, and why ssh or prov rejects them."""
        names = [key.split()[0] for key in offered]
        notes = [f"offered {', '.join(names)}" if names else "no key was offered"]
        if self.target.password is not None:
            notes.append("the password was refused" if self.questions else "no password was asked for")
        notes += [date for name in names if (date := expired(name))]
        return notes + [line.rstrip(".") for line in self.log.words() if is_about_a_key(line)]

    def _other(self) -> UnreachableError:
        words = self.log.words() or [line.strip() for line in self.said.splitlines() if line.strip()]
        reason = next((word for word in reversed(words) if not TRAILERS.match(word)), "")
        reason = reason or (words[0] if words else "ssh ended without a word")
        return UnreachableError(reason.removeprefix("ssh: ").rstrip("."), hint=hint_for(reason) or LAST_HINT)


def is_about_a_key(line: str) -> bool:
    """Return whether a line says why ssh could not use a key."""
    return line.startswith(("Load key ", "sign_and_send_pubkey", "Permissions ")) or "agent refused" in line


def hint_for(reason: str) -> str:
    """Return what to do; "" if that is unknown."""
    return next((hint for words, hint in HINTS if words.search(reason)), "")


def scan_command(host: str, port: str, kind: str) -> str:
    """Return the command that prints a host's key as a known_hosts line.

    port: "" for 22.  kind: as ssh names it.
    """
    name = "ed25519" if "ed25519" in kind else "ecdsa" if "ecdsa" in kind else "rsa"
    return shlex.join(["ssh-keyscan", *(["-p", port] if port else []), "-t", name, host])
