"""A program's configuration as a whole: checked before any of it is in place. Shipped to hosts (Python
3.8)."""

import hashlib
import os
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Dict, List, Mapping, Sequence, Tuple, Union

from provision.errors import StepError
from provision.secrets import Secret
from provision.steps.base import Change, Diff, Step, check_path, check_text, listed, mode_text, step, wanted
from provision.steps.support.file_changes import text_change
from provision.system.source import Source

if TYPE_CHECKING:
    from provision.system.host import System

#: where a configuration is while it is checked: in memory, readable for root only
STAGED = "/run/prov-staged-%d"
#: nginx: [warn] conflicting server name..., or [core:warn] of Apache
WARNING = re.compile(r"\[(\w+:)?warn\]")
#: what they say of a line that they refuse
NGINX = re.compile(r"\[emerg\] (?:\d+#\d+: )?(?P<why>.+) in (?P<path>/\S+):(?P<line>\d+)$", re.MULTILINE)
APACHE = re.compile(r"Syntax error on line (?P<line>\d+) of (?P<path>/\S+):\n(?P<why>.+)$", re.MULTILINE)
NOT_OURS = " (not prov's file)"
#: run a command ("$@" from the third) that sees one folder where another one is, in a mount namespace of its
#: own
ELSEWHERE = 'mount --bind -- "$1" "$2" && shift 2 && exec "$@"'


