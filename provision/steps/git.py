"""Checkouts of git repositories on the host. Shipped to hosts (Python 3.8, standard library)."""

import os
import re
import shlex
from typing import TYPE_CHECKING, Dict, List

from provision.errors import StepError
from provision.secrets import logins
from provision.steps.base import Change, Diff, Step, check_path, check_text, listed, step, wanted
from provision.steps.support.foresight import foresee, foreseen
from provision.steps.support.inside import folders_of, name_fault
from provision.system.command_execution import failure

if TYPE_CHECKING:
    from provision.system.command_execution import Result
    from provision.system.host import System

COMMIT = re.compile(r"^[0-9a-f]{40}([0-9a-f]{24})?\Z")
#: git-check-ref-format(1), as far as it keeps a name from being an option or a path
REF = re.compile(r"^[A-Za-z0-9_][\w./+@-]*\Z", re.ASCII)


@wanted()
class Checkout(Step):
    """The files of a git repository at a branch, tag or commit, fetched by the host itself.

        git.checkout(c, "https://git.example.org/shop.git", "/srv/shop/src", "v1.4", user="shop")

    url: https, ssh ("git@host:shop.git"), or an absolute path on the host.  path: the working directory;
    its parent must exist and be writable for the user.
    ref: a branch, a tag or a full commit; "HEAD" is the remote's own branch. The checkout is detached at
    the remote's current commit for it; if a full commit is already checked out, the remote is not asked.
    submodules: also theirs, recursively, at the commits that the repository names.
    force: discard changes to tracked files, and untracked files that are in the way; otherwise such a
    checkout is refused.
    Other untracked files always stay. A plan, too, looks for files in the way, and for that may fetch the
    list of the commit's files.
    depth: commits of history that a fetch brings; 0 brings all.
    remote: a name for the url in the checkout, such as "origin"; "" leaves its remotes.
    key_file: a private key on the host (a deploy key; readable for the user only), put there by files.file.
    known_hosts: a file with the server's key, else the user's own; an unknown server is never trusted.
    user: runs git and owns the files; "" is the login's own.
    Undo checks out what was checked out before, a branch too, with the files that force replaced; a new
    checkout is removed. It is refused if someone has worked there since. Commits that were fetched stay.
    Needs git on the host.  To send a checkout of the controller instead, see the role app.
    Source: git-checkout(1), git-ls-remote(1), ssh_config(5).
    """

    url: str
    path: str
    ref: str = "HEAD"
    submodules: bool = False
    force: bool = False
    key_file: str = ""
    known_hosts: str = ""
    user: str = ""
    depth: int = 0
    remote: str = ""

    DEADLINE = 1800.0

    def label(self) -> str:
        return "checkout %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        check_text(self.url, "url")
        if self.path.strip("/").count("/") == 0:
            raise ValueError("refusing to check out at %r, a directory of the root" % self.path)
        if not re.match(r"^(https?://|ssh://|git://|file:///|/|[\w.-]+@[\w.-]+:)[^\s]+\Z", self.url):
            raise ValueError("url must be https, ssh or an absolute path, not %r" % self.url)
        if self.url.startswith("http") and logins(self.url):
            raise ValueError(
                "url must not contain a login, which the host's users would see; use a deploy key (key_file)"
            )
        if not REF.match(self.ref) or ".." in self.ref:
            raise ValueError("%r is not the name of a branch, tag or commit" % (self.ref,))
        if isinstance(self.depth, bool) or not isinstance(self.depth, int) or self.depth < 0:
            raise ValueError("depth must be a number of commits, not %r" % (self.depth,))
        if self.remote and (not REF.match(self.remote) or "/" in self.remote):
            raise ValueError("%r is not the name of a remote" % (self.remote,))
        for what, path in (("key_file", self.key_file), ("known_hosts", self.known_hosts)):
            if path:
                check_path(path, what)

    def check(self, host: "System") -> Diff:
        if not self.user and not self.as_user:
            why = "git would follow what they put there, and run what its configuration names"
            host.files.refuse_shared(self.path, why)
        there = host.files.exists(self.path + "/.git")
        if not there and host.files.list(self.path):
            raise StepError(
                "%s is not empty and not a checkout" % self.path,
                hint="Remove it with files.absent before this step if nothing in it is needed.",
            )
        known = foreseen(host, self.label())
        now = known.split(" ")[0] if known else self._now(host) if there else ""
        want = self.ref if COMMIT.match(self.ref) else self._remote(host)
        if known == self._foreseen(want):
            return Diff.none("is at %s" % want[:12])
        found: List[Change] = []
        if now != want or not want:
            found.append(Change("commit", now[:12], "%s %s" % (self.ref, want[:12])))
        if there and known is None:
            edited = self._edited(host)
            if host.planned and found and not self.force:
                self._refuse_to_overwrite(host, want)
            found += edited
            if not found and self.submodules:
                found += self._modules(host)
        remote = self._remote_url(host) if there and self.remote else ""
        if self.remote and remote != self.url:
            found.append(Change("remote %s" % self.remote, remote, self.url))
        if there and found and known is None:
            self._refuse_locked(host)
        branch = self._branch(host) if there and found and known is None else ""
        if branch:
            found.append(Change("branch", branch, "detached"))
        return Diff(found) if found else Diff.none("is at %s" % want[:12])

    def apply(self, host: "System", diff: Diff) -> None:
        want = self.ref if COMMIT.match(self.ref) else self._remote(host)
        self._keep(host)
        if not host.files.exists(self.path + "/.git"):
            self._run(host, "init", "--quiet", "--", self.path, where="/")
            # the home directory of a user that the plan adds is not in its picture
            if host.planned and host.files.exists(self.path.rsplit("/", 1)[0]):
                for folder in (self.path, self.path + "/.git"):
                    if not host.files.exists(folder):
                        host.files.mkdir(folder, 0o755, *host.owner(self.user or None, None))
        if not host.planned:
            self._fetch(host, want)
            if not self.force:
                self._refuse_to_overwrite(host, want)
            self._keep_files(host, want)
        if self.remote:
            section = "remote.%s." % self.remote
            self._run(host, "config", section + "url", self.url)
            self._run(host, "config", section + "fetch", "+refs/heads/*:refs/remotes/%s/*" % self.remote)
        self._run(host, "checkout", "--quiet", "--detach", "--force", want)
        if self.submodules:
            self._run(host, "submodule", "sync", "--quiet", "--recursive")
            self._run(host, "submodule", "update", "--quiet", "--init", "--recursive", "--force")
        foresee(host, self.label(), self._foreseen(want))

    def fingerprint(self, host: "System") -> str:
        known = foreseen(host, self.label())
        if known is not None:
            return known.split(" ")[0]
        return self._now(host) if host.files.exists(self.path + "/.git") else "absent"

    def _keep(self, host: "System") -> None:
        """Keep for undo whether there is a checkout, and its remotes."""
        record = host.files.record
        if record is not None:
            new = not host.files.exists(self.path + "/.git")
            record.keep_path(self.path if new else self.path + "/.git/config")

    def _keep_files(self, host: "System", want: str) -> None:
        """Keep for undo the files that force gives up, and those that git is going to track."""
        record = host.files.record
        if record is None:
            return
        edited = self._ask(host, "diff", "--name-only", "-z", "HEAD").stdout.split("\0")
        names = [*filter(None, edited), *self._met(host, want)]
        # the owner of the checkout may have made its index: nothing outside is theirs to name
        for name in (name for name in names if not name_fault(name)):
            folders = name.split("/")
            for count in range(1, len(folders) + 1):
                record.keep_path("/".join([self.path, *folders[:count]]))

    def _branch(self, host: "System") -> str:
        """The branch that is checked out; "" if a commit is."""
        return self._ask(host, "symbolic-ref", "--quiet", "--short", "HEAD").stdout.strip()

    def _foreseen(self, want: str) -> str:
        return "%s %s %s %s" % (want, self.submodules, self.remote, self.url if self.remote else "")

    def _remote_url(self, host: "System") -> str:
        return self._ask(host, "config", "--get", "remote.%s.url" % self.remote).stdout.strip()

    def _has(self, host: "System", want: str) -> bool:
        return self._ask(host, "cat-file", "-e", want + "^{commit}").status == 0

    def _fetch(self, host: "System", want: str) -> None:
        """Have the commit here. Raises StepError."""
        if self._has(host, want):
            return
        if self.depth:
            argv = self._argv(
                ("fetch", "--quiet", "--no-tags", "--depth=%d" % self.depth, "--", self.url, want), ""
            )
            host.run(argv, user=self.user, environment=self._environment())
            if self._has(host, want):
                return
        # a server need not give out a commit by its name alone: then all branches are fetched
        refs = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        self._run(host, "fetch", "--quiet", "--no-tags", "--", self.url, *refs)
        if not self._has(host, want):
            raise StepError("no branch or tag of %s has the commit %s" % (self.url, want))

    def _now(self, host: "System") -> str:
        """The commit that is checked out; "" if a run ended before there was one."""
        said = self._ask(host, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if "dubious ownership" in said.stderr:
            raise failure("git does not trust %s" % self.path, said, "Pass user: the owner of the checkout.")
        if "not a git repository" in said.stderr:
            hint = "Remove %s with files.absent before this step if nothing in it is needed." % self.path
            raise failure("%s/.git is damaged, or no repository" % self.path, said, hint)
        return said.stdout.strip() if said.status == 0 else ""

    def _remote(self, host: "System") -> str:
        """The commit that the remote has for the ref now. In a plan "" if the host has no git yet."""
        if host.planned and not self._askable(host):
            return ""
        ref = self.ref
        names = ["HEAD"] if ref == "HEAD" else [ref, ref + "^{}"]
        said = self._ask(host, "ls-remote", "--", self.url, *names, where="/")
        if said.status:
            raise self._explained(said, "asking %s for %s" % (self.url, ref))
        lines = [line.partition("\t") for line in said.stdout.splitlines()]
        found: Dict[str, str] = {name: commit for commit, _, name in lines}
        # an annotated tag is an object of its own; ^{} is the commit that it means
        order = ("refs/heads/%s", "refs/tags/%s^{}", "refs/tags/%s", "%s")
        for name in (form % ref for form in order):
            if name in found:
                return found[name]
        raise StepError("%s has neither a branch nor a tag %r" % (self.url, ref))

    def _askable(self, host: "System") -> bool:
        """Whether git, user, key and known hosts are really there, and not only foreseen by the plan."""
        import shutil

        from provision.system.command_execution import BASE_ENVIRONMENT

        real = shutil.which("git", path=BASE_ENVIRONMENT["PATH"]) is not None
        keys = all(host.runnable(path) for path in (self.key_file, self.known_hosts) if path)
        keys = keys and not any(host.files.predicted(path) for path in self._trusted(host))
        if self.user:
            import pwd

            real = real and self.user in {entry.pw_name for entry in pwd.getpwall()}
        return real and keys and (not self.url.startswith("/") or host.runnable(self.url))

    def _trusted(self, host: "System") -> List[str]:
        """What decides whether the server is trusted, and we by it."""
        account = host.accounts.user(self.user or host.accounts.user_name(os.geteuid()))
        own = [self.known_hosts] if self.known_hosts else ["/etc/ssh/ssh_known_hosts"]
        own += ["%s/.ssh/known_hosts" % account.home] if account and not self.known_hosts else []
        return [*own, *([self.key_file] if self.key_file else [])]

    def _edited(self, host: "System") -> List[Change]:
        """Tracked files that someone has changed. Raises StepError unless they may be given up."""
        said = self._ask(host, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all")
        files = [line[3:] for line in said.stdout.splitlines()]
        if not files or not self._now(host):
            return []
        if not self.force:
            raise StepError(
                "tracked files in %s have local changes: %s" % (self.path, listed(files)),
                hint="See them with `git diff` there; force=True discards them.",
            )
        return [Change("changed file", name, "as in the commit") for name in files[:20]]

    def _refuse_locked(self, host: "System") -> None:
        """Raise StepError if git could not write its index (git-checkout(1) fails then)."""
        lock = self.path + "/.git/index.lock"
        if host.files.exists(lock):
            raise StepError(
                "%s exists: git is at work there, or was killed" % lock,
                hint="If no git runs there (`fuser -v %s`), remove that file." % lock,
            )

    def _refuse_to_overwrite(self, host: "System", want: str) -> None:
        """Raise StepError if files that git does not track are where the commit has others."""
        lost = self._lost(host, want)
        if lost:
            raise StepError(
                "%s of %s would replace files in %s that git does not track: %s"
                % (want[:12], self.url, self.path, listed(lost)),
                hint="Move them away; force=True discards them.",
            )

    def _lost(self, host: "System", want: str) -> List[str]:
        """Return files that git does not track where the commit has others."""
        return [path for path, same in self._met(host, want).items() if not same]

    def _met(self, host: "System", want: str) -> Dict[str, bool]:
        """Return files that git does not track where the commit has something, and whether that is the same: a
        checkout that was cut short has left it."""
        theirs = self._ask(host, "ls-files", "--others", "-z").require("listing files").stdout.split("\0")
        if theirs == [""]:
            return {}
        if self._has(host, want):
            listing = (
                self._ask(host, "ls-tree", "-r", "-z", want).require("listing files of the commit").stdout
            )
        else:
            listing = self._listing(host, want)
        blobs = {entry.partition("\t")[2]: entry.split()[2] for entry in listing.split("\0") if entry}
        folders = folders_of(dict.fromkeys(blobs, "file"))
        met = {}
        for path in filter(None, theirs):
            if path in folders or folders_of({path: "file"}) & blobs.keys():
                met[path] = False
            elif path in blobs:
                met[path] = self._ask(host, "hash-object", "--", path).stdout.strip() == blobs[path]
        return met

    def _listing(self, host: "System", want: str) -> str:
        """The files of a commit that only the remote has, as ls-tree gives them; "" if it does not give them
        out.

        It is fetched into a folder that is removed again: a plan leaves nothing.
        """
        options = {"user": self.user, "environment": self._environment()}
        folder = host.ask(["mktemp", "-d"], **options).require("making a folder").stdout.strip()
        try:
            self._ask(host, "init", "--quiet", "--bare", where=folder).require("making a repository")
            fetch = ("fetch", "--quiet", "--no-tags", "--depth=1", "--filter=blob:none", "--", self.url, want)
            if self._ask(host, *fetch, where=folder).status:
                return ""
            return self._ask(host, "ls-tree", "-r", "-z", want, where=folder).stdout
        finally:
            host.ask(["rm", "-rf", "--", folder], **options)

    def _modules(self, host: "System") -> List[Change]:
        """Submodules that are not there, or at another commit (git-submodule(1), "status")."""
        lines = self._ask(host, "submodule", "status", "--recursive").stdout.splitlines()
        return [Change("submodule", "", line[1:].split()[1]) for line in lines if line[:1] in "-+U"]

    def _ask(self, host: "System", *words: str, where: str = "") -> "Result":
        return host.ask(
            self._argv(words, where), user=self.user, environment=self._environment(), timeout=120
        )

    def _run(self, host: "System", *words: str, where: str = "") -> None:
        done = host.run(self._argv(words, where), user=self.user, environment=self._environment())
        if done.status:
            raise self._explained(done, "git %s" % words[0])

    def _argv(self, words: "tuple[str, ...]", where: str) -> List[str]:
        return ["git", "-C", where or self.path, *words]

    def _environment(self) -> Dict[str, str]:
        ssh = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
        if self.key_file:
            ssh += ["-i", self.key_file, "-o", "IdentitiesOnly=yes"]
        if self.known_hosts:
            ssh += ["-o", "UserKnownHostsFile=%s" % self.known_hosts]
        # a question must not write, and `git status` would refresh the index
        quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
        # git hands the command to a shell (git(1)), so it is quoted
        return {**quiet, "GIT_SSH_COMMAND": " ".join(map(shlex.quote, ssh))}

    def _explained(self, result: "Result", doing: str) -> StepError:
        hint = ""
        if result.status == 127:
            hint = 'Add apt.packages(c, "git") before this step.'
        elif "Host key verification failed" in result.stderr:
            hint = "Put the server's key into a file on the host, and pass it as known_hosts."
        elif "Permission denied" in result.stderr or "Authentication failed" in result.stderr:
            hint = "Check that the server knows this deploy key (key_file), and that the user can read it."
        return failure("%s failed" % doing, result, hint)


checkout = step(Checkout)
