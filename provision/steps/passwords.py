"""Password files of web servers. Shipped to hosts (Python 3.8, standard library)."""

import hashlib
import json
import os
import re
from typing import TYPE_CHECKING, Dict, List, Mapping, Optional

from provision.errors import StepError
from provision.secrets import MASK, Secret
from provision.steps.base import Change, Diff, Step, check_mode, check_names, check_path, step, wanted
from provision.steps.support.file_changes import (
    attribute_words,
    attributes,
    replaced_mode,
    set_attributes,
    wanted_owner,
)
from provision.system.source import Source

if TYPE_CHECKING:
    from typing import Unpack  # novm: for type checkers only

    from provision.steps.on_controller import Host, Outcome, StepOptions
    from provision.system.host import System

#: a file holds names up to the first colon, a line each
NAME = re.compile(r"^[^:\s\0]+\Z")


@wanted()
class PasswordFile(Step):
    """The users of a web server, with bcrypt hashes of their passwords; see passwords.htpasswd.

    path: of the file; beside it is .NAME.marks, root's alone, by which the host knows what the hashes are of.
    marks: for each user a digest of their password. The hash of one whose mark is the same stays as it is,
    salt and all; without marks, each run would have to compute every hash to compare it, 0.25 s each.
    hashes: made by the controller for the others, which never sends a password.
    mode, owner, group: as of files.file; others than the owner and the group can't read a new file.
    """

    path: str
    marks: Mapping[str, Secret]
    hashes: Source
    mode: Optional[int] = 0o640
    owner: Optional[str] = "root"
    group: Optional[str] = None

    def label(self) -> str:
        return "password file %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        check_mode(self.mode)
        check_names(self, "owner", "group")
        for name in dict(self.marks):
            if not isinstance(name, str) or not NAME.match(name):
                raise ValueError("%r is not the name of a user: no colons, no blanks" % (name,))

    def check(self, host: "System") -> Diff:
        now = host.files.stat(self.path)
        if now is not None and now.kind != "file":
            raise StepError("%s is a %s, expected a file" % (self.path, now.kind))
        there, known = self._lines(host), self._known(host)
        found: List[Change] = []
        for name in sorted(dict(self.marks)):
            if name not in there:
                found.append(Change("user %s" % name, "", MASK))
            elif name not in known:
                found.append(Change("password of %s" % name, MASK, MASK))
        found += [Change("user %s" % name, MASK, "") for name in there if name not in dict(self.marks)]
        if now is None and not found:
            found.append(Change("new file", "", "without users"))
        found += attributes(self, host, now, self.mode)
        return Diff(found) if found else Diff.none("has these users" + attribute_words(self))

    def apply(self, host: "System", diff: Diff) -> None:
        now = host.files.stat(self.path)
        known = self._known(host)
        wanted_names = sorted(dict(self.marks))
        if now is not None and list(self._lines(host)) == wanted_names == sorted(known):
            set_attributes(self, host, now)
            return
        lines = {**known, **self._made(host, [name for name in wanted_names if name not in known])}
        uid, gid = wanted_owner(self, host, now)
        mode = self.mode if self.mode is not None else replaced_mode(now, 0o640)
        text = "".join("%s:%s\n" % (name, lines[name]) for name in wanted_names)
        host.files.write(self.path, text.encode(), mode, uid, gid)
        key = os.urandom(32).hex()
        marks = {name: [digest(lines[name]), self._mark(name, key)] for name in wanted_names}
        host.files.write(
            self._marks_path,
            json.dumps({"key": key, "marks": marks}).encode(),
            0o600,
            *host.owner(None, None),
        )

    def fingerprint(self, host: "System") -> str:
        return host.files.sha256(self.path) if host.files.exists(self.path) else "absent"

    @property
    def _marks_path(self) -> str:
        folder, _, name = self.path.rpartition("/")
        return "%s/.%s.marks" % (folder, name)

    def _lines(self, host: "System") -> Dict[str, str]:
        """The hashes that are there, by name."""
        if not host.files.exists(self.path):
            return {}
        text = host.files.read(self.path).decode(errors="replace")
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def _known(self, host: "System") -> Dict[str, str]:
        """The hashes that are there, and of the passwords that are wanted."""
        if not host.files.exists(self._marks_path):
            return {}
        try:
            record = json.loads(host.files.read(self._marks_path).decode())
            key, marks = str(record["key"]), dict(record["marks"])
        except (ValueError, TypeError, KeyError, RecursionError):
            # damaged: as if nothing was known
            return {}
        return {
            name: line
            for name, line in self._lines(host).items()
            if name in dict(self.marks) and marks.get(name) == [digest(line), self._mark(name, key)]
        }

    def _mark(self, name: str, key: str) -> str:
        """What is kept of a user's mark: with a key of this host's, so that two hosts have nothing in
        common."""
        mark = dict(self.marks)[name].reveal()
        return hashlib.blake2b(mark.encode(), key=key.encode()[:64]).hexdigest()

    def _made(self, host: "System", names: List[str]) -> Dict[str, str]:
        """New hashes for users."""
        if host.planned or not names:
            return dict.fromkeys(names, "predicted")
        made: Dict[str, str] = json.loads(host.fetch(self.hashes, json.dumps(names).encode()).decode())
        return made


def digest(line: str) -> str:
    """What tells a hash from another one."""
    return hashlib.sha256(line.encode()).hexdigest()


# -- on the controller


def htpasswd(
    c: "Host",
    path: str,
    users: "Mapping[str, Secret]",
    *,
    mode: Optional[int] = 0o640,
    owner: Optional[str] = "root",
    group: Optional[str] = None,
    **options: "Unpack[StepOptions]",
) -> "Outcome":
    """A password file for nginx (auth_basic_user_file), Apache (AuthUserFile) and the like, with exactly
    these users.

        passwords.htpasswd(c, "/etc/nginx/htpasswd", {"ann": p.password}, group="www-data")

    users: names, and their passwords.  path, mode, owner, group: of the file.
    The controller hashes the passwords, with bcrypt at cost 12 and a random salt, so the host never gets
    them. A hash stays as long as its password does.
    Raises ConfigError for a password that is not a Secret, or that bcrypt can't take whole (72 bytes).
    """
    from provision.errors import ConfigError
    from provision.steps.on_controller import hashes_of, mark_of

    plain = [name for name, word in users.items() if not isinstance(word, Secret)]
    if plain:
        raise ConfigError("the password of %r must be a Secret" % plain[0])
    marks = {name: mark_of(path, name, word) for name, word in users.items()}
    return password_file(c, path, marks, hashes_of(path, users), mode, owner, group, **options)


password_file = step(PasswordFile)
