"""Access control lists: rights of single users and groups. Shipped to hosts (Python 3.8, standard
library)."""

import hashlib
import re
import struct
from typing import TYPE_CHECKING, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, step, wanted
from provision.steps.permissions import SHOWN, below
from provision.steps.support.file_changes import check_patterns

if TYPE_CHECKING:
    from provision.system.host import System
    from provision.system.host_files import Stat

#: linux/posix_acl_xattr.h: how the kernel keeps a list
VERSION = 2
HEADER, ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
NOBODY = 0xFFFFFFFF
USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
TEXT = re.compile(
    r"^(?P<default>d(?:efault)?:)?(?P<kind>u(?:ser)?|g(?:roup)?|m(?:ask)?)"
    r":(?P<name>[^:\s]*):(?P<rights>[r-]?[w-]?[xX-]?)\Z"
)
KINDS = {"u": USER, "g": GROUP, "m": MASK}
WORDS = {USER: "user", GROUP: "group", MASK: "mask"}

#: (tag, id of a user or group) -> rights
Rights = Dict[Tuple[int, int], int]


class AclEntry(NamedTuple):
    """Return an entry as text: "d:u:www-data:rwX"."""

    default: bool
    tag: int
    name: str
    rights: str


@wanted()
class Acl(Step):
    """Rights of single users and groups on a file or directory, besides its owner, group and mode.

        acl.acl(c, "/srv/uploads", ["u:www-data:rwX", "g:editors:rX", "d:u:www-data:rwX"], recursive=True)

    path: absolute.  entries: as setfacl(1) takes them: u (user) or g (group), a name, and any of r, w, x;
    X is x for directories and for files that someone may already execute; "d:" in front makes it a default
    for new files in a directory. "m::rx" limits all of them; without it the mask is the union of their
    rights.
    exclusive: remove other users' and groups' entries; without entries, only the plain mode remains.
    recursive: also for everything in the directory.  exclude: as of permissions.permissions.
    Rights of owner, group and others are those of the mode: see files.file. If a path has a list, the group
    digit of its mode is the mask (acl(5)), so a step that sets its mode must set the same.
    The step calls the kernel directly, so the host needs no setfacl.
    """

    path: str
    entries: Sequence[str] = ()
    exclusive: bool = False
    recursive: bool = False
    exclude: Sequence[str] = ()

    DEADLINE = 1800.0

    def label(self) -> str:
        return "ACL of %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        if isinstance(self.entries, str):
            raise ValueError("entries must be a list")
        parsed = [parse_entry(text) for text in self.entries]
        if len({entry[:3] for entry in parsed}) != len(parsed):
            raise ValueError("two entries are for the same user or group")
        if not parsed and not self.exclusive:
            raise ValueError("give entries, or exclusive to remove all")
        if self.exclude and not self.recursive:
            raise ValueError("exclude needs recursive")
        check_patterns(self.exclude)

    def check(self, host: "System") -> Diff:
        found: List[Change] = []
        for path, _, default, old, new in self._differing(host):
            what = ("default ACL " if default else "ACL ") + path
            for key in sorted({*old, *new}):
                if key[0] in WORDS and old.get(key) != new.get(key):
                    found.append(Change(what, shown(host, key, old), shown(host, key, new)))
        if len(found) > SHOWN:
            found[SHOWN:] = [Change("more entries", "", str(len(found) - SHOWN))]
        return Diff(found) if found else Diff.none("has these rights")

    def apply(self, host: "System", diff: Diff) -> None:
        for path, now, default, _, new in list(self._differing(host)):
            mode = now.mode if default else mode_of(now.mode, new)
            try:
                host.files.set_acl(path, packed(new), mode, default)
            except OSError as error:
                raise refused(path, error) from None

    def fingerprint(self, host: "System") -> str:
        lists = [host.files.acl(path, default) for path, _, default in self._places(host)]
        return hashlib.sha256(b"\0".join(lists)).hexdigest()

    def _places(self, host: "System") -> "Iterator[Tuple[str, Stat, bool]]":
        """(path, current state, whether it is about the default list) of all lists that this is about."""
        top = host.files.stat(self.path)
        if top is None:
            raise StepError("%s does not exist" % self.path, hint="Add a step that makes it before this one.")
        if top.kind not in ("file", "dir") or (self.recursive and top.kind != "dir"):
            kind = "directory" if self.recursive else "file or directory"
            raise StepError("%s is a %s, not a %s" % (self.path, top.kind, kind))
        defaults = any(parse_entry(text).default for text in self.entries)
        if defaults and top.kind != "dir":
            raise StepError("%s is a file: entries with d: are for directories" % self.path)
        for path, now in below(host, self.path, self.exclude) if self.recursive else [(self.path, top)]:
            if now.kind != "link":
                yield path, now, False
            if now.kind == "dir" and (defaults or self.exclusive):
                yield path, now, True

    def _differing(self, host: "System") -> "Iterator[Tuple[str, Stat, bool, Rights, Rights]]":
        """(path, current state, default, the list as it is, as it should be) where these differ."""
        asked = [parse_entry(text) for text in self.entries]
        named = [(e, host_id(host, e)) for e in asked]
        for path, now, default in self._places(host):
            try:
                plain = unpacked(host.files.acl(path), now.mode, False)
                old = unpacked(host.files.acl(path, True), now.mode, True) if default else plain
            except OSError as error:
                raise refused(path, error) from None
            ours = {(e.tag, number): rights_of(e, now) for e, number in named if e.default == default}
            new = merged(old, ours, plain, default, self.exclusive)
            if new != old:
                yield path, now, default, old, new


