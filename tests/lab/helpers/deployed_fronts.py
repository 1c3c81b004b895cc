"""Hosts behind a front, planned, deployed and deployed again, which tests then ask from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from helpers.cli import Run, prov
from helpers.projects import Project
from helpers.web import Site
from provision import lab


@dataclass(frozen=True)
class Front:
    """A host behind one of the fronts. domain: the one that tests ask unless they name another."""

    host: lab.LabHost
    project: Project
    domain: str
    planned: Run
    first: Run
    second: Run

    @property
    def name(self) -> str:
        return self.host.name

    def site(self, domain: str = "") -> Site:
        return Site(self.host.address, domain or self.domain, self.project.ca)


def deployed(
    host: lab.LabHost, project: Project, domain: str, apps: Mapping[str, object], roles: Sequence[str]
) -> Front:
    """Plan applications on a bare host, then deploy them twice."""
    project.inventory({host.name: {"apps": apps}}, ansible_connection="lab", roles=list(roles))
    planned = prov("plan", host.name, cwd=project.folder, status=3)
    first = prov("deploy", host.name, cwd=project.folder, timeout=400)
    second = prov("deploy", host.name, cwd=project.folder)
    return Front(host, project, domain, planned, first, second)
