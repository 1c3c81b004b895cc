"""What serving an instance again takes: recorded by the host when the instance goes into service, and read back
for a rollback.

The record holds unit files, settings of the release and the names of secrets, never their values: an earlier
release gets the passwords of now.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter, ValidationError

from provision.apps.app_model import App
from provision.apps.app_releases import visible
from provision.apps.application import Application
from provision.apps.recorded_releases import RecordedRelease
from provision.apps.requirement_files import RequiredPackages
from provision.errors import ProvError
from provision.secrets import Secret
from provision.serving.instances import Instance
from provision.steps.tree import Entry
from provision.system.shapes import Misshapen, having, listing, mapping, number, text
from provision.values import dataclass

#: settings of an application that belong to its code, and go back with it
SETTINGS = frozenset(
    {
        *("path", "subdirectory", "static", "media", "routes", "streams", "error_pages", "writable"),
        *("health", "expect", "start_timeout", "processes"),
    }
)
#: the name of an instance or release
NAME = re.compile(r"[0-9a-f]{12}")
TEXT = text(1 << 20)
ABOUT = having(
    {
        "server": TEXT,
        "service": TEXT,
        "socket": TEXT,
        "processes": number(1, 1 << 10),
        "keeps_connections": number(0, 1),
        "workers": mapping(TEXT),
        "jobs": mapping(TEXT),
        "reads": listing(TEXT),
        "environment": mapping(TEXT),
        "secrets": listing(TEXT),
        "settings": having({}),
        "pages": listing(TEXT),
        "migrations": listing(TEXT),
    }
)


@dataclass(frozen=True)
class RecordedInstance(Instance):
    """An instance as its host has recorded it. known: its name.  secrets: names of its secret variables."""

    known: str = ""
    secrets: tuple[str, ...] = ()

    @cached_property
    def id(self) -> str:
        return self.known

    @property
    def application(self) -> Application:
        """The application as it was set up then."""
        assert isinstance(self.app, Application)
        return self.app


def about(instance: Instance, migrations: list[str]) -> dict[str, Any]:
    """Return what serving an instance again takes, as JSON values without secrets."""
    app, release = instance.app, instance.release
    settings = app.model_dump(mode="json", include=set(SETTINGS))
    values = release.environment
    pages = f"{app.in_source(app.error_pages)}/" if app.error_pages else ""
    return {
        "server": app.server,
        "service": instance.service,
        "socket": instance.socket,
        "processes": instance.processes,
        "keeps_connections": int(instance.keeps_connections),
        "workers": dict(instance.workers),
        "jobs": dict(instance.jobs),
        "reads": list(instance.reads),
        "environment": {name: value for name, value in visible(values).items() if name != "PYTHONPATH"},
        "secrets": sorted(name for name, value in values.items() if isinstance(value, Secret)),
        "settings": settings,
        "pages": [entry[0] for entry in release.entries if pages and entry[0].startswith(pages)],
        "migrations": migrations,
    }


def recorded(app: Application, name: str, release: str, found: Mapping[str, Any]) -> RecordedInstance:
    """Return an instance from its record, with the application as it was set up then.

    name, release: of the instance and its release.  found: as from `about`. Raises ProvError for a record that
    can't be read.
    """
    try:
        if not NAME.fullmatch(name) or not NAME.fullmatch(release):
            raise Misshapen("expected names of twelve hex digits")
        values = ABOUT(dict(found))
        settings = {key: setting(key, value) for key, value in values["settings"].items() if key in SETTINGS}
    except (Misshapen, ValidationError) as error:
        raise ProvError(
            f"the record of release {release} of {app.name} can't be read: {error}",
            hint="Check out the earlier state of your project and run prov deploy.",
        ) from None
    past = app.model_copy(update=settings)
    entries: list[Entry] = [(path, 0o644, None, "") for path in values["pages"]]
    then = RecordedRelease(past, entries, RequiredPackages(""), known=release, visible=values["environment"])
    past.serves(then)
    return RecordedInstance(
        then,
        service=values["service"],
        socket=values["socket"],
        files={},
        processes=values["processes"],
        keeps_connections=bool(values["keeps_connections"]),
        workers=values["workers"],
        jobs=values["jobs"],
        reads=tuple(values["reads"]),
        proved=True,
        known=name,
        secrets=tuple(values["secrets"]),
    )


def setting(name: str, value: Any) -> Any:
    """Return a setting of an application from its JSON value. Raises ValidationError."""
    kind: Any = App.model_fields[name].annotation
    return TypeAdapter(kind).validate_python(value)
