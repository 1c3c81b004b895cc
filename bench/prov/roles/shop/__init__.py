"""The benchmark's stack: a WSGI application under gunicorn behind nginx, with all that belongs to it."""

from __future__ import annotations

from provision.role import Host, Params, task
from provision.steps import apt, command, files, python, systemd, text, users, wait

CERTIFICATE = "/etc/shop/tls/shop.test.pem"
KEY = "/etc/shop/tls/shop.test.key"


class Shop(Params):
    """Variables of the templates."""

    domain: str
    workers: int
    threads: int
    connections: int
    keep_weeks: int
    upload_mb: int


@task
def install(c: Host, p: Shop) -> None:
    """All of it, in the order in which it depends on one another."""
    v = p.model_dump()
    apt.packages(c, ["nginx", "python3-venv", "openssl", "ca-certificates", "curl", "cron", "logrotate"])
    users.user(c, "shop", system=True, home="/srv/shop", shell="/usr/sbin/nologin")
    files.directory(c, "/srv/shop", mode=0o755, owner="root", group="root")
    files.directory(c, "/srv/shop/app", mode=0o755, owner="root", group="root")
    files.directory(c, "/srv/shop/static", mode=0o755, owner="root", group="root")
    files.directory(c, "/srv/shop/conf", mode=0o750, owner="root", group="shop")
    files.directory(c, "/var/lib/shop", mode=0o750, owner="shop", group="shop")
    files.directory(c, "/var/log/shop", mode=0o750, owner="shop", group="adm")
    files.directory(c, "/etc/shop", mode=0o755, owner="root", group="root")
    files.directory(c, "/etc/shop/tls", mode=0o755, owner="root", group="root")
    code = files.copy(c, "shop.py", to="/srv/shop/app/shop.py", mode=0o644, owner="root", group="root")
    files.copy(c, "style.css", to="/srv/shop/static/style.css", mode=0o644, owner="root", group="root")
    files.copy(c, "robots.txt", to="/srv/shop/static/robots.txt", mode=0o644, owner="root", group="root")
    venv = python.venv(c, "/srv/shop/venv", packages=["gunicorn==23.0.0", "itsdangerous==2.2.0"])

    def template(name: str, to: str, mode: int = 0o644, group: str = "root"):  # type: ignore[no-untyped-def]
        return files.template(c, name, to=to, mode=mode, owner="root", group=group, **v)

    env = template("shop.env.j2", "/etc/shop/shop.env", 0o640, "shop")
    conf = template("gunicorn.conf.py.j2", "/etc/shop/gunicorn.conf.py")
    settings = template("settings.json.j2", "/srv/shop/conf/settings.json", 0o640, "shop")
    socket = systemd.unit(c, "shop.socket", c.render("shop.socket.j2", **v))
    service = systemd.unit(c, "shop.service", c.render("shop.service.j2", **v))
    nginx = [
        template("nginx.conf.j2", "/etc/nginx/nginx.conf"),
        template("tls.conf.j2", "/etc/nginx/snippets/shop-tls.conf"),
        template("proxy.conf.j2", "/etc/nginx/snippets/shop-proxy.conf"),
        template("site.conf.j2", "/etc/nginx/sites-available/shop"),
        files.link(c, "/etc/nginx/sites-enabled/shop", "/etc/nginx/sites-available/shop"),
        files.absent(c, "/etc/nginx/sites-enabled/default"),
    ]
    files.absent(c, "/var/www/html/index.nginx-debian.html")
    certificate = command.command(
        c,
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "365", "-subj", f"/CN={p.domain}", "-addext", f"subjectAltName=DNS:{p.domain}",
            "-keyout", KEY, "-out", CERTIFICATE,
        ],
        creates=CERTIFICATE,
    )  # fmt: skip
    template("logrotate.j2", "/etc/logrotate.d/shop")
    template("cron.j2", "/etc/cron.d/shop")
    sshd = [
        text.line(c, "/etc/ssh/sshd_config", line, match=f"^#?{line.split()[0]} ", validate_with=SSHD)
        for line in ("X11Forwarding no", "MaxAuthTries 4", "ClientAliveInterval 300")
    ]
    text.line(c, "/etc/hosts", f"127.0.0.1 {p.domain}")
    systemd.socket(c, "shop", restart_on=[socket])
    systemd.service(c, "shop", restart_on=[code, venv, env, conf, settings, service])
    systemd.service(c, "nginx", reload_on=[*nginx, certificate], check_with=["nginx", "-t"])
    systemd.service(c, "cron")
    systemd.service(c, "ssh", reload_on=sshd)
    wait.url(c, f"https://{p.domain}/", ca=CERTIFICATE, service="shop")


SSHD = ("/usr/sbin/sshd", "-t", "-f", "%s")
