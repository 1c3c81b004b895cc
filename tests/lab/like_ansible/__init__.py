"""The same changes as playbook.yml, as a role of prov."""

from provision.role import Host, Params, task
from provision.steps import (
    apt,
    command,
    cron,
    debconf,
    fetch,
    files,
    git,
    known_hosts,
    permissions,
    python,
    repository,
    script,
    system,
    systemd,
    text,
    users,
    wait,
)

HASH = "$6$abcdefgh$yVfUwsw5T.JApa8POvClA1pQ5peiq97DUNyXCZN5IrF.BMSkiaLQ5kvpuEm/VQ1Tvh/KV2TcaWh8qinoW5dhA1"
UNIT = """\
[Unit]
Description=Sleeps
[Service]
ExecStart=/usr/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""


class Same(Params):
    """Parameters of the role `same`."""

    archive: str
    """SHA-256 of the archive that is downloaded."""
    mirror: str
    """Where the host gets its packages."""


@task
def install(c: Host, p: Same) -> None:
    """Everything that the playbook does, in its order."""
    apt.packages(c, ["git", "cron", "unzip"], cache_age=3600)
    apt.no_packages(c, "nano")
    apt.hold(c, "unzip")
    debconf.answers(c, "tzdata", {"tzdata/Areas": ("select", "Europe")})
    repository.repository(
        c,
        "example",
        p.mirror,
        ["bookworm-updates"],
        components=["main"],
        signed_by="/usr/share/keyrings/debian-archive-keyring.gpg",
    )
    users.group(c, "staff2", gid=4242)
    users.user(c, "ann", comment="Ann Example", uid=4243, groups=["staff2"], shell="/bin/bash", password=HASH)
    users.no_user(c, "games")
    files.directory(c, "/srv/app", mode=0o2750, owner="ann", group="staff2")
    files.file(c, "/srv/app/hello.txt", "hello\n", mode=0o640, owner="ann", group="staff2")
    files.template(c, "greeting.j2", to="/srv/app/greeting.txt", mode=0o644, greeted="world")
    files.link(c, "/srv/app/link", "hello.txt")
    files.absent(c, "/srv/old")
    permissions.permissions(c, "/srv/tree", owner="ann", group="staff2", folders=0o750, files=0o640)
    text.line(c, "/srv/settings.conf", "color = green", match="^color")
    text.block(c, "/srv/settings.conf", "size = 1\nweight = 2\n", name="more")
    cron.job(c, "clean", "5 4 * * *", ["/usr/bin/true"], user="ann")
    system.hostname(c, "same")
    known_hosts.known_host(
        c,
        "git.example.com",
        ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"],
    )
    archive = "http://127.0.0.1:8000/data.tar.gz"
    fetch.download(c, archive, "/srv/data.tar.gz", p.archive, mode=0o600)
    fetch.unpack(c, archive, "/srv/data", p.archive)
    git.checkout(c, "file:///srv/repo.git", "/srv/checkout", ref="v1")
    command.command(c, ["touch", "/srv/touched"], creates="/srv/touched")
    command.command(
        c,
        ["sh", "-c", "echo $GREETING | tr a-z A-Z > /srv/shouted"],
        creates="/srv/shouted",
        environment={"GREETING": "hello"},
    )
    script.local(c, "script.sh", ["one", "two words"], creates="/srv/from-script")
    python.venv(c, "/srv/venv", requirements="six==1.17.0\n")
    systemd.unit(c, "sleeper.service", UNIT)
    systemd.service(c, "sleeper")
    systemd.masked(c, "fstrim.timer")
    systemd.service(c, "cron", running=False, enabled=False)
    wait.port(c, 8000)
    wait.url(c, archive)
