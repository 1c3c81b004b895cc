"""nginx as the front: TLS, static files, and a proxy to each application's socket."""

from __future__ import annotations

from pydantic import Field

from provision.releases import release_of
from provision.role import Host, Params, task
from provision.serving import upstream
from provision.steps import apt, files, served, systemd
from provision.tls import certificate_path, key_path

AFTER = ("app", "tls", "gunicorn", "uwsgi", "uvicorn", "hypercorn", "daphne")


class Nginx(Params):
    """Parameters of the role `nginx`."""

    worker_connections: int = Field(default=1024, ge=64)
    """Connections per worker (nginx.conf, `events`)."""
    keepalive_timeout: int = Field(default=65, ge=0)
    """Seconds that an idle connection of a client stays open."""
    hsts: int = Field(default=63072000, ge=0)
    """Seconds for which browsers shall insist on https (Mozilla's recommendation: two years); 0 leaves it out."""
    static_max_age: int = Field(default=31536000, ge=0)
    """Seconds for which browsers may keep static files with a hash in their name."""


@task
def install(c: Host, p: Nginx) -> None:
    """Install nginx and serve every application of this host that names it as its front."""
    apt.packages(c, "nginx")
    apps = [app for app in c.apps if app.front == "nginx"]
    conf = files.template(
        c, "nginx.conf.j2", to="/etc/nginx/nginx.conf", p=p, tls_apps=[a for a in apps if a.tls != "none"]
    )
    sites = [
        files.template(
            c,
            "site.conf.j2",
            to=f"/etc/nginx/sites-enabled/{app.name}.conf",
            p=p,
            app=app,
            release=release_of(app),
            socket=upstream(c, app),
            certificate=certificate_path(app),
            key=key_path(app),
            http2_directive=has_http2_directive(c),
        )
        for app in apps
    ]
    # whatever has replaced a certificate: nginx goes on serving the old one until it is reloaded
    certificates = [files.watched(c, certificate_path(app)) for app in apps if app.tls != "none"]
    nginx = systemd.service(c, "nginx", reload_on=[conf, *sites, *certificates], check_with=["nginx", "-t"])
    for app in apps:
        if app.tls != "none":
            name = app.domains[0].replace("*", "www", 1)
            served.served_certificate(c, certificate_path(app), name, when=[nginx])


def has_http2_directive(c: Host) -> bool:
    """Whether the distribution's nginx is 1.25.1 or newer, where `http2 on` replaced a parameter of `listen`."""
    first = {"debian": 13.0, "ubuntu": 25.04}
    return float(c.facts.version or 0) >= first.get(c.facts.distribution, 0.0)