@wanted()
class Configuration(Step):
    """Files of a program's configuration that go live together, once the program has accepted the whole.

        conf = configuration.configuration(c, "/etc/apache2", {"conf-enabled/shop.conf": text},
                                           check_with=["apache2", "-t"])
        systemd.service(c, "apache2", reload_on=[conf])

    For `check_with` alone, the folder as it would be, with everyone's files, is mounted over the real one
    (unshare(1), mount(8)). If the check fails, nothing has changed: the program keeps running, and could
    restart.

    folder: the folder to check; created if missing.  files: path below it -> text, bytes, Secret or Source;
    each belongs to root, and missing folders are created.  mode: of the files.
    only: patterns of paths below it, such as "sites-enabled/app-*.conf": other files that match are removed.
    own: also patterns: other files that match are removed if this step of this role made them.
    check_with: argv of the check. Its warnings are shown with the step.
    origins: path -> where a person wrote that file. What the check says of the file, it says of that.
    """

    folder: str
    files: Mapping[str, Union[str, bytes, Secret, Source]]
    check_with: Sequence[str]
    only: Sequence[str] = ()
    own: Sequence[str] = ()
    origins: Mapping[str, str] = ()  # type: ignore[assignment]
    mode: int = 0o644

    DEADLINE = 180.0

    def __post_init__(self) -> None:
        if isinstance(self.files, Mapping):
            sources = {
                path: Source.of(content) if isinstance(content, (str, bytes, Secret)) else content
                for path, content in self.files.items()
            }
            object.__setattr__(self, "files", sources)

    def label(self) -> str:
        return "configuration %s (%s)" % (self.folder, listed(list(self.files), 2))

    def validate(self) -> None:
        check_path(self.folder, "folder")
        if self.folder.strip("/").count("/") == 0:
            raise ValueError("folder must be one program's, not %r" % self.folder)
        if not isinstance(self.files, Mapping):
            raise ValueError("files must map paths to contents, not %r" % (self.files,))
        for path, content in self.files.items():
            check_text(path, "a path of files")
            check_path("/" + path, "a path of files, after a /,")
            if not isinstance(content, Source):
                raise ValueError("%s must be text, bytes, a Secret or a Source, not %r" % (path, content))
        for what, patterns in (("only", self.only), ("own", self.own)):
            if isinstance(patterns, str):
                raise ValueError("%s must be a list of patterns, not one text" % what)
            for pattern in patterns:
                check_path("/" + pattern, "a pattern of %s, after a /," % what)
        if not set(dict(self.origins)) <= set(self.files):
            raise ValueError("origins must be of paths in files")
        if isinstance(self.check_with, str) or not self.check_with:
            raise ValueError("check_with must be a list of words, such as ['nginx', '-t']")
        for word in self.check_with:
            check_text(word, "a word of check_with")
        if not isinstance(self.mode, int) or not 0 <= self.mode <= 0o777:
            raise ValueError("mode must be a number such as 0o644, not %r" % (self.mode,))

    def check(self, host: "System") -> Diff:
        host.files.refuse_shared(self.folder, "the check would follow what they put there")
        found: List[Change] = []
        for path, source in self._sources().items():
            found += self._differences(host, path, source)
        found += [Change("removed", path, "") for path in self._gone(host)]
        return Diff(found) if found else Diff.none("%d files have these contents" % len(self.files))

    def apply(self, host: "System", diff: Diff) -> None:
        try:
            self._apply(host)
        except StepError as error:
            self._name_cause(host, error)
            self._name_origin(error)
            raise

    def _apply(self, host: "System") -> None:
        self._make_folder(host, self.folder)
        if host.planned:
            self._put(host, self.folder)
            self.scratch["why"] = self._foresee(host)
        else:
            self.scratch["why"] = warnings(self._judge(host))
            self._put(host, self.folder)

    def _foresee(self, host: "System") -> str:
        """Have the program see a plan's prediction; return what it warns of. Raises StepError."""
        from provision.system.planned.judging import unknown  # shipped

        result = host.judged(self.check_with, "/etc" if self.folder.startswith("/etc/") else self.folder)
        return (
            warnings(result.require(*self._judging).stderr)
            if result is not None
            else unknown(self.check_with[0])
        )

    def _name_cause(self, host: "System", error: StepError) -> None:
        """Put the refused line, the reason, and whose file it is at the beginning of an error."""
        said = NGINX.search(error.stderr) or APACHE.search(error.stderr)
        if said:
            path = said.group("path")
            ours = path in map(self._at, self.files) or host.ledger.has_made(path)
            words = (os.path.basename(self.check_with[0]), path, said.group("line"), "" if ours else NOT_OURS)
            error.message = "%s refuses %s:%s%s: %s" % (*words, said.group("why"))

    def _name_origin(self, error: StepError) -> None:
        """Have an error name the files that a person wrote: FILE:LINE of nginx, "line LINE of FILE" of Apache."""
        for path, origin in dict(self.origins).items():
            at = re.escape(self._at(path))
            said = re.search(r"%s:(\d+)|line (\d+) of %s" % (at, at), error.stderr)
            if said and self._at(path) in error.message:
                error.message = error.message.replace(self._at(path), origin)
            elif said:
                error.message = "%s:%s: %s" % (origin, said.group(1) or said.group(2), error.message)
            error.stderr = error.stderr.replace(self._at(path), origin)

    def fingerprint(self, host: "System") -> str:
        states = [
            "%s %s"
            % (path, host.files.sha256(self._at(path)) if host.files.exists(self._at(path)) else "absent")
            for path in sorted({*self.files, *self._gone(host)})
        ]
        return hashlib.sha256("\n".join(states).encode()).hexdigest()

    def _sources(self) -> Dict[str, Source]:
        return {path: content for path, content in self.files.items() if isinstance(content, Source)}

    def _at(self, path: str) -> str:
        return "%s/%s" % (self.folder, path)

    def _differences(self, host: "System", path: str, source: Source) -> List[Change]:
        now = host.files.stat(self._at(path))
        if now is not None and now.kind == "file" and host.files.sha256(self._at(path)) == source.sha256:
            if now.mode == self.mode:
                return []
            return [Change("mode of %s" % path, mode_text(now.mode), mode_text(self.mode))]
        if now is not None and now.kind != "file":
            return [Change(path, "a %s" % now.kind, "a file")]
        what = path if now is not None else "new file %s" % path
        if source.secret:
            return [Change(what, "" if now is None else "********", "********")]
        old = host.files.read(self._at(path)) if now is not None else b""
        return [text_change(what, old, host.fetch(source), self._at(path))]

    def _gone(self, host: "System") -> List[str]:
        """Paths that match `only`, or `own` and are prov's, and are not wanted."""
        found = self._matching(host, self.only)
        found += [path for path in self._matching(host, self.own) if self._has_made(host, path)]
        return list(dict.fromkeys(found))

    def _has_made(self, host: "System", path: str) -> bool:
        """Whether this step of this role has made a file, with whatever else it was about then."""
        entry = host.ledger.data["made"].get("path %s" % self._at(path), {})
        about = "configuration %s (" % self.folder
        return entry.get("role") == host.ledger.maker[0] and str(entry.get("step")).startswith(about)

    def _matching(self, host: "System", patterns: Sequence[str]) -> List[str]:
        """Paths that are there, match one of the patterns and are not wanted."""
        found = []
        for pattern in patterns:
            folder, _, last = pattern.rpartition("/")
            for name in host.files.list(self._at(folder) if folder else self.folder):
                path = "%s/%s" % (folder, name) if folder else name
                if fnmatchcase(name, last) and path not in self.files:
                    found.append(path)
        return found

    @property
    def _judging(self) -> Tuple[str, str]:
        """What is said if it is judged to be bad."""
        return (
            "%s rejected %s as it would be" % (" ".join(self.check_with), self.folder),
            "The configuration in place is as it was, and %s keeps running with it."
            % os.path.basename(self.check_with[0]),
        )

    def _judge(self, host: "System") -> str:
        """Have the program see the folder as it would be; returns what it says. Raises StepError."""
        staged = STAGED % os.getpid()
        host.files.mkdir(staged, 0o700, *host.owner("root", "root"))
        whole = "%s/whole" % staged
        try:
            host.run(["cp", "--archive", "--", self.folder, whole]).require("copying %s" % self.folder)
            try:
                self._put(host, whole)
            except StepError as error:
                error.message = error.message.replace(whole, self.folder)
                raise
            argv = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", ELSEWHERE, "sh"]
            return host.ask([*argv, whole, self.folder, *self.check_with]).require(*self._judging).stderr
        finally:
            host.files.remove(staged)

    def _put(self, host: "System", folder: str) -> None:
        """Write what differs, and remove what is not wanted, below the real folder or its copy."""
        for path, source in self._sources().items():
            if self._differences(host, path, source):
                at = "%s/%s" % (folder, path)
                self._make_folder(host, at.rsplit("/", 1)[0])
                host.files.write(at, source, self.mode, *host.owner("root", "root"))
        for path in self._gone(host):
            host.files.remove("%s/%s" % (folder, path))

    def _make_folder(self, host: "System", path: str) -> None:
        if host.files.end(path) is not None:
            return
        self._make_folder(host, path.rsplit("/", 1)[0])
        host.files.mkdir(path, 0o755, *host.owner("root", "root"))


configuration = step(Configuration)


def warnings(said: str) -> str:
    """What a judge that is content warns of, without the times and processes that Apache puts first."""
    found = [line for line in said.splitlines() if WARNING.search(line)]
    return listed([re.sub(r"^(\[[^\]]*\] )+", "", line) for line in found])
