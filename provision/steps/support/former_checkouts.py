"""Checkouts of git that a run made or moved: compared and put back by git itself. Shipped for undo.

The differences that the steps recorded say which commit, and which branch, was checked out before. Files that
`force` replaced, and the checkout's remotes, are kept as files are.
"""

import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple, Sequence, Set

from provision.errors import StepError
from provision.steps.base import Change, listed
from provision.steps.support.inside import folders_of, name_fault

if TYPE_CHECKING:
    from provision.system.command_execution import Result
    from provision.system.host import System

#: what labels of git.checkout begin with
LABEL = "checkout /"
#: git must not ask, and a question must not write
QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


class Moved(NamedTuple):
    """A checkout, and the first and the last state that a run's steps recorded.

    before, after: commits, or their beginnings; "" if it was not moved.  branch: that was checked out before;
    "" if a commit was.  new: there was none before.
    """

    path: str
    before: str
    after: str
    branch: str
    new: bool

    def change(self) -> Change:
        was = " ".join(filter(None, [self.branch, self.before]))
        return Change("checkout %s" % self.path, self.after, was)


def moved(steps: Sequence[Dict[str, Any]]) -> List[Moved]:
    """Return all that a run's steps have made or moved. steps: as of Runs.steps."""
    found: Dict[str, Moved] = {}
    for step in steps:
        path = step["step"][len(LABEL) - 1 :]
        if not step["step"].startswith(LABEL) or step["state"] != "changed":
            continue
        changes = {change[0]: change[1:3] for change in step.get("diff", ())}
        before, after = changes.get("commit", ("", ""))
        branch = changes.get("branch", ("", ""))[0]
        first = found.get(path, Moved(path, before, "", branch, "commit" in changes and not before))
        found[path] = first._replace(before=first.before or before, after=after.split(" ")[-1] or first.after)
    return list(found.values())


