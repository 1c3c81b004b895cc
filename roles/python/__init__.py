"""Python with virtual environments: the distribution's, and the versions that applications ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from provision.apps.app_model import PYTHONS
from provision.errors import ConfigError
from provision.inventory.fields import matching
from provision.role import Host, Params, task
from provision.steps import apt, fetch, files

Version = Annotated[str, matching(r"3\.\d+", "a version like '3.13'")]


class Archive(Params):
    """A Python as an archive whose only folder has `bin` and `lib`, such as those of python-build-standalone."""

    url: str
    """A URL, or a path on the host."""
    sha256: Annotated[str, matching(r"[0-9a-f]{64}", "a SHA-256 of 64 hex digits")]
    """SHA-256 of the archive."""


class Python(Params):
    """Parameters of the role `python`."""

    packages: tuple[str, ...] = ()
    """Further packages, such as the headers that C extensions are compiled against (libpq-dev, gcc, python3-dev)."""
    archives: Mapping[Version, Archive] = {}
    """Version -> source of a Python that an application asks for, and the distribution does not have."""

    def unmet(self, host: Host) -> Iterator[ConfigError]:
        for app in host.apps:
            if app.python.startswith("/") or self.source(host, app.python):
                continue
            facts = host.facts
            yield host.inventory.error(
                ("apps", app.name, "python"),
                f"{facts.distribution} {facts.version} has Python {facts.python}, not {app.python}",
                f"Say where Python {app.python} comes from: `archives` of the role `python`, or a path on the host.",
            )

    def source(self, host: Host, version: str) -> Archive | str | None:
        """Return the source of a Python: an archive, or a folder with it in `bin`; None if there is none."""
        if version in self.archives:
            return self.archives[version]
        return "/usr" if host.facts.python.startswith(f"{version}.") else None


@task
def install(c: Host, p: Python) -> None:
    """Install Python, venv and the certificates that pip needs for TLS."""
    apt.packages(c, ["python3", "python3-venv", "ca-certificates", *p.packages])
    for version in sorted({app.python for app in c.apps if not app.python.startswith("/")}):
        source = p.source(c, version)
        assert source is not None  # unmet
        files.directory(c, PYTHONS, mode=0o755)
        if isinstance(source, Archive):
            folder = f"{PYTHONS}/{version}-{source.sha256[:12]}"
            fetch.unpack(c, source.url, folder, source.sha256, strip=1, name="python")
            source = folder
        files.link(c, f"{PYTHONS}/{version}", source)
