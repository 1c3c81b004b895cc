"""Settings of an application for its front, besides its places: who may come, and headers of answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from provision.apps.settings import Auth, HeaderName, Settings
from provision.inventory.fields import Domain, Network, OneLine, Place

#: headers about the form of an answer: fronts and applications set them, and another value would break it
NOT_FOR_ALL = {
    *("connection", "keep-alive", "transfer-encoding", "content-length", "upgrade", "trailer", "te", "date"),
    *(
        "server",
        "content-type",
        "content-encoding",
        "content-range",
        "accept-ranges",
        "location",
        "set-cookie",
    ),
    *("www-authenticate", "etag", "last-modified", "status"),
}


def by_place(value: Any) -> Any:
    """Networks that are given without a place apply to the whole application."""
    return value if isinstance(value, Mapping) else {"/": value}


def fit_for_all(headers: dict[str, str | None]) -> dict[str, str | None]:
    """Refuse headers that no front may set for every answer, and duplicate names."""
    seen: set[str] = set()
    for name in headers:
        if name.lower() in NOT_FOR_ALL:
            raise ValueError(f"{name} differs from answer to answer: no front can set or remove it for all")
        if name.lower() in seen:
            raise ValueError(f"{name} is there twice: names of headers have no case")
        seen.add(name.lower())
    return headers


Networks = Annotated[tuple[Network, ...], Field(min_length=1)]
NetworksByPlace = Annotated[dict[Place, Networks], BeforeValidator(by_place)]
Headers = Annotated[dict[HeaderName, OneLine | None], AfterValidator(fit_for_all)]


class FrontSettings(Settings):
    """Settings of an application that its front implements, besides its places."""

    redirects: tuple[Domain, ...] = Field(
        default=(),
        description="More names, which lead to the first of `domains`: `www.example.com` to `example.com`, or back.",
    )
    default: bool = Field(
        default=False, description="Answer unknown names as well, and requests by a bare address."
    )
    health_by_any_name: bool = Field(
        default=False,
        description="Answer the health path over http under any name: for the checks of a load balancer.",
    )
    routes: tuple[Place, ...] = Field(
        default=(),
        description="Where `static` has `/`: prefixes that the application answers, such as `/api/`.",
    )
    snippets: tuple[Path, ...] = Field(
        default=(),
        description="Files in the front's own language, relative to the inventory, for the application's virtual host.",
    )
    headers: Headers = Field(
        default={}, description="Headers of every answer, instead of the application's; `null` removes one."
    )
    allow: NetworksByPlace = Field(
        default={}, description="Networks that may come, all others not; by prefix, or one list for all."
    )
    deny: NetworksByPlace = Field(
        default={}, description="Networks that may not come; by prefix, or one list for all."
    )


def refuse_contradictions(
    front: FrontSettings, domains: Sequence[str], static: Mapping[str, str], health: str, auth: Auth | None
) -> None:
    """Raise ValueError if these settings contradict others of the application."""
    for index, name in enumerate(front.redirects):
        if name in domains or name in front.redirects[:index]:
            raise ValueError(f"`redirects`: {name!r} is listed twice, or one of `domains`")
    if front.redirects and domains[0].startswith("*."):
        raise ValueError(f"`redirects` lead to the first of `domains`, and {domains[0]!r} is not one name")
    if front.routes and "/" not in static:
        raise ValueError("`routes` are for `static: {/: FOLDER}`: without it, the application has all")
    if front.health_by_any_name and health.endswith("/"):
        raise ValueError("`health_by_any_name` needs a `health` of its own, such as /healthz")
    if front.health_by_any_name and auth and covered(auth.paths, health):
        raise ValueError("`auth` protects the health path, and checks by any name send no password")


def covered(places: Iterable[str], path: str) -> bool:
    """Return whether one of the places is the path, with or without a final slash, or contains it."""
    return any(f"{path.rstrip('/')}/".startswith(f"{place.rstrip('/')}/") for place in places)