class Checkouts:
    """Checkouts to put back. refused: those in which someone has worked since.  stays: what can't be put
    back, and why."""

    def __init__(self, host: "System", steps: Sequence[Dict[str, Any]]) -> None:
        self.host = host
        self.refused: List[str] = []
        self.stays: List[str] = []
        self.work: List[Moved] = []
        self._unable: Set[str] = set()
        self._all = moved(steps)
        for each in self._all:
            try:
                self._judge(each)
            except StepError as error:
                self.refused.append("%s (%s)" % (each.path, error.message))

    def labels(self) -> List[str]:
        """Return the steps whose commands are all undone."""
        return ["checkout %s" % each.path for each in self._all if each.path not in self._unable]

    def empties(self, path: str) -> bool:
        """Return whether git takes everything out of a folder."""
        for each in self.work:
            below = path[len(each.path) + 1 :]
            if path.startswith(each.path + "/") or (each.new and path == each.path):
                return not any(name.startswith(below + "/" * bool(below)) for name in self._untracked(each))
        return False

    def removes(self, path: str) -> bool:
        """Return whether a path is in a checkout that goes as a whole."""
        return any(each.new and path.startswith(each.path + "/") for each in self.work)

    def takes(self, path: str) -> bool:
        """Return whether git removes a file, or a folder that holds only its own, when it goes back."""
        for each in self.work:
            if path.startswith(each.path + "/"):
                names = self._tracked(each)
                name = path[len(each.path) + 1 :]
                return name in names or (name in folders_of(names) and self.empties(path))
        return False

    def put_back(self) -> None:
        """Check out what was checked out before, and remove what is new. Raises StepError."""
        for each in self.work:
            if each.new:
                self._remove(each)
                continue
            words = [each.branch] if each.branch else ["--detach", each.before]
            done = self._git(each, "checkout", "--quiet", "--no-overwrite-ignore", *words, runs=True)
            done.require("checking out what was in %s before" % each.path)

    # -- compared

    def _judge(self, each: Moved) -> None:
        """Sort a checkout into work, refused and stays. Raises StepError."""
        if not (each.new or each.before or each.branch):
            # files that are put back, and remotes
            return
        if not self.host.files.exists(each.path + "/.git"):
            self.refused += [] if each.new else ["%s (no longer a checkout)" % each.path]
            return
        now = self._tells(each, "rev-parse", "HEAD").strip()
        branch = self._git(each, "symbolic-ref", "--quiet", "--short", "HEAD").stdout.strip()
        if not each.new and now.startswith(each.before) and branch == each.branch:
            # put back by hand, or by an undo that failed half-way
            return
        said = self._since(each, now, branch)
        if said:
            self.refused.append("%s (%s)" % (each.path, said))
        elif self._tells(each, "submodule", "status").strip():
            self._stay(each, "with submodules")
        elif each.new and each.branch:
            self._stay(each, "its branch %s had no commits" % each.branch)
        else:
            self.work.append(each)

    def _stay(self, each: Moved, why: str) -> None:
        self._unable.add(each.path)
        self.stays.append("checkout %s (%s)" % (each.path, why))

    def _since(self, each: Moved, now: str, branch: str) -> str:
        """Return what someone has done there since; "" for nothing."""
        if branch or not now.startswith(each.after):
            return "now at %s" % (branch or now[:12])
        edited = self._tells(each, "diff", "--name-only", "-z", "HEAD").split("\0")[:-1]
        if edited:
            return "changed: %s" % listed(edited)
        if each.new:
            own = self._tells(each, "for-each-ref", "--format=%(refname)", "refs/heads", "refs/stash").split()
            return "has %s" % listed(own) if own else ""
        if each.branch:
            at = self._git(each, "rev-parse", "--verify", "--quiet", "refs/heads/" + each.branch).stdout
            if not at.startswith(each.before or now):
                return "its branch %s is at %s" % (each.branch, at[:12] or "nothing")
        listing = self._tells(each, "ls-tree", "-r", "-z", "--name-only", each.before or now)
        files = dict.fromkeys(listing.split("\0")[:-1], "file")
        taken = files.keys() | folders_of(files)
        found = [
            name for name in self._untracked(each) if name in taken or folders_of({name: ""}) & files.keys()
        ]
        return "in the way: %s" % listed(found) if found else ""

    def _tracked(self, each: Moved) -> Dict[str, str]:
        """Return files that git tracks, as folders_of takes them.

        The owner of the checkout may have made its index: nothing outside is theirs to name.
        """
        names = self._tells(each, "ls-files", "-z").split("\0")[:-1]
        return {name: "file" for name in names if not name_fault(name)}

    def _untracked(self, each: Moved) -> List[str]:
        """Return files that git does not track, ignored ones too."""
        return self._tells(each, "ls-files", "--others", "-z").split("\0")[:-1]

    # -- removed

    def _remove(self, each: Moved) -> None:
        """Remove a checkout, but not what others have put there."""
        files = self.host.files
        if not self._untracked(each):
            for name in files.list(each.path):
                files.remove("%s/%s" % (each.path, name))
            return
        paths = ["%s/%s" % (each.path, name) for name in self._tracked(each)]
        for path in [*paths, each.path + "/.git"]:
            if files.stat(path) is not None:
                files.remove(path)
        for folder in sorted({above for path in paths for above in between(each.path, path)}, reverse=True):
            if files.stat(folder) is not None and not files.list(folder):
                files.remove(folder)

    # -- git

    def _tells(self, each: Moved, *words: str) -> str:
        return self._git(each, *words).require("asking git about %s" % each.path).stdout

    def _git(self, each: Moved, *words: str, runs: bool = False) -> "Result":
        """Run git as the owner of the checkout: it runs what its configuration names. Raises StepError."""
        now = self.host.files.stat(each.path + "/.git")
        assert now is not None  # it has been looked at
        owner = self.host.accounts.user_name(now.uid)
        if now.uid == os.geteuid():
            self.host.files.refuse_shared(each.path, "git would run what its configuration names")
        start = self.host.run if runs else self.host.ask
        return start(["git", "-C", each.path, *words], user=owner, environment=QUIET)


def between(top: str, path: str) -> Iterator[str]:
    """Yield the folders below top that a path is in."""
    above = path.rsplit("/", 1)[0]
    while len(above) > len(top):
        yield above
        above = above.rsplit("/", 1)[0]
