"""Parts of an application's settings that are models of their own: Django, protection, caching, limits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from provision.declared import fronts, serving_roles
from provision.declared.role_folders import BUILTIN, search_path
from provision.inventory import InventoryHost
from provision.inventory.fields import OneLine, Place, SourcePath, matching
from provision.secrets import Secret, logins

LoginName = Annotated[str, matching(r"[\w.@+-]{1,64}", "a login name of letters, digits and . @ + - _")]
HeaderName = Annotated[str, matching(r"[A-Za-z][A-Za-z0-9-]*", "the name of a header")]
CookieName = Annotated[str, matching(r"[A-Za-z0-9_.-]+", "the name of a cookie")]


def role_folders(info: ValidationInfo) -> Sequence[Path]:
    """Return the role folders for a validation; the built-in ones by default."""
    found: Sequence[Path] = (info.context or {}).get("roles", [BUILTIN])
    return found


def known_roles(host: InventoryHost) -> dict[str, Sequence[Path]]:
    """Return the validation context of a host's settings: the folders of its project's roles."""
    return {"roles": search_path(host.inventory.project)}


def server_role(name: str, info: ValidationInfo) -> str:
    """Refuse a role that is not a server."""
    return serving_roles.named(name, role_folders(info)).name


def front_role(name: str, info: ValidationInfo) -> str:
    """Refuse a role that is not a front."""
    return fronts.named(name, role_folders(info)).name


ServerName = Annotated[str, AfterValidator(server_role)]
FrontName = Annotated[str, AfterValidator(front_role)]
SecretsAs = Annotated[
    Literal["environment", "credentials"],
    Field(
        description="How processes get `secrets`: as variables of their environment, or as files in"
        " `$CREDENTIALS_DIRECTORY`; see [secrets](secrets.md#as-credentials-of-systemd)."
    ),
]


class Settings(BaseModel):
    """Base of the models here: immutable, and unknown parameters are refused."""

    # most are only parts of others, so their validators are built on first use
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


class Django(Settings):
    """Tasks for each release of a Django project."""

    settings: Annotated[str, matching(r"\w+(\.\w+)*", "a module like shop.settings")] = Field(
        description="Module of the settings, as in DJANGO_SETTINGS_MODULE."
    )
    manage: SourcePath = Field(
        default="manage.py", description="Path of manage.py; it may be above `subdirectory`."
    )
    check_deploy: bool | None = Field(
        default=None,
        description="Require `check --deploy` to pass. Default: the setting of the role `app`.",
    )
    migrate: bool = Field(default=True, description="Run `migrate` before a release goes into service.")
    collectstatic: bool | None = Field(
        default=None,
        description="Run `collectstatic` for each release. Default: if `static` is set.",
    )


#: a person, as certificates name them: a label of DNS
PERSON = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class Auth(Settings):
    """Who may see what the front serves. `auth: django` is short for `auth: {by: django}`."""

    by: Literal["basic", "django", "certificate"] = Field(
        description="`basic`: the `users` here; `django`: the users of the Django project (Apache only);"
        " `certificate`: the `people` here, by certificates of the private CA (`prov tls client`)."
    )
    paths: tuple[Place, ...] = Field(
        default=("/",),
        min_length=1,
        description="Prefixes that are protected, below the application's `path`.",
    )
    users: dict[LoginName, Secret] = Field(
        default={}, description="For `basic`: login names and their passwords."
    )
    people: tuple[Annotated[str, matching(PERSON.pattern, "small letters, digits and hyphens")], ...] = Field(
        default=(), description="For `certificate`: names of certificates that `prov tls client` has made."
    )
    groups: tuple[OneLine, ...] = Field(
        default=(),
        description="For `django`: only members of one of these groups. Default: all users.",
    )
    realm: OneLine = Field(
        default="Restricted",
        max_length=80,
        description="The name that browsers show when they ask for a password.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"by": value} if isinstance(value, str) else value

    @field_validator("realm")
    @classmethod
    def _asks(cls, realm: str) -> str:
        # nginx: ngx_http_auth_basic_module, "The special value off"
        if realm == "off":
            raise ValueError("'off' would disable passwords in nginx; choose another name")
        return realm

    @field_validator("users", mode="before")
    @classmethod
    def _hide(cls, users: Any) -> Any:
        if not isinstance(users, Mapping):
            return users
        return {name: Secret(word) if isinstance(word, str) else word for name, word in users.items()}

    @model_validator(mode="after")
    def _fits(self) -> Auth:
        if self.by == "basic" and not self.users:
            raise ValueError("basic needs `users`: login names with their passwords")
        if self.by == "basic" and self.groups:
            raise ValueError("`groups` are Django's; basic has only `users`")
        if self.by == "django" and self.users:
            raise ValueError("`users` are for basic; django asks its own database")
        if self.by == "certificate" and (not self.people or self.users or self.groups):
            raise ValueError(
                "certificate needs `people`, names of certificates, and takes no `users` or `groups`"
            )
        if self.people and self.by != "certificate":
            raise ValueError("`people` are for certificate")
        return self


class Cache(Settings):
    """Which answers of the application the front caches, unless they forbid it (RFC 9111, Cache-Control)."""

    seconds: int = Field(
        default=60, ge=1, description="How long answers without Cache-Control or Expires are cached."
    )
    stale: int = Field(
        default=3600,
        ge=0,
        description="Seconds for which an old answer is served while a new one is fetched or the application fails.",
    )
    size: Annotated[str, matching(r"[1-9]\d*[mg]", "a size like 512m or 1g")] = Field(
        default="512m", description="Largest size on disk."
    )
    paths: tuple[Place, ...] = Field(
        default=("/",), min_length=1, description="Prefixes that are cached, below the application's `path`."
    )
    bypass_cookies: tuple[CookieName, ...] = Field(
        default=("sessionid", "session", "csrftoken"),
        description="Requests with one of these cookies bypass the cache.",
    )
    bypass_headers: tuple[HeaderName, ...] = Field(
        default=("Authorization",), description="Requests with one of these headers bypass the cache."
    )


class Index(Settings):
    """A package index. Its login reaches the installer through the environment, never through a file."""

    url: Annotated[
        str, matching(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", "the URL of an index, without a login")
    ] = Field(description="The index, such as `https://pypi.example.com/simple`.")
    username: str | None = Field(default=None, description="User name of its login, if it needs one.")
    password: Secret | None = Field(default=None, description="Password of its login, often a token.")
    default: bool = Field(default=False, description="Ask only this index, and not PyPI.")

    @field_validator("url", mode="before")
    @classmethod
    def _has_no_login(cls, url: Any) -> Any:
        if isinstance(url, str) and logins(url):
            raise ValueError("contains a login: write it as `username` and `password`")
        return url

    @property
    def with_login(self) -> str:
        """Return the URL with its login, as installers take it."""
        words = [self.username or "", self.password.reveal() if self.password else ""]
        login = ":".join(quote(word, safe="") for word in words)
        return self.url.replace("://", f"://{login}@", 1) if login != ":" else self.url


class RateLimit(Settings):
    """How many requests one client address may make; `rate_limit: 10/s` is short for `{rate: 10/s}`."""

    rate: Annotated[str, matching(r"[1-9]\d*/[sm]", "a rate like 10/s or 100/m")] = Field(
        description="Requests per second (s) or minute (m) from one address, on average."
    )
    burst: int = Field(
        default=20, ge=0, description="Requests above the rate that are still accepted at once."
    )
    paths: tuple[Place, ...] = Field(
        default=("/",), min_length=1, description="Prefixes that are limited, below the application's `path`."
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"rate": value} if isinstance(value, str) else value

    @property
    def per_second(self) -> float:
        """Return the requests per second."""
        number, unit = self.rate.split("/")
        return int(number) / (60 if unit == "m" else 1)
