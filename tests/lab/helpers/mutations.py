"""What people, packages and accidents do to a host that prov has deployed: drawn by hypothesis, run by sh as root.

Paths are shell patterns where a name has a hash in it. Nothing here keeps a host from being reached: what does is in
the tests of the guard.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from helpers.projects import STACK

#: by application, with NAME in the place of its name
RELEASE = "/srv/NAME/releases/*"
SETTINGS = (
    "/etc/ssh/sshd_config.d/10-prov.conf",
    "/etc/apt/apt.conf.d/21prov-upgrades",
    "/etc/nginx/nginx.conf",
)
APP_FILES = (
    "/etc/nginx/sites-enabled/NAME.conf",
    "/etc/prov/NAME.env",
    "/etc/prov/tls/NAME.crt",
    "/etc/prov/tls/NAME.key",
    f"{RELEASE}/.prov/behind_front.py",
    f"{RELEASE}/.prov/loads",
    f"{RELEASE}/requirements.txt",
    "/etc/systemd/system/app-NAME@*.service",
    "/etc/systemd/system/app-NAME@*.socket",
)
FOLDERS = ("/etc/prov", "/etc/prov/tls", "/etc/nginx/sites-enabled")
APP_FOLDERS = (
    "/var/lib/app-NAME",
    "/srv/NAME",
    "/srv/NAME/releases",
    RELEASE,
    f"{RELEASE}/.prov",
    f"{RELEASE}/static",
    "/srv/NAME/venvs",
    "/srv/NAME/venvs/*",
    "/srv/NAME/venvs/*/bin",
    "/srv/NAME/instances",
)
LINKS = ("/srv/NAME/current", "/srv/NAME/instances/*", f"{RELEASE}/.venv")
PACKAGES = ("curl", "unattended-upgrades", "openssl", "nginx", "nginx-common", "python3-venv")
SERVICE, SOCKET = (f"$(cd /etc/systemd/system && ls -d app-NAME@*.{kind})" for kind in ("service", "socket"))
FOREIGN = (
    "/etc/nginx/conf.d/foreign.conf",
    "/etc/nginx/sites-enabled/foreign.conf",
    "/etc/nginx/sites-enabled/default",
    "/etc/prov/foreign",
    "/etc/systemd/system/nginx.service.d/foreign.conf",
    "/srv/NAME/releases/foreign",
    "/srv/NAME/venvs/foreign",
    f"{RELEASE}/foreign.py",
    f"{RELEASE}/static/foreign.css",
    "/srv/NAME/instances/foreign",
    "/var/lib/app-NAME/foreign",
)


#: what a host is before things happen to it; "begun ROLE": a deploy has died at this role's first change
BARE, DEPLOYED = "bare", "deployed"
#: all of these
STARTS = (BARE, *(f"begun {role}" for role in STACK), DEPLOYED)


@dataclass(frozen=True)
class Mutation:
    """name: for people.  script: what sh does on the host."""

    name: str
    script: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Case:
    """What happens to a host, and what it was before: one of STARTS."""

    mutations: tuple[Mutation, ...]
    start: str = DEPLOYED

    def __str__(self) -> str:
        happened = " + ".join(map(str, self.mutations))
        return happened if self.start == DEPLOYED else f"{self.start}: {happened}"


def kinds(app: str) -> list[list[Mutation]]:
    """Everything that can happen to a host of that application; things of a kind together."""

    def named(text: str) -> str:
        return text.replace("NAME", app)

    def of(how: dict[str, str], what: tuple[str, ...]) -> list[Mutation]:
        paths = [named(each) for each in what]
        return [Mutation(f"{word} {path}", how[word].replace("PATH", path)) for word in how for path in paths]

    return [
        of(TO_A_FILE, (*SETTINGS, *APP_FILES)),
        of(TO_A_FOLDER, (*FOLDERS, *APP_FOLDERS)),
        of(TO_A_LINK, LINKS),
        of(TO_A_PACKAGE, PACKAGES),
        of(TO_A_UNIT, ("nginx.service", SERVICE, SOCKET)),
        of(TO_SSH, ("ssh",)),
        of(TO_A_NEW_FILE, FOREIGN),
        [Mutation(name, named(script)) for name, script in OTHERS.items()],
    ]


def case(app: str, text: str) -> Case:
    """A case by its name."""
    start, _, rest = text.partition(": ")
    if start not in STARTS:
        start, rest = DEPLOYED, text
    known = {mutation.name: mutation for kind in kinds(app) for mutation in kind}
    return Case(tuple(known[name] for name in rest.split(" + ")), start)


TO_A_FILE = {
    "edit": "for f in PATH; do echo '# by hand' >> $f; done",
    "empty": "truncate -s 0 PATH",
    "delete": "rm -f PATH",
    "touch": "touch PATH",
    "chmod 0666": "chmod 0666 PATH",
    "chmod 0400": "chmod 0400 PATH",
    "chown": "chown nobody:nogroup PATH",
    "turn into a link": "for f in PATH; do mv $f /var/tmp/moved && ln -s /var/tmp/moved $f; done",
    "turn into a folder": "for f in PATH; do rm -f $f && mkdir $f; done",
}
TO_A_FOLDER = {
    "delete": "rm -rf PATH",
    "chmod 0700": "chmod 0700 PATH",
    "chmod 0777": "chmod 0777 PATH",
    "chown": "chown nobody:nogroup PATH",
    "turn into a file": "for d in PATH; do rm -rf $d; : > $d; done",
    "turn into a link": "for d in PATH; do mv $d $d.moved && ln -s $d.moved $d; done",
}
TO_A_LINK = {
    "delete": "rm PATH",
    "turn": "for l in PATH; do ln -sfn /nowhere $l; done",
    "turn into a file": "for l in PATH; do rm $l; true > $l; done",
    "turn into a folder": "for l in PATH; do rm $l; mkdir $l; done",
}
TO_A_PACKAGE = {
    "remove": "apt-get -qq remove PATH >/dev/null",
    "purge": "apt-get -qq purge PATH >/dev/null",
    "unpack only": "cd /var/tmp && apt-get -qq download PATH && dpkg --unpack PATH_*.deb >/dev/null; rm -f PATH_*.deb",
}
TO_A_UNIT = {
    "stop": "systemctl -q stop PATH",
    "kill": "systemctl -q kill -s KILL PATH || true",
    "disable": "systemctl -q disable PATH 2>/dev/null || true",
    "disable --now": "systemctl -q disable --now PATH 2>/dev/null || true",
    "mask": "systemctl -q mask --runtime PATH 2>/dev/null || true",
    "restart": "systemctl -q restart PATH",
    "stop and reload systemd": "systemctl -q stop PATH; systemctl daemon-reload",
    "drop-in": "for u in PATH; do mkdir -p /etc/systemd/system/$u.d;"
    " printf '[Unit]\\nDescription=by hand\\n' > /etc/systemd/system/$u.d/hand.conf; done",
}
TO_SSH = {"disable": "systemctl -q disable PATH || true", "mask": "systemctl -q mask PATH || true"}
TO_A_NEW_FILE = {
    "foreign": "mkdir -p $(dirname PATH); echo '# foreign' > $(echo $(dirname PATH))/$(basename PATH)",
}
PIP = "/srv/NAME/venvs/*/bin/python -m pip -q --disable-pip-version-check"
OTHERS = {
    "user removed": "userdel -f app-NAME 2>/dev/null || true",
    "user's home turned": "usermod -d /nonexistent app-NAME 2>/dev/null || true",
    "user's shell turned": "usermod -s /bin/sh app-NAME",
    "user and group removed": "userdel -f app-NAME 2>/dev/null; groupdel app-NAME 2>/dev/null; true",
    "venv: a package removed": f"{PIP} uninstall -y flask >/dev/null",
    "venv: a package added": f"{PIP} install -q itsdangerous==2.1.2 >/dev/null || true",
    "venv: python broken": "for p in /srv/NAME/venvs/*/bin/python3; do ln -sf /nowhere $p; done",
    "venv: half made": "rm -rf /srv/NAME/venvs/*/lib/python3*/site-packages/flask*",
    "venv: its mark gone": "rm -f /srv/NAME/venvs/*/.prov* /srv/NAME/venvs/*/pyvenv.cfg",
    "venv: gone": "rm -rf /srv/NAME/venvs/*",
    "certificate expired": "openssl req -x509 -key /etc/prov/tls/NAME.key -subj /CN=NAME.test -days -1"
    " -addext subjectAltName=DNS:NAME.test -out /etc/prov/tls/NAME.crt 2>/dev/null",
    "certificate for another name": "openssl req -x509 -key /etc/prov/tls/NAME.key -subj /CN=other.test -days 90"
    " -addext subjectAltName=DNS:other.test -out /etc/prov/tls/NAME.crt 2>/dev/null",
    "another key": "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out /etc/prov/tls/NAME.key",
    "a file of the release edited": "f=$(ls -d /srv/NAME/releases/*/*.py | head -1); echo '# by hand' >> $f",
    "a file of the release gone": "f=$(ls -d /srv/NAME/releases/*/*.py | head -1); rm $f",
    "the release gone": "rm -rf /srv/NAME/releases/*",
    "old releases": "for n in 1 2 3 4 5 6 7; do mkdir -p /srv/NAME/releases/00000000000$n; done",
    "processes of the application killed": "pkill -KILL -u app-NAME || true",
    "socket's path gone": "rm -rf /run/app-NAME",
    "ledger gone": "rm -f /var/lib/prov/ledger.json",
    "ledger damaged": "echo '{' > /var/lib/prov/ledger.json",
    "nginx's configuration broken": "echo '}' >> /etc/nginx/nginx.conf",
    "nginx's package file broken": "echo '}' >> /etc/nginx/mime.types",
    "unit file masked by hand": "rm -f /etc/systemd/system/app-NAME@*.service;"
    " ln -s /dev/null /etc/systemd/system/app-NAME@000000000000.service",
    "nothing": "true",
}


def draw(app: str, count: int, starts: Sequence[str] = (DEPLOYED,), number: int | None = None) -> list[Case]:
    """So many cases of one to three things at once. starts: where they may begin, more often the more often it is
    there.  number: gives the same ones each time; None new ones."""
    found: dict[str, Case] = {}
    things = st.one_of(*map(st.sampled_from, kinds(app)))

    @seed(random.SystemRandom().randrange(2**32) if number is None else number)
    @settings(
        max_examples=4 * count,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(things, min_size=1, max_size=3, unique_by=str), st.sampled_from(starts))
    def collect(happened: list[Mutation], start: str) -> None:
        case = Case(tuple(happened), start)
        found.setdefault(str(case), case)

    collect()
    return random.Random(number).sample(list(found.values()), min(count, len(found)))
