"""A copy of an application's PostgreSQL database from one environment to another, with its data masked."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from provision.cli.of_applications import served_apps
from provision.cli.ssh_command import ssh_argv
from provision.errors import ProvError, UsageError
from provision.steps.support.psql import identifier, literal
from provision.values import dataclass

if TYPE_CHECKING:
    from provision.inventory import InventoryHost

#: as the server's own user, from a folder that it may enter
AS_POSTGRES = (
    'cd /; if [ "$(id -u)" = 0 ]; then exec runuser -u postgres -- "$@";'
    ' else exec sudo -n -u postgres -- "$@"; fi'
)
#: words of a host's or group's name, an inventory file or its folder that mark production
PRODUCTION = {"production", "prod"}
#: endings of the new database while it is made, and of the old one after that
COPY, BEFORE = "__copy", "__before"
#: PostgreSQL's longest name, less the endings
LONGEST = 63 - len(BEFORE)
#: lines of an error that are shown
SHOWN = 8
#: bytes of errors that are kept
MOST_ERRORS = 8192
#: times that connections of applications are ended
TRIES = 5


@dataclass(frozen=True)
class AppDatabase:
    """An application's database. host: the server's.  owner: of the database.  production: see is_production."""

    host: InventoryHost
    name: str
    owner: str
    production: bool

    def __str__(self) -> str:
        return f"{self.name} of {self.host.name}"


def is_production(host: InventoryHost) -> bool:
    """Return whether a host is marked production: by its name, one of its groups', or its inventory file's or
    folder's."""
    file = Path(host.defined.file)
    names = (host.name, *host.groups, file.stem, file.parent.name)
    return any(PRODUCTION & set(re.split(r"[^a-z]+", name.lower())) for name in names)


def database_of(hosts: Sequence[InventoryHost], app: str, key: str) -> AppDatabase:
    """Return the database that an application of these hosts uses. key: in its `uses`. Raises UsageError."""
    with_app = [host for host in hosts if app in (host.vars.get("apps") or ())]
    if not with_app:
        raise UsageError(f"no application {app!r} is declared for {', '.join(host.name for host in hosts)}")
    found = {}
    for name, (application,) in served_apps(with_app, app).items():
        for binding in application.bindings:
            if binding.role == "postgres" and binding.key == key:
                found[binding.provider.name, binding.name] = (binding, name)
    if len(found) != 1:
        said = "several databases" if found else f"no PostgreSQL database under `uses: {{{key}: ...}}`"
        raise UsageError(f"{app} of {', '.join(host.name for host in with_app)} has {said}")
    ((binding, _),) = found.values()
    production = any(map(is_production, [*with_app, binding.provider]))
    return AppDatabase(binding.provider, binding.name, binding.app.user, production)


def check_direction(
    source: AppDatabase, target: AppDatabase, masks: Sequence[Path], *, unmasked: bool
) -> None:
    """Raise UsageError for a copy that must not be made."""
    if target.production:
        raise UsageError(
            f"{target} is of production, which is never a target",
            hint="A host, a group, an inventory file or its folder with `production` in its name marks it.",
        )
    if (source.host.name, source.name) == (target.host.name, target.name):
        raise UsageError(f"{source} would be copied onto itself")
    if source.production and not masks and not unmasked:
        raise UsageError(
            f"{source} is of production, and nothing would mask its data",
            hint="Give --mask FILE.sql, which runs before anyone can read the copy; or --unmasked.",
        )
    for name in (source.name, target.name):
        if len(name) > LONGEST:
            raise UsageError(f"the name of the database {name!r} is longer than {LONGEST} characters")


