"""How each part of an application's URLs is served: the locations of a site, for both fronts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from provision.apps.app_model import App
from provision.apps.app_releases import Release
from provision.apps.front_settings import covered
from provision.values import dataclass


@dataclass(frozen=True)
class Location:
    """One location and its settings, unless a longer one overrides them.

    path: as clients see it; with a slash at its end it is a prefix, without one it is a single path (a place
    like /admin is two locations: /admin and /admin/).  kind: asked of the application, or files of the
    release or the data folder.  files: path of the folder or file on the host, if so.
    deny, allow: networks that may not come, and the only ones that may, if there are any.
    index: path of the page that answers unknown paths, if one does.  before: the same folder in releases before.
    """

    path: str
    kind: Literal["app", "static", "media"]
    files: str = ""
    auth: bool = False
    cache: bool = False
    limit: bool = False
    stream: bool = False
    deny: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    index: str = ""
    before: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether it is one path, not a prefix."""
        return not self.path.endswith("/")


def locations(release: Release) -> list[Location]:
    """The locations of an application, its own prefix first, then in alphabetical order."""
    app = release.app
    places = {"/", *app.media, *app.streams, *app.routes, *app.allow, *app.deny}
    for part in (app.auth, app.cache, app.rate_limit):
        places.update(part.paths if part else ())
    found = {path for place in places for path in ([place] if place.endswith("/") else [place, place + "/"])}
    found.update(app.static)
    # an application that is mounted at /admin answers there as below it
    found.update(place.rstrip("/") for place in (app.auth.paths if app.auth else ()) if place != "/")
    return [location(release, path) for path in sorted(found)]


def at(app: App, place: str) -> str:
    """A path below the application's own, as clients see it: "/static/" is "/shop/static/"."""
    return app.path.rstrip("/") + place


def location(release: Release, path: str) -> Location:
    """Return the settings for one path below the application's prefix."""
    app = release.app
    static = path if path in app.static else longest(prefixes(app.static), path)
    media = longest(app.media, path)
    # with a slash, so that /api is a longer place than the site at /
    own = longest((f"{place.rstrip('/')}/" for place in (*app.routes, *app.streams)), f"{path.rstrip('/')}/")
    kind: Literal["app", "static", "media"] = "app"
    files, index = "", ""
    before: tuple[str, ...] = ()
    if static and len(static) > len(media) and (static == path or len(static) >= len(own)):
        kind, inside = "static", app.static[static] + f"/{path[len(static) :]}" * static.endswith("/")
        files, before = f"{release.root}/{inside}", befores(release, app.static[static], inside)
        index = f"{release.root}/{app.static[static]}/index.html" if static == "/" else ""
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
        deny=tuple(
            dict.fromkeys(each for place in app.deny if covered([place], path) for each in app.deny[place])
        ),
        allow=allowed(app, path),
        index=index,
        before=before,
    )


def allowed(app: App, path: str) -> tuple[str, ...]:
    """The networks that may come to a path: those of the longest place of `allow` that it is in."""
    places = sorted(
        (place for place in app.allow if covered([place], path)), key=lambda place: len(place.rstrip("/"))
    )
    return app.allow[places[-1]] if places else ()


def befores(release: Release, folder: str, inside: str) -> tuple[str, ...]:
    """Where releases before have a path of a `static` folder: pages that are still open ask for files of theirs."""
    app = release.app
    if folder in app.writable or not inside.endswith("/"):
        return ()
    return tuple(release.inside(f"{release.before}/{n}") + f"/{inside}" for n in range(1, app.keep_releases))


def prefixes(places: Iterable[str]) -> list[str]:
    """Those of the places that are prefixes, not single paths."""
    return [place for place in places if place.endswith("/")]


def longest(places: Iterable[str], path: str) -> str:
    """The longest of the prefixes that a path is below; "" if it is below none."""
    return max((place for place in places if path.startswith(place)), key=len, default="")
