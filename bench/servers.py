"""Requests per second of each application server: through its role, and started by hand as its documentation advises.

python -m bench.servers [NAME...]    such as gunicorn-wsgi; without names, all, and the table in docs/servers.md

It needs Linux and root, for the lab.

One lab host, one application per server, the same number of processes, the same nginx before both. The two are asked in
turns, so that what else the machine does hits both. Besides requests per second, which other work on the machine
shakes, it takes the processor time that a request costs, as systemd counts it, which that hardly does.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

TOP = Path(__file__).parents[1]
PAGE = TOP / "docs" / "servers.md"
PROV = Path(sys.executable).with_name("prov")
HOST = "t-sv-bench"
WORKERS = 2
ROUNDS = 7
SECONDS = 2
WSGI = {"source": str(TOP / "examples/flask_hello"), "interface": "wsgi"}
ASGI = {"source": str(TOP / "examples/fastapi_hello"), "interface": "asgi"}
#: where a server that was started by hand listens; Apache knows no sockets but ports
HAND = "/run/by-hand/server.sock"
HAND_PORT = "127.0.0.1:8082"


@dataclass(frozen=True)
class Contender:
    """A server with an application.

    by_hand: its arguments, as its documentation has them; a program without a path is the environment's.
    port: of nginx before the one that was started by hand.
    """

    server: str
    app: dict[str, str]
    by_hand: str
    port: int = 8081

    @property
    def name(self) -> str:
        return f"{self.server}-{self.app['interface']}".replace("_", "-")


CONTENDERS = (
    Contender("gunicorn", WSGI, f"gunicorn -w {WORKERS} --threads 4 -b unix:{HAND} hello:app"),
    Contender("gunicorn", ASGI, f"gunicorn -w {WORKERS} -k asgi -b unix:{HAND} hello:app"),
    Contender(
        "uwsgi",
        WSGI,
        f"uwsgi --http-socket {HAND} --master --processes {WORKERS} --threads 4 --module hello:app"
        " --disable-logging --lazy-apps --thunder-lock",
    ),
    Contender("mod_wsgi", WSGI, "/usr/sbin/apache2 -DFOREGROUND -f /etc/by-hand/apache.conf", port=8083),
    Contender("uvicorn", ASGI, f"uvicorn --uds {HAND} --workers {WORKERS} --no-access-log hello:app"),
    Contender("hypercorn", ASGI, f"hypercorn --bind unix:{HAND} --workers {WORKERS} hello:app"),
    Contender("hypercorn", WSGI, f"hypercorn --bind unix:{HAND} --workers {WORKERS} wsgi:hello:app"),
    # a single process, as it has no workers
    Contender("daphne", ASGI, f"daphne -u {HAND} -v 0 hello:app"),
    Contender("granian", ASGI, f"granian --uds {HAND} --interface asgi --workers {WORKERS} hello:app"),
    Contender(
        "granian",
        WSGI,
        f"granian --uds {HAND} --interface wsgi --workers {WORKERS} --blocking-threads 4 hello:app",
    ),
)


def site(port: int, address: str) -> str:
    """A server of nginx before an address."""
    return f"""
server {{
    listen {port};
    location / {{
        proxy_pass http://{address};
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
    }}
}}
"""


#: as in mod_wsgi's user guides "Quick Configuration Guide" and "Virtual Environments"
APACHE = f"""
ServerName localhost
Listen {HAND_PORT}
PidFile /run/by-hand/apache2.pid
DefaultRuntimeDir /run/by-hand
ErrorLog /run/by-hand/error.log
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule wsgi_module /usr/lib/apache2/modules/mod_wsgi.so
WSGISocketPrefix /run/by-hand/wsgi
WSGIDaemonProcess hello processes={WORKERS} threads=4 python-home=/srv/mod-wsgi-wsgi/current/.venv \\
    python-path=/srv/mod-wsgi-wsgi/current
WSGIScriptAlias / /etc/by-hand/hello.wsgi process-group=hello application-group=%{{GLOBAL}}
<Directory /etc/by-hand>
    Require all granted
