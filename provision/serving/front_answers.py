"""What fronts say with each answer: headers of the inventory, and which files browsers may keep."""

from __future__ import annotations

from provision.apps.app_model import App
from provision.serving.locations import Location

ALT_SVC = "Alt-Svc"
HSTS = "Strict-Transport-Security"
CACHING = "Cache-Control"
#: paths of files whose name has a hash of what is in them, as bundlers write it before the endings: hex (webpack and
#: parcel; Django's 12 digits), capitals and digits (esbuild), eight of base64 (rollup, vite). Words are none: hex has
#: letters and digits, base64 letters of both cases and a digit; in `assets`, vite's folder, it need have no digit
HASHED = (
    r"[/._-](?:"
    r"(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{8,64}"
    r"|(?<=[._-])[A-Z2-7]{8}"
    r"|(?=[\w-]*[0-9])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[A-Za-z0-9_-]{8}"
    r")(?:\.[A-Za-z0-9]+)+$"
    r"|/assets/(?:[^/]+/)*[^/]*[.-](?=[\w-]*[a-z])(?=[\w-]*[A-Z])[A-Za-z0-9_-]{8}(?:\.[A-Za-z0-9]+)+$"
)
#: what a page asks for besides pages: an unknown one is not there, and the site's index.html would be taken for it
PARTS = (
    r"\.(?:css|js|mjs|cjs|map|json|wasm|webmanifest|xml|txt|png|jpe?g|gif|svg|webp|avif|ico|bmp|woff2?|ttf|otf|eot"
    r"|mp3|mp4|webm|ogg|pdf|zip|gz)$"
)


def sent(app: App, hsts: int, *, http3: bool = False) -> dict[str, str]:
    """The headers of every answer of an application. hsts: seconds of the role's; 0 for none.

    http3: whether browsers learn that there is HTTP/3 (RFC 7838), for a day.
    """
    names = {name.lower() for name in app.headers}
    tls = app.tls != "none"
    own = {HSTS: f"max-age={hsts}"} if hsts and tls and HSTS.lower() not in names else {}
    if http3 and tls and ALT_SVC.lower() not in names:
        own[ALT_SVC] = 'h3=":443"; ma=86400'
    return {**own, **{name: value for name, value in app.headers.items() if value is not None}}


def hidden(app: App, hsts: int, *, http3: bool = False) -> list[str]:
    """The headers that are left out of what an application says itself. http3: as for `sent`."""
    return list(dict.fromkeys([*sent(app, hsts, http3=http3), *app.headers]))


def cacheable(app: App, place: Location) -> bool:
    """Whether the front says how long browsers keep files of a place, and not the inventory."""
    return place.kind == "static" and all(name.lower() != CACHING.lower() for name in app.headers)