def copy_database(
    source: AppDatabase, target: AppDatabase, masks: Sequence[Path], tell: Callable[[str], None]
) -> None:
    """Copy a database. The target's own stays in use until the copy is whole and masked. Raises ProvError."""
    texts = [(mask, mask.read_bytes()) for mask in masks]
    made, old = target.name + COPY, target.name + BEFORE
    ours, theirs = (int(ask(each.host, "SHOW server_version_num")) for each in (source, target))
    if ours // 10000 > theirs // 10000:
        versions = f"{ours // 10000}, which that of {target.host.name}, {theirs // 10000}, can't read"
        raise ProvError(f"{source} is of PostgreSQL {versions}")
    form = ask(
        target.host,
        "SELECT format('ENCODING %L LC_COLLATE %L LC_CTYPE %L', pg_encoding_to_char(encoding), datcollate, datctype)"
        f" FROM pg_database WHERE datname = {literal(target.name)}",
    )
    if not form:
        raise ProvError(
            f"{target.host.name} has no database {target.name}", hint="Deploy the application there first."
        )
    # no one but superusers may connect until it is masked
    ask(target.host, f"DROP DATABASE IF EXISTS {identifier(made)} WITH (FORCE)")
    settings = f"TEMPLATE template0 OWNER {identifier(target.owner)} {form} CONNECTION LIMIT 0"
    ask(target.host, f"CREATE DATABASE {identifier(made)} {settings}")
    try:
        ask(target.host, f"REVOKE CONNECT, TEMPORARY ON DATABASE {identifier(made)} FROM PUBLIC")
        tell(f"copying {source} to {target}")
        transfer(source, target, made)
        for mask, text in texts:
            tell(f"masking with {mask}")
            ask(target.host, text, made, where=str(mask))
        # statistics have values, too: those of before the masks go
        ask(target.host, "ANALYZE", made)
        swap(target, made, old)
    except BaseException:
        ask(target.host, f"DROP DATABASE IF EXISTS {identifier(made)} WITH (FORCE)")
        raise
    tell(f"{target} is the copy; what it was before is {old} there, until the next copy")


def swap(target: AppDatabase, made: str, old: str) -> None:
    """Put the copy in the place of the target's database, in one transaction. Raises ProvError."""
    name = target.name
    ask(target.host, f"DROP DATABASE IF EXISTS {identifier(old)} WITH (FORCE)")
    sql = (
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {literal(name)};\n"
        f"BEGIN;\nALTER DATABASE {identifier(name)} RENAME TO {identifier(old)};\n"
        f"ALTER DATABASE {identifier(made)} RENAME TO {identifier(name)};\n"
        f"ALTER DATABASE {identifier(name)} CONNECTION LIMIT -1;\nCOMMIT;\n"
    )
    for left in reversed(range(TRIES)):
        try:
            ask(target.host, sql)
            return
        except ProvError:
            # an application may have connected again in between
            if not left:
                raise


def transfer(source: AppDatabase, target: AppDatabase, into: str) -> None:
    """Stream a dump from one server to the other through this machine, which keeps nothing. Raises ProvError."""
    dump = on_server(source.host, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", source.name)
    restore = on_server(
        target.host, "pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction",
        f"--role={target.owner}", f"--dbname={into}",
    )  # fmt: skip
    with (
        # a pipe that is not read would block its writer
        TemporaryFile() as read_errors,
        TemporaryFile() as write_errors,
        subprocess.Popen(
            dump, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=read_errors
        ) as reading,
        subprocess.Popen(
            restore, stdin=reading.stdout, stdout=subprocess.DEVNULL, stderr=write_errors
        ) as writing,
    ):
        assert reading.stdout is not None
        reading.stdout.close()
        writing.wait()
        reading.wait()
        read, written = (last_of(each) for each in (read_errors, write_errors))
    # a dump that fails has its restore fail too
    for process, said, what in (
        (reading, read, f"{source} could not be read"),
        (writing, written, "could not be restored"),
    ):
        if process.returncode:
            raise ProvError(
                f"{what}:{tail(said)}", where=(source if process is reading else target).host.name
            )


def last_of(errors: IO[bytes]) -> bytes:
    """Return the end of what a program has written to a file."""
    errors.seek(max(0, errors.seek(0, 2) - MOST_ERRORS))
    return errors.read()


def ask(host: InventoryHost, sql: str | bytes, database: str = "postgres", where: str = "") -> str:
    """Run SQL as the server's superuser and return what it answers. Raises ProvError."""
    options = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-"]
    argv = on_server(host, "env", "PGCLIENTENCODING=UTF8", "psql", *options)
    given = sql.encode() if isinstance(sql, str) else sql
    done = subprocess.run(argv, input=given, capture_output=True, check=False)
    if done.returncode:
        raise ProvError(f"PostgreSQL of {host.name} refused it:{tail(done.stderr)}", where=where or host.name)
    return done.stdout.decode("utf-8", "replace").strip()


def on_server(host: InventoryHost, *argv: str) -> list[str]:
    """Return the command line that runs a command as postgres on a host."""
    return ssh_argv(host, ["sh", "-c", AS_POSTGRES, "sh", *argv])


def tail(said: bytes) -> str:
    """Return the last lines of an error."""
    lines = said.decode("utf-8", "replace").strip().splitlines()[-SHOWN:]
    return "".join(f"\n    {line}" for line in lines)
