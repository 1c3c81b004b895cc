"""pip and uv behind one interface. Shipped to hosts (Python 3.8, standard library)."""

import configparser
import os
import re
from typing import TYPE_CHECKING, Dict, Iterable, List, NamedTuple, Sequence

from provision.errors import StepError
from provision.steps.support.build_errors import missing_packages, output_of
from provision.steps.support.index_lines import pin, requirement_lines
from provision.system.builds.view import closed_above
from provision.system.command_execution import BASE_ENVIRONMENT

if TYPE_CHECKING:
    from provision.system.builds.sandbox import Build
    from provision.system.command_execution import Result
    from provision.system.host import System

#: pip's options, and uv's equivalent variables (uv does not read pip's configuration: its docs,
#: "Compatibility with pip"). pip separates lists by spaces, uv its find-links by commas
SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}

#: where pip finds the requirements with hashes as constraints
PINS = "prov-pins.txt"
#: what a failure leaves as it was
UNTOUCHED = "Nothing that runs uses this environment yet: what ran before still runs."
PIP = "/etc/pip.conf"
#: an absolute path, alone, in a URL or in a setting
PATH = re.compile(r"(?:^|[\s=,@\"'])(?:file://)?(/[^\s,;#\"']+)", re.MULTILINE)


class Installer(NamedTuple):
    """The installer of an environment's packages.

    uv: its path, or "" for the environment's own pip.  constraints: path of a constraints file, or "".
    """

    uv: str
    venv: str
    environment: Dict[str, str]
    constraints: str

    @property
    def name(self) -> str:
        return "uv" if self.uv else "pip"

    def pinned(self, host: "System", requirements: str, constraints: str) -> "Installer":
        """Return the installer for a requirements file's text. constraints: text of those that are given.

        Before 23.3, pip does not know that the pin and the hashes of `web` are those of `web[extra]`, which another
        package asks for. It does if constraints say them (tried with pip 20.3 to 25.0).
        """
        pins = (
            ""
            if self.uv
            else "".join(line + "\n" for line in map(pin, requirement_lines(requirements)) if line)
        )
        if not pins:
            return self
        path = "%s/%s" % (self.venv, PINS)
        host.files.write(path, (constraints.rstrip() + "\n" + pins).encode(), 0o644, *host.owner(None, None))
        return self._replace(constraints=path)

    def install(self, build: "Build", requirements: str, *flags: str) -> None:
        """Install the packages of a requirements file's text, in a build. Raises StepError.

        flags: --no-deps, and --force-reinstall for installed packages that need to be replaced.
        """
        if "--hash=" in requirements:
            flags = (*flags, "--require-hashes")
        argv = self._uv(flags) if self.uv else self._pip(flags)
        argv += ["--constraint", self.constraints] if self.constraints else []
        argv += ["--requirement", "-" if self.uv else "/dev/stdin"]
        environment = (
            {**uv_environment(build.host, self.environment), **self.environment}
            if self.uv
            else self.environment
        )
        result = build.run(argv, requirements.encode(), environment)
        if result.status:
            raise self._explained(result)

    def _pip(self, flags: Sequence[str]) -> List[str]:
        return [
            self.venv + "/bin/python", "-m", "pip", "install", "--no-input", "--disable-pip-version-check",
            "--progress-bar", "off", *flags,
        ]  # fmt: skip

    def _uv(self, flags: Sequence[str]) -> List[str]:
        named = ["--reinstall" if flag == "--force-reinstall" else flag for flag in flags]
        return [
            self.uv, "pip", "install", "--python", self.venv + "/bin/python", "--no-progress",
            "--no-python-downloads", "--link-mode", "copy", "--compile-bytecode", *named,
        ]  # fmt: skip

    def _explained(self, result: "Result") -> StepError:
        """Return the installer's own last error lines."""
        said = [line.strip() for line in result.stderr.splitlines()]
        marks = ("error: ", "\u00d7 ") if self.uv else ("ERROR: ",)
        first = [line[len(mark) :] for line in said for mark in marks if line.startswith(mark)][:1]
        built = output_of(result.stderr + "\n" + result.stdout)
        needed = missing_packages("\n".join(built))
        advice = UNTOUCHED
        if needed:
            advice = "The build needs %s: an application asks for them with `packages: {build: [%s]}`. %s" % (
                ", ".join(needed),
                ", ".join(needed),
                advice,
            )
        return StepError(
            ": ".join([self.name, *first]) if first else "%s failed" % self.name,
            argv=result.argv,
            status=result.status,
            stdout="\n".join(result.stdout.splitlines()[-10:]),
            stderr="\n".join([*built, *result.stderr.splitlines()[-10:]]),
            hint=advice,
        )


def named_paths(host: "System", texts: Iterable[str]) -> List[str]:
    """Return files and folders of the host that settings of an installer name, such as a folder of wheels.

    Only paths that every user may reach: a repository controls its requirements.
    """
    pip = host.files.read(PIP).decode(errors="replace") if host.files.exists(PIP) else ""
    found = dict.fromkeys(path for text in (*texts, pip) for path in PATH.findall(text))
    return [os.path.normpath(path) for path in found if host.planned or reachable(path)]


def reachable(path: str) -> bool:
    """Return whether every user may pass through the folders above a path."""
    try:
        return not closed_above(os.path.realpath(path))
    except (FileNotFoundError, NotADirectoryError):
        return False


def find_uv(host: "System", user: str) -> str:
    """Return the path of uv on the host, in a plan also of a planned one; "" if the host has none."""
    account = host.accounts.user(user or "root")
    folders = BASE_ENVIRONMENT["PATH"].split(":")
    if account is not None and (user or os.geteuid() or host.facts["init"] == "systemd"):
        # where uv's own installer puts it; without a sandbox, a build cannot be shown files of root's home
        folders.append(account.home + "/.local/bin")
    return next((f + "/uv" for f in folders if host.files.stat(f + "/uv") is not None), "")


def uv_environment(host: "System", given: Dict[str, str]) -> Dict[str, str]:
    """Return the variables that make uv act as pip would here: pip's configuration and PIP_ variables."""
    found: Dict[str, str] = {}
    path = PIP
    if host.files.exists(path):
        settings = configparser.RawConfigParser()
        try:
            settings.read_string(host.files.read(path).decode(errors="replace"))
        except configparser.Error as error:
            raise StepError("%s can't be read: %s" % (path, error.message)) from None
        for section in ("global", "install"):
            found.update(settings.items(section) if settings.has_section(section) else [])
    found.update(
        {
            name[4:].lower().replace("_", "-"): value
            for name, value in given.items()
            if name.startswith("PIP_")
        }
    )
    environment = {"UV_SYSTEM_CERTS": "1"}
    for option, variable in SETTINGS.items():
        if found.get(option):
            words = found[option].split()
            environment[variable] = ",".join(words) if option == "find-links" else " ".join(words)
    if "UV_INDEX" in environment:
        # pip takes the best match of all indexes, uv that of the first index that knows the name
        environment["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return environment
