"""Redis, or Valkey if the distribution has it: a separate instance for each use by an application.

An application names it in `uses`. Each instance has its own memory, data and socket. Only the application may
use the socket: nothing else on the host, and there is no port. From other hosts it is reached over TLS, at a
port of its own between 26000 and 31999: both sides have a certificate of the private CA, and it accepts every
application that has one. With `auth: password`, for clients that can do neither, its host makes a password, and the
application finds it in its environment; between hosts it goes over TLS, on one host the port is at 127.0.0.1. Its
data outlives restarts, and is never removed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from pydantic import Field

from provision.apps.bindings import LOOPBACK, Binding
from provision.apps.tls import AUTHORITY_PATH
from provision.role import Host, Outcome, Params, task
from provision.secrets import Secret
from provision.serving.handing import hand_over
from provision.steps import apt, files, service_users, systemd
from provision.steps.redis_passwords import RedisPassword
from provision.values import dataclass
from roles.tls import Tls, between

REACHED_BY = ("socket", "certificate", "password")
PORTS = (26000, 31999)

FOLDER = "/etc/prov/redis"
#: a preview's instance gets the part of one among this many more
MORE = 3
#: names of the use that is Celery's broker, if an application has several
QUEUES = ("queue", "broker", "celery")


@dataclass(frozen=True)
class Product:
    """Redis as a distribution packages it. package: of its server; names its unit too.  user: it runs as."""

    name: str
    package: str
    user: str

    @property
    def program(self) -> str:
        """Return the path of the server."""
        return f"/usr/bin/{self.name}-server"


REDIS = Product("redis", "redis-server", "redis")
VALKEY = Product("valkey", "valkey-server", "valkey")
#: releases of distributions without Valkey; all later ones have it
BEFORE_VALKEY = {"debian": ("10", "11", "12"), "ubuntu": ("20.04", "22.04", "24.04")}


class Redis(Params):
    """Parameters of the role `redis`."""

    memory: int | None = Field(default=None, ge=16)
    """Megabytes that one instance may hold. Default: an eighth of the host's memory, divided among all."""
    policy: str = Field(default="volatile-lru", pattern="^(noeviction|(allkeys|volatile)-[a-z]+)$")
    """What a full instance evicts (`maxmemory-policy`). Default: only keys that expire, so no queued task."""
    fsync: str = Field(default="everysec", pattern="^(always|everysec|no)$")
    """When written data reaches the disk (`appendfsync`)."""
    keep_default: bool = False
    """Leave the package's own server running, which listens on 127.0.0.1:6379 without a password."""


@task
def install(c: Host, p: Redis) -> None:
    """Install the server, and start an instance for each use."""
    product = of_host(c)
    apt.packages(c, product.package)
    if not p.keep_default:
        systemd.service(c, product.package, running=False, enabled=False)
    bindings = [each for each in c.provided if each.role == "redis"]
    if bindings:
        files.directory(c, FOLDER, mode=0o755, parents=True)
    others = [each for each in bindings if each.is_elsewhere]
    read = between.server(c, c.params(Tls), "redis", others, group=product.user) if others else []
    for binding in bindings:
        instance(c, p, product, binding, memory(c, p, len(bindings)), read)


def copied(c: Host, binding: Binding, live: Binding) -> None:
    """Make what a preview uses: an instance of its own, which is empty."""
    p = c.params(Redis)
    instance(c, p, of_host(c), binding, memory(c, p, 1 + MORE), [])


def copy_gone(c: Host, name: str, user: str) -> None:
    """Remove the data of an instance that `copied` has made. name: as of its binding.  user: of the preview."""
    for folder in ("/var/lib", "/run"):
        files.absent(c, f"{folder}/redis-{name}")


def of_host(c: Host) -> Product:
    """Return the product that the host's distribution has."""
    old = BEFORE_VALKEY.get(c.facts.distribution, ())
    return REDIS if c.facts.version in old else VALKEY


