"""The stack that every tool deploys: its variables, and what of it is compared between tools."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
FILES = FOLDER / "files"
TEMPLATES = FOLDER / "templates"

#: variables of the templates; `upload_mb` is what "one template changed" changes
VARIABLES: dict[str, str | int] = {
    "domain": "shop.test",
    "workers": 2,
    "threads": 4,
    "connections": 1024,
    "keep_weeks": 8,
}

STEPS = 39

#: compared by contents, mode and owner
SAME_FILES = (
    "/srv/shop/app/shop.py",
    "/srv/shop/static/style.css",
    "/srv/shop/static/robots.txt",
    "/srv/shop/conf/settings.json",
    "/etc/shop/shop.env",
    "/etc/shop/gunicorn.conf.py",
    "/etc/systemd/system/shop.socket",
    "/etc/systemd/system/shop.service",
    "/etc/nginx/nginx.conf",
    "/etc/nginx/sites-available/shop",
    "/etc/nginx/snippets/shop-tls.conf",
    "/etc/nginx/snippets/shop-proxy.conf",
    "/etc/logrotate.d/shop",
    "/etc/cron.d/shop",
    "/etc/ssh/sshd_config",
    "/etc/hosts",
)

#: compared by kind, mode, owner and target: their contents differ from host to host
SAME_ATTRIBUTES = (
    "/srv/shop",
    "/srv/shop/app",
    "/srv/shop/static",
    "/srv/shop/conf",
    "/srv/shop/venv",
    "/srv/shop/venv/bin/gunicorn",
    "/var/lib/shop",
    "/var/log/shop",
    "/etc/shop",
    "/etc/shop/tls",
    "/etc/shop/tls/shop.test.pem",
    "/etc/shop/tls/shop.test.key",
    "/etc/nginx/sites-enabled/shop",
    "/etc/nginx/sites-enabled/default",
    "/var/www/html/index.nginx-debian.html",
)

UNITS = ("shop.socket", "shop.service", "nginx.service", "cron.service", "ssh.service")
