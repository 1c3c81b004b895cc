"""The application: its source, and how it is served. The inventory sets it; roles read it."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from provision.apps.front_settings import FrontSettings, refuse_contradictions
from provision.apps.process_parts import (
    BuildSettings,
    Chore,
    ImageSettings,
    JobSettings,
    Openings,
    PackageSettings,
    PartName,
    ProcessSettings,
)
from provision.apps.settings import (
    Auth,
    Cache,
    Django,
    FrontName,
    Index,
    RateLimit,
    SecretsAs,
    ServerName,
    role_folders,
)
from provision.apps.tls_settings import Tls
from provision.apps.used_services import Uses
from provision.declared import fronts, serving_roles
from provision.declared.fronts import DEFAULT_FRONT, Front
from provision.declared.serving_roles import Interface, Server
from provision.inventory.fields import (
    AppPath,
    Domain,
    ExtraName,
    InnerPath,
    Place,
    SourcePath,
    StaticPlace,
    UrlPrefix,
    UserName,
    VariableName,
    matching,
)
from provision.inventory.masking import is_secret
from provision.secrets import Secret
from provision.system.writers import CONTROL

GIT_URL = re.compile(r"(https?|ssh|git|file)://\S+|[\w.-]+@[\w.-]+:\S+")

#: the distribution's Python, and the folder of other versions (roles/python)
SYSTEM = "/usr/bin/python3"
PYTHONS = "/opt/python"

Status = Annotated[int, Field(ge=100, le=599)]
# app-NAME, so that an application called `news` or `backup` does not run as Debian's user of that name
AppName = Annotated[
    str,
    matching(
        r"[a-z]([a-z0-9-]{0,26}[a-z0-9])?",
        "a name of a-z, 0-9 and '-', up to 28, beginning with a letter",
    ),
]


class App(FrontSettings):
    """One web application on a host."""

    name: AppName = Field(description="The key in `apps`; units, sockets and folders are called after it.")
    source: Path | str = Field(
        description="A local folder (relative to this inventory file) or the URL of a git repository."
    )
    ref: Annotated[str, matching(r"(?!-)[\w./-]+", "a branch, tag or commit")] | None = Field(
        default=None,
        description="Branch, tag or commit of a git source. Default: the repository's default branch.",
    )
    subdirectory: InnerPath | None = Field(
        default=None, description="Folder in the source that holds the application; other paths start there."
    )
    max_source: Annotated[str, matching(r"[1-9]\d*[kmg]?", "a size like 512k, 10m or 1g")] = Field(
        default="2g", description="Largest size of the source, all files together."
    )
    interface: Interface = Field(default="wsgi", description="The interface of the application.")
    target: Annotated[
        str,
        matching(
            r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*(\(\))?",
            "of the form module:callable, or module:factory() without arguments",
        ),
    ] = Field(
        description="The application object, as module:callable, or a factory of it, as module:factory()."
    )
    server: ServerName = Field(
        default_factory=lambda data: serving_roles.default_server(data["interface"]),
        description="The role that runs it. Default: depends on `interface`, see [servers](servers.md).",
    )
    front: FrontName = Field(default=DEFAULT_FRONT, description="The role of its front: TLS, static files.")
    domains: tuple[Domain, ...] = Field(
        min_length=1, description="Host names under which it is served; the first label may be `*`."
    )
    path: AppPath = Field(
        default="/",
        description="Prefix under which it is served; applications with different prefixes can share domains.",
    )
    tls: Tls = Field(
        default="private-ca",
        description="Where the certificate comes from; `none` is plain http. See [TLS](tls.md).",
    )
    static: dict[StaticPlace, InnerPath] = Field(
        default={},
        description="Prefix or path below `path`: folder or file in the release; the front serves it.",
    )
    media: dict[UrlPrefix, InnerPath] = Field(
        default={},
        description="Prefix below `path`: folder for uploads, in the data folder that outlives releases.",
    )
    environment: dict[VariableName, str | Secret] = Field(
        default={},
        description="Environment variables. Passwords, keys and tokens are treated as secrets. `{release}` in a value "
        "is the application's folder in its release.",
    )
    secrets: dict[VariableName, Secret] = Field(default={}, description="Variables that are secrets.")
    secrets_as: SecretsAs = "environment"
    health: Place = Field(default="/", description="Path that answers once a release is ready.")
    requirements: SourcePath | None = Field(
        default=None,
        description="File that lists the Python packages; it may be above `subdirectory`. Default: see below.",
    )
    extras: tuple[ExtraName, ...] = Field(
        default=(), description="Extras of the pyproject.toml or uv.lock to install."
    )
    groups: tuple[ExtraName, ...] = Field(
        default=(),
        description="Dependency groups of the pyproject.toml or uv.lock to install.",
    )
    install: bool = Field(
        default=False,
        description="Also install the project itself, for its entry points and metadata. Needs a pyproject.toml.",
    )
    pythonpath: tuple[InnerPath, ...] = Field(
        default=(),
        description="Folders in the application's folder from which modules are imported, such as `src`.",
    )
    indexes: tuple[Index, ...] = Field(default=(), description="Package indexes besides PyPI; see below.")
    python: Annotated[
        str, matching(r"/[\w./+-]+|3\.\d+", "a version like '3.13', or a path like /usr/bin/python3.13")
    ] = Field(
        default=SYSTEM,
        description="The Python of its environment: a path on the host, or a version; see below.",
    )
    django: Django | None = Field(default=None, description="Set for Django projects; see below.")
    processes: dict[PartName, ProcessSettings] = Field(
        default={}, description="Processes beside the web process, such as workers of a queue; see below."
    )
    jobs: dict[PartName, JobSettings] = Field(default={}, description="Commands at certain times; see below.")
    chores: tuple[Chore, ...] = Field(
        default=(),
        alias="release",
        description="Commands for each release, in order, before it goes into service; see below.",
    )
    build: BuildSettings | None = Field(
        default=None, description="How assets such as a front end are built; see below."
    )
    writable: tuple[InnerPath, ...] = Field(
        default=(),
        description="Paths in the release that the application writes to; they become links into the data folder.",
    )
    files: dict[InnerPath, Path] = Field(
        default={}, description="Path in the release: template, relative to this inventory file."
    )
    uses: Uses = Field(
        default={},
        description="Databases and other services that it uses, such as `database: postgres`; see below.",
    )
    image: ImageSettings | None = Field(
        default=None, description="Its container image; see [images](images.md)."
    )
    packages: PackageSettings = Field(
        default=PackageSettings(), description="Packages of the distribution, `run` and `build`; see below."
    )
    sandbox: Openings = Field(
        default=Openings(), description="What the sandbox of its processes allows; see below."
    )
    workers: int | None = Field(
        default=None, ge=1, description="Worker processes. Default: by the host's number of processors."
    )
    max_body: Annotated[str, matching(r"0|[1-9]\d*[kmg]?", "a size like 512k, 10m or 1g, or 0")] = Field(
        default="10m", description="Largest request body; `0` sets no limit."
    )
    timeout: int = Field(default=30, ge=1, description="Seconds a request may take.")
    start_timeout: int = Field(
        default=60, ge=1, description="Seconds within which the health path of a release must answer."
    )
    expect: tuple[Status, ...] = Field(
        default=(), description="Statuses of the health path that count as healthy. Default: 200 to 399."
    )
    streams: tuple[Place, ...] = Field(
        default=(), description="Prefixes whose answers the front passes on unbuffered."
    )
    auth: Auth | None = Field(default=None, description="Who may see it; see below.")
    cache: Cache | None = Field(default=None, description="Which answers the front caches; see below.")
    rate_limit: RateLimit | None = Field(
        default=None, description="Requests per client address, like `10/s`; see below."
    )
    error_pages: InnerPath | None = Field(
        default=None,
        description="Folder in the source with the front's error pages: 404.html, 502.html...",
    )
    maintenance: bool = Field(
        default=False,
        description="Answer all but the health path with 503 and the page 503.html of `error_pages`."
        " `prov maintenance` does so without a deploy.",
    )
    keep_releases: int = Field(
        default=3, ge=1, description="Number of releases kept on the host, including the current one."
    )
    user: UserName = Field(
        default_factory=lambda data: f"app-{data['name']}",
        description="User that it runs as; prov creates it, and refuses an existing account that prov did not create."
        " Default: app-NAME.",
    )

    _server: Server = PrivateAttr()
    _front: Front = PrivateAttr()

    @field_validator("source")
    @classmethod
    def _local_or_git(cls, source: Path | str) -> Path | str:
        if isinstance(source, str) and not GIT_URL.fullmatch(source):
            raise ValueError(f"{source!r} is neither an absolute folder nor the URL of a git repository")
        return source

    @field_validator("ref")
    @classmethod
    def _only_for_git(cls, ref: str | None, info: ValidationInfo) -> str | None:
        if ref is not None and isinstance(info.data.get("source"), Path):
            raise ValueError("needs a git source, but this one is a local folder")
        return ref

    @field_validator("server")
    @classmethod
    def _speaks_interface(cls, server: str, info: ValidationInfo) -> str:
        interface, folders = info.data.get("interface"), role_folders(info)
        if interface is not None and interface not in serving_roles.named(server, folders).serves:
            able = ", ".join(serving_roles.serving(interface, folders))
            raise ValueError(f"{server!r} does not speak {interface}; these do: {able}")
        return server

    @field_validator("subdirectory")
    @classmethod
    def _in_a_search_path(cls, subdirectory: str | None) -> str | None:
        if subdirectory is not None and ":" in subdirectory:
            raise ValueError(f"{subdirectory!r} has a colon, which ends a folder in PYTHONPATH")
        return subdirectory

    @field_validator("pythonpath")
    @classmethod
    def _in_search_paths(cls, pythonpath: tuple[str, ...]) -> tuple[str, ...]:
        for folder in pythonpath:
            cls._in_a_search_path(folder)
        return pythonpath

    @field_validator("domains")
    @classmethod
    def _each_once(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        for index, name in enumerate(domains):
            if name in domains[:index]:
                raise ValueError(f"{name!r} is listed twice")
        return domains

    @field_validator("media")
    @classmethod
    def _not_static_too(cls, media: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        for prefix in media:
            if prefix in info.data.get("static", {}):
                raise ValueError(f"{prefix!r} is a prefix of `static` already")
        return media

    @field_validator("secrets")
    @classmethod
    def _fit_an_environment(cls, secrets: dict[str, Secret], info: ValidationInfo) -> dict[str, Secret]:
        for name, value in secrets.items():
            if "\0" in value.reveal():
                raise ValueError(f"the value of {name} has a NUL in it")
            if name in info.data.get("environment", {}):
                raise ValueError(f"{name} is in `environment` as well")
            if name == "PYTHONPATH":
                raise ValueError("PYTHONPATH is not a secret; put it in `environment`")
        return secrets

    @field_validator("indexes")
    @classmethod
    def _one_default(cls, indexes: tuple[Index, ...]) -> tuple[Index, ...]:
        if sum(each.default for each in indexes) > 1:
            raise ValueError("only one of them can be the default")
        return indexes

    @model_validator(mode="after")
    def _stays_in_the_source(self) -> App:
        for path in filter(None, [self.requirements, self.django.manage if self.django else None]):
            if self.in_source(path).startswith(".."):
                raise ValueError(f"{path!r} is outside the source")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> App:
        both = sorted(set(self.processes) & set(self.jobs))
        if both:
            raise ValueError(f"{both[0]!r} is both a process and a job: their units would have the same name")
        return self

    @model_validator(mode="after")
    def _parts_agree(self) -> App:
        if self.django is not None and self.django.collectstatic and not self.collected:
            raise ValueError("`collectstatic` fills the folders of `static`, but none are set: set `static`")
        if self.build and not self.built:
            raise ValueError("`build` needs `output`: the files and folders that it makes")
        if self.build and self.build.here and not isinstance(self.source, Path):
            raise ValueError("`build` on this machine is for a source that is a folder: set `here: false`")
        refuse_contradictions(self, self.domains, self.static, self.health, self.auth)
        if self.auth is not None and self.tls == "none":
            raise ValueError("`auth` sends passwords: it needs `tls`")
        if self.auth is not None and self.auth.by == "django" and self.django is None:
            raise ValueError("`auth: django` is for Django projects: set `django`")
        return self

    @model_validator(mode="after")
    def _finds_its_roles(self, info: ValidationInfo) -> App:
        folders = role_folders(info)
        self._server = serving_roles.named(self.server, folders)
        self._front = fronts.named(self.front, folders)
        return self

    @property
    def server_role(self) -> Server:
        """Return the declaration of its server."""
        return self._server

    @property
    def front_role(self) -> Front:
        """Return the declaration of its front."""
        return self._front

    @property
    def asks_of_front(self) -> list[str]:
        """Return the settings that its front must implement."""
        names = tuple(name for name in fronts.OFFERS if name in type(self).model_fields)
        return [*filter(self.__getattribute__, names), *([f"auth: {self.auth.by}"] if self.auth else [])]

    @property
    def interpreter(self) -> str:
        """Return the path of its Python on the host."""
        return self.python if self.python.startswith("/") else f"{PYTHONS}/{self.python}/bin/python3"

    def in_source(self, path: str) -> str:
        """Return the path in the source of a path that begins in the application's folder."""
        return posixpath.normpath(posixpath.join(self.subdirectory or "", path))

    @property
    def collects_static(self) -> bool:
        """Return whether `collectstatic` runs for each release."""
        return self.django is not None and self.django.collectstatic is not False and bool(self.collected)

    @property
    def collected(self) -> list[str]:
        """Return folders of `static` that `collectstatic` may fill: neither single files nor a whole site."""
        return [folder for place, folder in self.static.items() if place.endswith("/") and place != "/"]

    @property
    def built(self) -> tuple[str, ...]:
        """Return the outputs of `build`, as paths in the source."""
        named = self.build.output or dict.fromkeys(self.static.values()) if self.build else ()
        return tuple(map(self.in_source, named))

    @property
    def names(self) -> tuple[str, ...]:
        """Return all names that its certificate must cover."""
        return (*self.domains, *self.redirects)

    @field_validator("environment")
    @classmethod
    def _hide_secrets(cls, environment: dict[str, str | Secret]) -> dict[str, str | Secret]:
        for name, value in environment.items():
            if isinstance(value, str) and "\0" in value:
                raise ValueError(f"the value of {name} has a NUL in it")
            if name == "PYTHONPATH" and isinstance(value, str) and CONTROL.search(value):
                raise ValueError(f"PYTHONPATH must be one line without control characters, not {value!r}")
        return {
            name: Secret(value) if isinstance(value, str) and is_secret(name, value) else value
            for name, value in environment.items()
        }
