"""What authors of server roles import: `from provision.server import SERVED, Program, Release, ServerParams, serve`."""

from __future__ import annotations

from provision.apps.app_releases import Release
from provision.roles.server_params import ServerParams
from provision.serving.instances import SERVED, SHIM, Program, served, shipped
from provision.serving.starting import serve

__all__ = ["SERVED", "SHIM", "Program", "Release", "ServerParams", "serve", "served", "shipped"]