</Directory>
"""
FILES = {
    "/etc/nginx/conf.d/by-hand.conf": site(8081, f"unix:{HAND}") + site(8083, HAND_PORT),
    "/etc/by-hand/apache.conf": APACHE,
    "/etc/by-hand/hello.wsgi": "from hello import app as application\n",
}


def on_host(script: str, timeout: float = 120) -> str:
    """What a script prints on the host."""
    argv = [str(PROV), "lab", "ssh", HOST, "--", "sh", "-e"]
    done = subprocess.run(argv, input=script, capture_output=True, text=True, timeout=timeout, check=True)
    return done.stdout


def deploy(folder: Path, contenders: Sequence[Contender]) -> None:
    """One application per server."""
    apps = {
        each.name: {
            **each.app,
            "target": "hello:app",
            "server": each.server,
            "domains": [f"{each.name}.test"],
            "health": "/healthz",
            "tls": "none",
            "workers": 1 if each.server == "daphne" else WORKERS,
        }
        for each in contenders
    }
    host = {"ansible_connection": "lab", "roles": ["python", "app"], "apps": apps}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {HOST: host}}}))
    subprocess.run(
        [PROV, "deploy", HOST, "-i", "hosts.yml"],
        cwd=folder,
        check=True,
        timeout=900,
        stdin=subprocess.DEVNULL,
    )
    written = "".join(f"cat > {path} <<'END'\n{text}END\n" for path, text in FILES.items())
    on_host(
        f"apt-get -qq install -y wrk >/dev/null\nmkdir -p /etc/by-hand\n{written}systemctl reload nginx\n"
    )


@dataclass(frozen=True)
class Load:
    """What a load came to: requests per second, and microseconds of processor time that one cost the server."""

    rate: float
    cost: float


def load(url: str, name: str, unit: str) -> Load:
    """Ask as fast as it goes; every answer has to be a good one."""
    used = f"systemctl show -P CPUUsageNSec '{unit}'\n"
    said = on_host(f"{used}wrk -t1 -c16 -d{SECONDS}s -H 'Host: {name}.test' {url}\n{used}")
    assert "Non-2xx" not in said, said
    lines = said.split("\n")
    requests = int(re.findall(r"(\d+) requests in", said)[0])
    nanoseconds = int(lines[-2]) - int(lines[0])
    return Load(float(re.findall(r"Requests/sec:\s+([\d.]+)", said)[0]), nanoseconds / requests / 1000)


def compare(each: Contender) -> str:
    """A line of the table: medians by the role and by hand, and of the rounds' ratios of cost."""
    unit, folder = f"by-hand-{each.name}.service", f"/srv/{each.name}/current"
    listed = on_host(f"systemctl list-units --plain --no-legend 'app-{each.name}@*.service'\n")
    ours = listed.split()[0]
    program = each.by_hand if each.by_hand.startswith("/") else f"{folder}/.venv/bin/{each.by_hand}"
    by_hand = f"http://127.0.0.1:{each.port}/healthz"
    on_host(
        # a unit to be able to stop it; none of the role's settings
        f"systemd-run -q --unit {unit} --working-directory {folder} --uid www-data -p RuntimeDirectory=by-hand"
        f" -E HOME=/run/by-hand {program}\n"
        f"for n in $(seq 60); do python3 -c 'import urllib.request as u; u.urlopen(\"{by_hand}\")'"
        " 2>/dev/null && break; sleep 0.5; done\n"
    )
    sides = [("http://127.0.0.1/healthz", ours), (by_hand, unit)]
    rounds: list[tuple[Load, Load]] = []
    try:
        for url, name in sides:
            load(url, each.name, name)
        for n in range(ROUNDS):
            # who goes first takes turns, too
            order = sides if n % 2 else sides[::-1]
            found = {name: load(url, each.name, name) for url, name in order}
            rounds.append((found[ours], found[unit]))
    finally:
        on_host(f"systemctl stop {unit}\n")
    role, hand = ([pair[side] for pair in rounds] for side in (0, 1))
    cells = [
        each.server,
        each.app["interface"],
        *(f"{statistics.median(x.rate for x in side):.0f}" for side in (role, hand)),
        *(f"{statistics.median(x.cost for x in side):.0f}" for side in (role, hand)),
        f"{statistics.median(a.cost / b.cost for a, b in rounds):.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def main(*names: str) -> None:
    """Measure these or all; the table of all is written."""
    contenders = [each for each in CONTENDERS if not names or each.name in names]
    subprocess.run([PROV, "lab", "up", HOST], check=True, timeout=300, stdin=subprocess.DEVNULL)
    lines = [
        "| server | application | requests/s by the role | by hand | µs of CPU per request | by hand | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    try:
        with tempfile.TemporaryDirectory() as folder:
            deploy(Path(folder), contenders)
        for each in contenders:
            lines.append(compare(each))
            sys.stdout.write(f"{lines[-1]}\n")
            sys.stdout.flush()
    finally:
        subprocess.run([PROV, "lab", "down", HOST], check=True, timeout=60, stdin=subprocess.DEVNULL)
    if names:
        return
    before, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- measured -->\n")
    after = rest.partition("<!-- end -->\n")[2]
    busy = f"Load average of the machine in the meantime: {os.getloadavg()[2]:.0f}, with {os.cpu_count()} processors."
    table = "\n".join([*lines, "", busy])
    PAGE.write_text(f"{before}<!-- measured -->\n{table}\n<!-- end -->\n{after}", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