def memory(c: Host, p: Redis, count: int) -> int:
    """Return megabytes for one of several instances."""
    # rounded: a kernel update changes the host's memory by some megabytes
    return p.memory or max(c.facts.memory_mb // 256 * 256 // 8 // count, 16)


def instance(
    c: Host, p: Redis, product: Product, binding: Binding, megabytes: int, certificates: Sequence[Outcome]
) -> None:
    """Set up one instance: configuration and unit. certificates: what it reads if other hosts reach it."""
    app, name = binding.app, unit_name(binding)
    local = binding.way == "socket"
    if local:
        # the socket belongs to the application's group
        said_in = c.inventory.origin("apps", app.name, "user")
        service_users.service_user(c, app.user, home=f"/var/lib/{app.user}", said_in=str(said_in or ""))
    path = f"{FOLDER}/{binding.name}.conf"
    users = f"{FOLDER}/{binding.name}.acl"
    values: dict[str, Any] = {
        "p": p,
        "product": product,
        "binding": binding,
        "unit": name,
        "megabytes": megabytes,
        "socket": socket(binding),
        "conf": path,
        "local": local,
        "users": users if binding.way == "password" else "",
        "address": between.listens_at(c, [binding]) if binding.is_elsewhere else LOOPBACK,
        "tls": between.server_files("redis"),
        "authority": AUTHORITY_PATH,
    }
    read = list(certificates) if binding.is_elsewhere else []
    if binding.way == "password":
        read.append(hand_over(c, [binding], partial(RedisPassword, users, product.user)))
    conf = files.template(c, "redis.conf.j2", to=path, mode=0o644, **values)
    # only the unit has a group: the template of a file would take the word for that of the file
    group = app.user if local else product.user
    text = c.render("redis.service.j2", role="redis", group=group, **values)
    unit = systemd.unit(c, f"{name}.service", text)
    systemd.service(c, name, restart_on=[conf, unit, *read])


def unit_name(binding: Binding) -> str:
    """Return the name of its unit, and of its folders in /run and /var/lib."""
    return f"redis-{binding.name}"


def socket(binding: Binding) -> str:
    """Return the path of its socket."""
    return f"{socket_folder(binding)}/redis.sock"


def socket_folder(binding: Binding) -> str:
    """Return the folder of its socket."""
    return f"/run/{unit_name(binding)}"


def environment(binding: Binding, packages: Collection[str]) -> dict[str, str | Secret]:
    """Return an application's environment: a URL as redis-py reads it, and one for Celery."""
    if binding.way == "socket":
        plain, scheme = "{scheme}://{host}?db={name}", "unix"
        host, port = socket(binding), "0"
    else:
        host, port = binding.host_name, str(binding.port)
        login = ":{password}@" if binding.way == "password" else ""
        files = f"?{client_files(binding)}&ssl_cert_reqs=required" if binding.is_elsewhere else ""
        plain = f"{{scheme}}://{login}{{host}}:{{port}}/{{name}}{files}"
        scheme = "rediss" if binding.is_elsewhere else "redis"
    found = binding.variables(plain, scheme, {"user": "", "host": host, "port": port, "name": "0"})
    url = found[binding.variable]
    if binding.first:
        found["REDIS_URL"] = url
        if "rq" in packages:
            # read by the program rq
            found["RQ_REDIS_URL"] = url
    if "celery" in packages and (binding.first or binding.key in QUEUES):
        # Celery reads these variables directly, in a form of its own
        broker = for_celery(binding, url)
        found |= {"CELERY_BROKER_URL": broker, "CELERY_RESULT_BACKEND": broker}
    return found


def client_files(binding: Binding) -> str:
    """Return the part of a URL that names the authority, and the application's certificate if it has one."""
    own = binding.files
    certificate = f"&ssl_certfile={own.certificate}&ssl_keyfile={own.key}"
    return f"ssl_ca_certs={own.authority}" + (certificate if binding.way == "certificate" else "")


def for_celery(binding: Binding, url: str | Secret) -> str | Secret:
    """Return a URL as kombu reads it, which expects the names of constants of Python's ssl."""
    if binding.way == "socket":
        return f"redis+socket://{socket(binding)}"
    if isinstance(url, Secret):
        return Secret(url.reveal().replace("ssl_cert_reqs=required", "ssl_cert_reqs=CERT_REQUIRED"))
    return url.replace("ssl_cert_reqs=required", "ssl_cert_reqs=CERT_REQUIRED")
