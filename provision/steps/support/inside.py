"""Names and links from untrusted sources, judged before they are created. Shipped to hosts (Python 3.8).

Repositories and archives of strangers name files as they like. A tree that passes here stays below the folder
in which it is created: each file on its own, and through every link of the tree.
"""

from posixpath import normpath
from typing import Dict, Iterable, List, Mapping, NamedTuple, Set

from provision.system.paths import MAX_LINKS

#: bytes of one name (NAME_MAX), and of a path below its folder, which leaves a quarter of PATH_MAX to the
#: folder
MAX_NAME, MAX_PATH = 255, 3072
#: depth of nested folders; every walk over them stays far from the limits of Python and of rm
MAX_DEPTH = 128


class Fault(NamedTuple):
    """Why something is refused. path: of it.  why: completes "PATH is refused: "."""

    path: str
    why: str


def faults(kinds: Mapping[str, str], links: Mapping[str, str]) -> Iterable[Fault]:
    """Yield what is wrong with the files, links and folders of a tree, in their order.

    kinds: path below the folder -> "file", "link" or "dir".  links: path of each link -> its target.
    """
    clean: Dict[str, str] = {"": ""}
    folders = folders_of(kinds)
    for path, kind in kinds.items():
        why = name_fault(path) or way_fault(path, kinds, clean)
        if not why and kind == "link":
            why = link_fault(path, links, folders)
        if why:
            yield Fault(path, why)


def folders_of(kinds: Mapping[str, str]) -> Set[str]:
    """Return the folders of a tree, including those implied by files below them."""
    found = {path for path, kind in kinds.items() if kind == "dir"}
    for path in kinds:
        above = path.rpartition("/")[0]
        while above and above not in found:
            found.add(above)
            above = above.rpartition("/")[0]
    return found


def name_fault(path: str) -> str:
    """Return why a path is not valid below a folder; "" if it is."""
    parts = path.split("/")
    if path.startswith("/"):
        return "its path is absolute, which leads outside"
    if ".." in parts:
        return "its path leads outside"
    if "" in parts or "." in parts:
        return "its path has an empty part or '.' in it"
    try:
        sizes = [len(part.encode("utf-8")) for part in parts]
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in path):
        return "its name has a control character in it"
    if max(sizes) > MAX_NAME:
        return "its name is longer than %d bytes" % MAX_NAME
    if len(parts) > MAX_DEPTH:
        return "it is more than %d folders deep" % MAX_DEPTH
    if sum(sizes) + len(sizes) > MAX_PATH:
        return "its path is longer than %d bytes" % MAX_PATH
    return ""


def way_fault(path: str, kinds: Mapping[str, str], clean: Dict[str, str]) -> str:
    """Return why the folders above a path cannot be made; "" if they can. clean: folders already judged."""
    above = path.rpartition("/")[0]
    if above not in clean:
        kind = kinds.get(above, "dir")
        if kind == "dir":
            clean[above] = way_fault(above, kinds, clean)
        else:
            clean[above] = "the way through %s, which is a %s, leads outside" % (above, kind)
    return clean[above]


def link_fault(path: str, links: Mapping[str, str], folders: Set[str]) -> str:
    """Return why a link cannot be made; "" if its target is below the folder."""
    target = links[path]
    try:
        size = len(target.encode("utf-8"))
    except UnicodeEncodeError:
        return "what it links to is not UTF-8"
    if not target or "\0" in target or size > MAX_PATH:
        return "its link target is not a path"
    return "a link to %s leads outside" % target if leads_out(path, links, folders) else ""


def leads_out(path: str, links: Mapping[str, str], folders: Set[str]) -> bool:
    """Return whether a link leaves the folder on its way, also through other links of the tree.

    `..` is resolved for folders of the tree only: another path of that name may be a link, now or later.
    """
    done: List[str] = path.split("/")[:-1]
    todo = pieces(links[path])
    if links[path].startswith("/"):
        return True
    followed = 1
    while todo:
        word = todo.pop()
        if word == "..":
            if "/".join(done) not in folders:
                return True
            done.pop()
            continue
        done.append(word)
        target = links.get("/".join(done))
        if target is None:
            continue
        followed += 1
        if target.startswith("/"):
            return True
        if followed > MAX_LINKS:
            # the kernel gives up here, too; programs that do not would go up
            return ".." in todo or ".." in pieces(target)
        done.pop()
        todo += pieces(target)
    return False


def pieces(target: str) -> List[str]:
    """Return the parts of a path, last one first."""
    return [word for word in reversed(target.split("/")) if word not in ("", ".")]


def through_links(path: str, links: Mapping[str, str]) -> str:
    """Return where a path below the folder leads. links: of the tree, those that stay inside."""
    for _ in range(MAX_LINKS):
        parts = path.split("/")
        found = next((n for n in range(1, len(parts) + 1) if "/".join(parts[:n]) in links), 0)
        if not found:
            break
        target = links["/".join(parts[:found])]
        path = normpath("/".join([*parts[: found - 1], target, *parts[found:]]))
    return path
