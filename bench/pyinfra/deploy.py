"""The benchmark's stack for pyinfra. As its documentation advises: operations rather than shell, changes passed on
with `_if`, facts for what has no operation."""

from pathlib import Path
from typing import Any

from pyinfra import host
from pyinfra.facts.files import File
from pyinfra.operations import apt, files, pip, server, systemd

STACK = Path(__file__).parent.parent / "stack"
DOMAIN = host.data.domain
VALUES = {name: host.data.get(name) for name in host.data.variables}
KEY, CERTIFICATE = f"/etc/shop/tls/{DOMAIN}.key", f"/etc/shop/tls/{DOMAIN}.pem"


def template(name: str, dest: str, mode: str = "644", group: str = "root") -> Any:
    return files.template(
        name=dest,
        src=str(STACK / "templates" / name),
        dest=dest,
        user="root",
        group=group,
        mode=mode,
        create_remote_dir=False,
        **VALUES,
    )


def copy(name: str, dest: str) -> Any:
    return files.put(
        name=dest,
        src=str(STACK / "files" / name),
        dest=dest,
        user="root",
        group="root",
        mode="644",
        create_remote_dir=False,
    )


apt.packages(
    name="Packages",
    packages=["nginx", "python3-venv", "openssl", "ca-certificates", "curl", "cron", "logrotate"],
    no_recommends=True,
    update=True,
    cache_time=86400,
)
server.user(
    name="User",
    user="shop",
    system=True,
    home="/srv/shop",
    ensure_home=False,
    shell="/usr/sbin/nologin",
)
for path, mode, user, group in (
    ("/srv/shop", "755", "root", "root"),
    ("/srv/shop/app", "755", "root", "root"),
    ("/srv/shop/static", "755", "root", "root"),
    ("/srv/shop/conf", "750", "root", "shop"),
    ("/var/lib/shop", "750", "shop", "shop"),
    ("/var/log/shop", "750", "shop", "adm"),
    ("/etc/shop", "755", "root", "root"),
    ("/etc/shop/tls", "755", "root", "root"),
):
    files.directory(name=path, path=path, mode=mode, user=user, group=group)

code = copy("shop.py", "/srv/shop/app/shop.py")
copy("style.css", "/srv/shop/static/style.css")
copy("robots.txt", "/srv/shop/static/robots.txt")
pip.venv(name="Virtual environment", path="/srv/shop/venv", python="python3")
packages = pip.packages(
    name="Packages in it",
    packages=["gunicorn==23.0.0", "itsdangerous==2.2.0"],
    virtualenv="/srv/shop/venv",
)
settings = [
    template("shop.env.j2", "/etc/shop/shop.env", "640", "shop"),
    template("gunicorn.conf.py.j2", "/etc/shop/gunicorn.conf.py"),
    template("settings.json.j2", "/srv/shop/conf/settings.json", "640", "shop"),
]
units = [
    template("shop.socket.j2", "/etc/systemd/system/shop.socket"),
    template("shop.service.j2", "/etc/systemd/system/shop.service"),
]
nginx = [
    template("nginx.conf.j2", "/etc/nginx/nginx.conf"),
    template("tls.conf.j2", "/etc/nginx/snippets/shop-tls.conf"),
    template("proxy.conf.j2", "/etc/nginx/snippets/shop-proxy.conf"),
    template("site.conf.j2", "/etc/nginx/sites-available/shop"),
    files.link(
        name="Site",
        path="/etc/nginx/sites-enabled/shop",
        target="/etc/nginx/sites-available/shop",
        create_remote_dir=False,
    ),
    files.link(name="Default site", path="/etc/nginx/sites-enabled/default", present=False),
]
files.file(name="Default page", path="/var/www/html/index.nginx-debian.html", present=False)
if host.get_fact(File, path=CERTIFICATE) is None:
    server.shell(
        name="Certificate",
        commands=[
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365"
            f" -subj /CN={DOMAIN} -addext subjectAltName=DNS:{DOMAIN} -keyout {KEY} -out {CERTIFICATE}"
        ],
    )
template("logrotate.j2", "/etc/logrotate.d/shop")
template("cron.j2", "/etc/cron.d/shop")
sshd = [
    files.line(
        name=text,
        path="/etc/ssh/sshd_config",
        line=f"^#?{text.split()[0]} .*$",
        replace=text,
        extended_regex=True,
    )
    for text in ("X11Forwarding no", "MaxAuthTries 4", "ClientAliveInterval 300")
]
files.line(name="Name of the shop", path="/etc/hosts", line=f"^127.0.0.1 {DOMAIN}$")
systemd.daemon_reload(name="Units", _if=lambda: any(unit.did_change() for unit in units))
systemd.service(name="Socket", service="shop.socket", running=True, enabled=True)
systemd.service(name="Service", service="shop.service", running=True, enabled=True)
systemd.service(
    name="Restart",
    service="shop.service",
    restarted=True,
    _if=lambda: any(o.did_change() for o in (code, packages, units[1], *settings)),
)
systemd.service(name="nginx", service="nginx.service", running=True, enabled=True)
systemd.service(
    name="Reload nginx",
    service="nginx.service",
    reloaded=True,
    _if=lambda: any(o.did_change() for o in nginx),
)
systemd.service(name="cron", service="cron.service", running=True, enabled=True)
systemd.service(
    name="Reload sshd",
    service="ssh.service",
    reloaded=True,
    _if=lambda: any(o.did_change() for o in sshd),
)
server.shell(
    name="Page over HTTPS",
    commands=[
        f"curl --silent --show-error --fail --output /dev/null --cacert {CERTIFICATE}"
        f" --retry 10 --retry-all-errors --retry-delay 1 https://{DOMAIN}/"
    ],
)
