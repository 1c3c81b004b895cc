"""What an application uses, as in the inventory: `uses: {database: postgres, queue: {redis: db1}}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from provision.apps.settings import Settings, role_folders
from provision.declared import backing_roles
from provision.inventory.fields import matching

#: further keys that a mapping may have beside the role's name
OPTIONS = ("name", "url", "auth")
#: values that a URL may have
PARTS = ("user", "host", "port", "name")

UseName = Annotated[
    str, matching(r"[a-z]([a-z0-9_-]{0,26}[a-z0-9])?", "a name of a-z, 0-9, '-' and '_', from a letter")
]
ServiceName = Annotated[
    str, matching(r"[a-z][a-z0-9_-]{0,47}", "a name of a-z, 0-9, '-' and '_', from a letter, 48 at most")
]


class Use(Settings):
    """A service that an application uses. `database: postgres` is short for `database: {postgres: }`, on its
    own host; `{postgres: db1}` is on another host."""

    role: str = Field(description="The role that provides it.")
    host: str | None = Field(default=None, description="The host of the inventory that has the role.")
    name: ServiceName | None = Field(
        default=None,
        description="Of the database there. Default: the application's, and behind it that of the use, but `database`.",
    )
    auth: Literal["password"] | None = Field(
        default=None,
        description="`password` for a client that can use neither the socket nor a certificate. The host with the role"
        " makes the password. Default: the socket on one host, certificates between hosts.",
    )
    url: Annotated[str, matching(r"[a-z][a-z0-9+.-]*(://\S*)?", "a scheme or a URL")] | None = Field(
        default=None,
        description="Of the variable with its URL: another scheme, such as `postgresql+asyncpg`, or all of it, with"
        " `{user}`, `{host}`, `{port}` and `{name}`, and with `auth: password` `{password}`.",
    )

    @field_validator("url")
    @classmethod
    def _can_be_filled(cls, url: str | None, info: ValidationInfo) -> str | None:
        parts = (*PARTS, "password") if info.data.get("auth") == "password" else PARTS
        rest = re.sub("|".join(f"{{{part}}}" for part in parts), "", url or "")
        if set(rest) & set("{}"):
            raise ValueError(f"{url!r} may have {', '.join(f'{{{part}}}' for part in parts)} in it")
        return url

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"role": value}
        if not isinstance(value, Mapping):
            raise ValueError(
                "must be a role, such as `postgres`, or `{postgres: db1}` for one of another host"
            )
        roles = [key for key in value if key not in OPTIONS]
        if len(roles) != 1:
            raise ValueError("must name one role, such as `{postgres: db1}`")
        return {
            "role": roles[0],
            "host": value[roles[0]],
            **{k: v for k, v in value.items() if k in OPTIONS},
        }

    @field_validator("role")
    @classmethod
    def _provides(cls, role: str, info: ValidationInfo) -> str:
        return backing_roles.named(role, role_folders(info)).name


def _variables_differ(uses: dict[str, Use]) -> dict[str, Use]:
    names = [name.replace("-", "_") for name in uses]
    for index, name in enumerate(uses):
        if names[index] in names[:index]:
            raise ValueError(f"{name!r} and another one would share a variable: {names[index].upper()}_URL")
    return uses


#: what an application uses, by the name under which it does
Uses = Annotated[dict[UseName, Use], AfterValidator(_variables_differ)]
