"""Virtual environments and the packages in them. Shipped to hosts (Python 3.8, standard library)."""

import hashlib
from typing import TYPE_CHECKING, Mapping, Optional, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, step, wanted

if TYPE_CHECKING:
    from provision.agent.commands import Result
    from provision.agent.system import System

#: a file in the environment that tells what was installed into it; written when all of it was
STAMP = "prov-installed"


@wanted()
class Venv(Step):
    """A virtual environment with packages from a requirements file (PEP 668: never the system's Python).

    path: of the environment.  python: the interpreter it is made with.
    requirements: the text of a requirements file; hashes in it are kept and enforced by pip.
    packages: further requirement specifiers.
    An environment that a run left unfinished, or whose interpreter is gone, is made anew.
    """

    path: str
    python: str = "/usr/bin/python3"
    requirements: str = ""
    packages: Sequence[str] = ()
    environment: Mapping[str, str] = ()  # type: ignore[assignment]

    DEADLINE = 1800.0

    def label(self) -> str:
        return "venv %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        check_path(self.python, "python")
        for name in self.packages:
            if name.startswith("-") or "\n" in name:
                raise ValueError("%r is not a requirement" % name)

    def check(self, host: "System") -> Diff:
        if not host.files.exists(self.path + "/bin/python"):
            why = "interpreter is gone" if host.files.stat(self.path) is not None else ""
            return Diff([Change("new environment", why, self.python), *self._wants()])
        stamp = self.path + "/" + STAMP
        if not host.files.exists(stamp):
            return Diff([Change("environment", "unfinished", "made anew"), *self._wants()])
        installed, _, wanted_before = host.files.read(stamp).decode().partition("\n")
        if installed != self._digest():
            return Diff(self._wants(wanted_before.split("\n")))
        return Diff.none("has these packages")

    def apply(self, host: "System", diff: Diff) -> None:
        anew = any(c.what in ("new environment", "environment") for c in diff.changes)
        if anew and host.files.stat(self.path) is not None:
            host.files.remove(self.path)
        if anew:
            self._make(host)
        stamp = self.path + "/" + STAMP
        if host.files.stat(stamp) is not None:
            # an installation that is cut short must not be taken for a finished one
            host.files.remove(stamp)
        self._install(host)
        text = "\n".join([self._digest(), *self._lines()])
        host.files.write(stamp, text.encode(), 0o644, *host.owner(None, None))

    def fingerprint(self, host: "System") -> str:
        stamp = self.path + "/" + STAMP
        return host.files.sha256(stamp) if host.files.exists(stamp) else "absent"

    def _lines(self) -> "list[str]":
        lines = (line.strip() for line in self.requirements.splitlines())
        return [line for line in lines if line and not line.startswith("#")] + list(self.packages)

    def _wants(self, before: Sequence[str] = ()) -> "list[Change]":
        now = self._lines()
        added = [Change("requirement", "", line) for line in now if line not in before]
        dropped = [Change("requirement", line, "") for line in before if line and line not in now]
        return (added + dropped) or [Change("packages", "", "again, for another interpreter or order")]

    def _digest(self) -> str:
        return hashlib.sha256("\n".join([self.python, *self._lines()]).encode()).hexdigest()

    def _make(self, host: "System") -> None:
        result = host.run([self.python, "-m", "venv", self.path], timeout=300)
        if result.status:
            raise StepError(
                "the virtual environment could not be made",
                argv=result.argv,
                status=result.status,
                stdout=result.stdout[-2000:],
                stderr=result.stderr[-2000:],
                hint="Debian and Ubuntu need the package python3-venv for this: the role `python` installs it.",
            )
        if host.planned:
            uid, gid = host.owner(None, None)
            host.files.mkdir(self.path, 0o755, uid, gid)
            host.files.mkdir(self.path + "/bin", 0o755, uid, gid)
            host.files.link(self.path + "/bin/python", self.python)

    def _install(self, host: "System") -> None:
        if not self._lines():
            return
        argv = [
            self.path + "/bin/python", "-m", "pip", "install", "--no-input", "--disable-pip-version-check",
            "--no-compile", "--progress-bar", "off", *self.packages,
        ]  # fmt: skip
        if self.requirements:
            argv += ["--requirement", "/dev/stdin"]
        result = host.run(
            argv, stdin=self.requirements.encode(), environment=dict(self.environment), timeout=1700
        )
        if result.status:
            raise pip_failure(result)


def pip_failure(result: "Result") -> StepError:
    """pip's failure, with its own last words."""
    lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
    first: Optional[str] = lines[0][len("ERROR: ") :] if lines else None
    return StepError(
        "pip: %s" % first if first else "pip failed",
        argv=result.argv,
        status=result.status,
        stdout="\n".join(result.stdout.splitlines()[-10:]),
        stderr="\n".join(result.stderr.splitlines()[-10:]),
        hint="Nothing that runs uses this environment yet: what ran before still runs.",
    )


venv = step(Venv)
