"""Assets of a release that are built on the host. Shipped to hosts (Python 3.8)."""

from typing import TYPE_CHECKING, Mapping, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, check_text, listed, step, wanted
from provision.system.builds.sandbox import building

if TYPE_CHECKING:
    from provision.system.host import System

#: in a release: what its assets were built for, and where they are built
STAMP, FOLDER = ".prov/built", ".prov/build"
#: what is not copied for a build
OURS = (".prov", ".venv")


@wanted()
class Built(Step):
    """Files and folders of a release that a command of its own makes, as a user that can write to nothing else.

    It runs on a copy of the release. What it makes at the paths of `output` goes into the release, as root's.

    release: folder of the release.  argv: the command.  output: paths below the release.
    state: names what it is built from; with another one it is built again.  folder: below the release, where it runs.
    shows: paths of the host that it has to see besides the operating system.  environment: its variables.
    without: paths below the release that the copy lacks, such as links to data that outlives releases.
    cache: name of what builds that trust each other share, such as the user that they run as.
    """

    release: str
    argv: Sequence[str]
    output: Sequence[str]
    state: str
    folder: str = ""
    shows: Sequence[str] = ()
    environment: Mapping[str, str] = ()  # type: ignore[assignment]
    without: Sequence[str] = ()
    cache: str = ""

    DEADLINE = 900.0

    def label(self) -> str:
        return "build %s in %s" % (listed(list(self.output), 3), self.release)

    def validate(self) -> None:
        check_path(self.release, "release")
        if isinstance(self.argv, str) or not self.argv:
            raise ValueError("argv must be a list of words, not %r" % (self.argv,))
        if isinstance(self.output, str) or not self.output:
            raise ValueError("output must be a list of paths, not %r" % (self.output,))
        if isinstance(self.without, str):
            raise ValueError("without must be a list of paths, not %r" % (self.without,))
        for path in (*self.output, *self.without, *([self.folder] if self.folder else [])):
            check_path("/" + path, "a path below the release, after a /,")
        check_text(self.state, "state")

    def check(self, host: "System") -> Diff:
        stamp = "%s/%s" % (self.release, STAMP)
        gone = [path for path in self.output if not host.files.exists("%s/%s" % (self.release, path))]
        if host.files.exists(stamp) and host.files.read(stamp).decode() == self.state and not gone:
            return Diff.none("is built for this state")
        return Diff([Change("build", "", " ".join(self.argv))])

    def apply(self, host: "System", diff: Diff) -> None:
        if not host.planned:
            self._build(host)
        for path in self.output:
            host.files.filling("%s/%s" % (self.release, path))
        host.files.write(
            "%s/%s" % (self.release, STAMP), self.state.encode(), 0o644, *host.owner("root", "root")
        )

    def fingerprint(self, host: "System") -> str:
        stamp = "%s/%s" % (self.release, STAMP)
        return host.files.sha256(stamp) if host.files.exists(stamp) else "absent"

    def _build(self, host: "System") -> None:
        at = "%s/%s" % (self.release, FOLDER)
        self._remove(host, at)
        host.files.mkdir(at, 0o755, *host.owner("root", "root"))
        try:
            names = [name for name in host.files.list(self.release) if name not in OURS]
            paths = ["%s/%s" % (self.release, name) for name in names]
            host.run(["cp", "--archive", "--", *paths, at]).require("copying the release")
            for path in self.without:
                self._remove(host, "%s/%s" % (at, path))
            where = "%s/%s" % (at, self.folder) if self.folder else at
            argv = ["/usr/bin/env", "--chdir=" + where, *self.argv]
            with building(host, at, "prov-build", shows=self.shows, cache=self.cache) as build:
                build.run(argv, environment=dict(self.environment)).require("building %s" % self.release)
            host.files.forget()
            for path in self.output:
                self._take(host, at, path)
        finally:
            self._remove(host, at)

    def _remove(self, host: "System", path: str) -> None:
        host.files.forget()
        if host.files.stat(path) is not None:
            host.files.remove(path)

    def _take(self, host: "System", at: str, path: str) -> None:
        """Put what was built in its place in the release."""
        made, place = "%s/%s" % (at, path), "%s/%s" % (self.release, path)
        if not host.files.exists(made):
            raise StepError(
                "the command has made no %s" % path,
                hint="List in `output` of `build` only what the command makes.",
            )
        self._remove(host, place)
        above = place.rsplit("/", 1)[0]
        host.run(["mkdir", "--parents", "--", above]).require("making %s" % above)
        host.run(["mv", "--no-target-directory", "--", made, place]).require("moving %s" % path)
        host.files.forget()


built = step(Built)
