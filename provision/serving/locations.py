"""Which part of an application's URLs is served how: the places of a site, as both fronts write them down."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from provision.apps.app_model import App
from provision.apps.app_releases import Release
from provision.values import dataclass


@dataclass(frozen=True)
class Location:
    """One place and what holds for it, until a longer place says otherwise.

    path: as clients see it; with a slash at its end it is a prefix, without one it is a single path (a place
    like /admin is two locations: /admin and /admin/).  kind: asked of the application, or files of the release or
    the data folder.  files: path of the folder or file on the host, if so.
    """

    path: str
    kind: Literal["app", "static", "media"]
    files: str = ""
    auth: bool = False
    cache: bool = False
    limit: bool = False
    stream: bool = False

    @property
    def exact(self) -> bool:
        """Whether it is one path, not a prefix."""
        return not self.path.endswith("/")


def locations(release: Release) -> list[Location]:
    """The locations of an application, its own prefix first, then in alphabetical order."""
    app = release.app
    places = {"/", *app.static, *app.media, *app.streams}
    for part in (app.auth, app.cache, app.rate_limit):
        places.update(part.paths if part else ())
    found = {path for place in places for path in ([place] if place.endswith("/") else [place, place + "/"])}
    # an application that is mounted at /admin answers there as below it
    found.update(place.rstrip("/") for place in (app.auth.paths if app.auth else ()) if place != "/")
    return [location(release, path) for path in sorted(found)]


def at(app: App, place: str) -> str:
    """A path below the application's own, as clients see it: "/static/" is "/shop/static/"."""
    return app.path.rstrip("/") + place


def location(release: Release, path: str) -> Location:
    """What holds for one path below the application's own prefix."""
    app = release.app
    static = longest(app.static, path)
    media = longest(app.media, path)
    kind: Literal["app", "static", "media"] = "app"
    files = ""
    if static and len(static) > len(media):
        kind, files = "static", f"{release.root}/{app.static[static]}/{path[len(static) :]}"
    elif media:
        kind, files = "media", f"{release.data}/{app.media[media]}/{path[len(media) :]}"
    return Location(
        at(app, path),
        kind,
        files,
        auth=covered(app.auth.paths if app.auth else (), path),
        cache=kind == "app" and covered(app.cache.paths if app.cache else (), path),
        limit=covered(app.rate_limit.paths if app.rate_limit else (), path),
        stream=kind == "app" and covered(app.streams, path),
    )


def covered(places: Iterable[str], path: str) -> bool:
    """Whether one of the places is the path, with or without its last slash, or stands above it."""
    return any(f"{path.rstrip('/')}/".startswith(f"{place.rstrip('/')}/") for place in places)


def longest(places: Iterable[str], path: str) -> str:
    """The longest of the prefixes that a path is below; "" if it is below none."""
    return max((place for place in places if path.startswith(place)), key=len, default="")
