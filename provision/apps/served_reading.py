"""Finds what a project says that it serves: in its Procfile, in a script that this starts, or in its Dockerfile."""

from __future__ import annotations

import posixpath

from provision.apps.django_reading import DjangoProject, entry, module_file
from provision.apps.dockerfile_reading import started_by, started_by_image
from provision.apps.procfile import ProcfileParts, read_procfile
from provision.apps.project_files import ProjectFiles
from provision.apps.project_reading import EntryPoint
from provision.apps.served_command import ServedCommand

PROCFILE = "Procfile"


def procfile_of(files: ProjectFiles) -> ProcfileParts:
    """Return what the Procfile says; nothing without one. Raises ConfigError for an invalid line."""
    return read_procfile(files.text(PROCFILE) if PROCFILE in files.paths else "", PROCFILE, files.text)


def web_of(files: ProjectFiles, procfile: ProcfileParts) -> tuple[str, ServedCommand | None]:
    """Return the file that starts a server that prov knows, and what it serves; ("", None) if none does."""
    if procfile.served:
        return PROCFILE, procfile.served
    found = started_by(files, procfile.web, PROCFILE) if procfile.web else started_by_image(files)
    return found or ("", None)


def named_target(
    files: ProjectFiles, said_in: str, web: ServedCommand | None, django: DjangoProject | None
) -> EntryPoint | None:
    """Return what a web process serves, if its module is in the source; of a Django project, in its folder.

    A module that only a Procfile names is taken as it is: a release has it where the Procfile is.
    """
    if web is None:
        return None
    if django and not web.place:
        return entry(files, django.root, web.interface)
    module = web.place.partition(":")[0]
    if not web.place or (django and not module_file(files, django.root, module)):
        return None
    if django:
        return EntryPoint(web.place, web.interface, said_in)
    folder = web.pythonpath
    if not module_file(files, posixpath.join(web.folder, folder), module):
        if module_file(files, posixpath.join(web.folder, "src"), module):
            folder = "src"
        elif said_in != PROCFILE:
            return None
    return EntryPoint(web.place, web.interface, said_in, folder)
