"""Parts of an application beside its web process: processes, jobs, commands, packages, sandbox openings."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from provision.apps.schedules import calendars
from provision.apps.settings import Settings
from provision.inventory.fields import InnerPath, matching
from provision.secrets import Secret

#: words that only a shell would understand
SHELL = {"|", "||", "&&", "&", ";", ">", ">>", "<", "2>", "2>&1"}

PartName = Annotated[
    str,
    matching(
        r"[a-z]([a-z0-9-]{0,26}[a-z0-9])?",
        "a name of a-z, 0-9 and '-', up to 28, beginning with a letter",
    ),
]
Size = Annotated[str, matching(r"[1-9]\d*(%|[KMGT]?)|infinity", "a size like 512M, 2G or 80%")]


def words(value: Any) -> Any:
    """Return a command as a list of words; a text is split as a shell would, but no shell runs it."""
    if not isinstance(value, str):
        return value
    try:
        found = tuple(shlex.split(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is not a command: {str(error).lower()}") from None
    shell = [word for word in found if word in SHELL]
    if shell:
        raise ValueError(
            f"{value!r} needs a shell ({shell[0]}), but prov uses none: write [sh, -c, '...'] to run one"
        )
    return found


Words = Annotated[
    tuple[Annotated[str, matching(r"[^\0\n]*", "one line of text")], ...],
    BeforeValidator(words),
    Field(min_length=1),
]


class CommandSettings(Settings):
    """Settings with a command, which may also be given as the command alone."""

    command: Words = Field(
        description="The command: text, or a list of words. A program of the environment needs no path."
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return value if isinstance(value, Mapping) else {"command": value}


class BuildSettings(CommandSettings):
    """The build of a release's assets; `build: npm run build` is short for `build: {command: ...}`."""

    command: Words = Field(description="Its words: a text, or a list. It runs in the application's folder.")
    here: bool = Field(
        default=True,
        description="On this machine, before the source is read; else on the host, in the release.",
    )
    output: tuple[InnerPath, ...] = Field(
        default=(),
        description="Files and folders that it makes, and that are deployed. Default: those of `static`.",
    )
    always: bool = Field(
        default=False, description="Build in every run, also if no file of the source has changed."
    )
    timeout: int = Field(default=900, ge=1, description="Seconds after which it has failed.")


class ProcessSettings(CommandSettings):
    """A process beside the web process. `worker: celery -A shop worker` is short for `worker: {command:
    ...}`."""

    count: int = Field(default=1, ge=1, le=64, description="Number of these processes on a host.")
    on: Literal["all", "one"] = Field(
        default="all",
        description="`one`: it runs on the first host of the inventory that has the application, never twice at once.",
    )
    stop_timeout: int = Field(default=60, ge=1, description="Seconds to finish its work when it is stopped.")
    stop_signal: Literal["TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "WINCH"] = Field(
        default="TERM", description="The signal that stops it after its current work."
    )
    memory_max: Size | None = Field(
        default=None, description="Memory limit (systemd's MemoryMax=). Default: the server's."
    )


class JobSettings(CommandSettings):
    """A command at certain times."""

    schedule: str = Field(
        description="A systemd calendar (`daily`, systemd.time(7)), or the five fields of cron."
    )
    on: Literal["all", "one"] = Field(
        default="all",
        description="`one`: it runs on the first host of the inventory that has the application.",
    )
    timeout: int = Field(default=3600, ge=1, description="Seconds after which it is killed.")

    @field_validator("schedule")
    @classmethod
    def _understood(cls, schedule: str) -> str:
        calendars(schedule)
        return schedule


class Chore(CommandSettings):
    """A command that runs for each release, before the release goes into service."""

    once: Literal["host", "group"] = Field(
        default="host",
        description="`group`: once in a run, by the first host that has the application; the others wait for it.",
    )
    timeout: int = Field(default=600, ge=1, description="Seconds after which it fails.")


class PackageSettings(Settings):
    """Packages of the distribution."""

    run: tuple[str, ...] = Field(
        default=(), description="What the application needs while it runs: `libpq5`."
    )
    build: tuple[str, ...] = Field(
        default=(), description="What building its environment needs: `libpq-dev`, `gcc`, `python3-dev`."
    )


class Openings(Settings):
    """What the sandbox of its processes allows."""

    writable_paths: tuple[Annotated[str, matching(r"/[^\0\n:]+", "an absolute path")], ...] = Field(
        default=(), description="Folders that it may write to, besides its data folder."
    )
    proc: bool = Field(default=False, description="Access to all of /proc, which psutil reads.")
    netlink: bool = Field(default=False, description="Queries about network interfaces (AF_NETLINK).")


class RegistrySettings(Settings):
    """Where `prov image push` sends an image. `registry: NAME` is short for `registry: {repository: NAME}`."""

    repository: Annotated[
        str,
        matching(
            r"[a-z0-9.-]+(:\d{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+",
            "a repository with its registry, such as registry.example.com/team/shop",
        ),
    ] = Field(description="The repository with its registry: `registry.example.com/team/shop`.")
    user: str | None = Field(default=None, description="User name of its login, if it needs one.")
    password: Secret | None = Field(default=None, description="Password of its login, often a token.")
    tls: bool = Field(default=True, description="Reach the registry by https.")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"repository": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _whole_login(self) -> RegistrySettings:
        if (self.user is None) != (self.password is None):
            raise ValueError("a login is both `user` and `password`")
        return self


class ImageSettings(Settings):
    """The image of an application. `image: FILE` is short for `image: {base: FILE}`."""

    base: Path = Field(
        description="The image that it stands on: an OCI archive or layout, relative to this inventory file."
    )
    architecture: Literal["amd64", "arm64"] = Field(
        default="amd64", description="What it runs on; the base image must be for the same."
    )
    port: int = Field(
        default=8000, ge=1024, le=65535, description="Port that it listens on; PORT changes it."
    )
    user: int = Field(
        default=10001, ge=1, le=65533, description="Number of the user and the group that it runs as."
    )
    registry: RegistrySettings | None = Field(default=None, description="Where `prov image push` sends it.")