acl = step(Acl)


# -- lists


def parse_entry(text: str) -> AclEntry:
    """ "d:u:www-data:rwX". Raises ValueError."""
    match = TEXT.match(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("%r is not an entry such as u:www-data:rwX, g:editors:rX or d:u:ada:rw" % (text,))
    tag = KINDS[match.group("kind")[0]]
    if tag == MASK and match.group("name"):
        raise ValueError("a mask cannot have a name: %r" % text)
    if tag != MASK and not match.group("name"):
        raise ValueError(
            "%r: rights of the owner and its group are set by the mode (files.file, files.directory)" % text
        )
    return AclEntry(bool(match.group("default")), tag, match.group("name"), match.group("rights"))


def host_id(host: "System", entry: AclEntry) -> int:
    """The number of an entry's user or group. Raises StepError."""
    if entry.tag == MASK:
        return NOBODY
    return host.accounts.uid(entry.name) if entry.tag == USER else host.accounts.gid(entry.name)


def rights_of(entry: AclEntry, now: "Stat") -> int:
    """The three bits that an entry means for a path."""
    execute = "x" in entry.rights or ("X" in entry.rights and (now.kind == "dir" or now.mode & 0o111))
    return ("r" in entry.rights) << 2 | ("w" in entry.rights) << 1 | bool(execute)


def unpacked(data: bytes, mode: int, default: bool) -> Rights:
    """A list from the kernel's form; where there is none, what the mode says, or nothing for a default
    one."""
    if not data:
        return {} if default else from_mode(mode)
    found = {(tag, number): rights for tag, rights, number in ENTRY.iter_unpack(data[HEADER.size :])}
    if not default:
        # the mode is the newer of the two in a plan that has changed it
        group = MASK if (MASK, NOBODY) in found else GROUP_OBJ
        found.update(
            {(USER_OBJ, NOBODY): mode >> 6 & 7, (group, NOBODY): mode >> 3 & 7, (OTHER, NOBODY): mode & 7}
        )
    return found


def from_mode(mode: int) -> Rights:
    """The list that a mode alone is."""
    return {(USER_OBJ, NOBODY): mode >> 6 & 7, (GROUP_OBJ, NOBODY): mode >> 3 & 7, (OTHER, NOBODY): mode & 7}


def merged(old: Rights, ours: Rights, plain: Rights, default: bool, exclusive: bool) -> Rights:
    """The list with our entries, and with the mask that setfacl(1) would give it.

    plain: the list that is not the default one. A new default list has the rights of owner, group and others from it,
    not from the mode, where the group's digit may be the mask.
    """
    remaining = {key: rights for key, rights in old.items() if not (exclusive and key[0] in (USER, GROUP))}
    new: Rights = {**remaining, **ours}
    named = [rights for (tag, _), rights in new.items() if tag in (USER, GROUP)]
    if not named:
        return {} if default else {key: value for key, value in new.items() if key[0] != MASK}
    if default:
        own = {key: rights for key, rights in plain.items() if key[0] in (USER_OBJ, GROUP_OBJ, OTHER)}
        new = {**own, **new}
    if (MASK, NOBODY) not in ours:
        together = new[GROUP_OBJ, NOBODY]
        for rights in named:
            together |= rights
        new[MASK, NOBODY] = together
    return new


def mode_of(mode: int, rights: Rights) -> int:
    """The permission bits of what has this list."""
    group = rights.get((MASK, NOBODY), rights[GROUP_OBJ, NOBODY])
    return mode & 0o7000 | rights[USER_OBJ, NOBODY] << 6 | group << 3 | rights[OTHER, NOBODY]


def packed(rights: Rights) -> bytes:
    """A list in the kernel's form, which wants it sorted."""
    if not rights:
        return b""
    entries = (ENTRY.pack(tag, rights[tag, number], number) for tag, number in sorted(rights))
    return HEADER.pack(VERSION) + b"".join(entries)


def shown(host: "System", key: Tuple[int, int], rights: Rights) -> str:
    """An entry for people: "user www-data rwx"; "" where there is none."""
    if key not in rights:
        return ""
    tag, number = key
    name: Optional[str] = None
    if tag != MASK:
        name = host.accounts.user_name(number) if tag == USER else host.accounts.group_name(number)
    letters = "".join(letter if rights[key] & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))
    return " ".join(word for word in (WORDS[tag], name, letters) if word)


def refused(path: str, error: OSError) -> StepError:
    """Return the error for the kernel's refusal."""
    import errno

    if error.errno == errno.EOPNOTSUPP:
        return StepError(
            "the file system of %s has no ACLs" % path,
            hint="ext4, xfs, btrfs and tmpfs have them, unless they are mounted with noacl.",
        )
    return StepError("%s: %s" % (path, error.strerror or error))
