"""What psql says of a PostgreSQL server, and pictures of its roles, databases, privileges and settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from helpers.hosts import on

sys.path.append(str(Path(__file__).parents[2] / "steps_past"))
from pictures import Picture

LOOKS = {
    "roles": "select row_to_json(r) from pg_authid r where rolname like 'd!_%' escape '!' order by rolname",
    "members": "select roleid::regrole, member::regrole from pg_auth_members order by 1, 2",
    "bases": "select datname, pg_get_userbyid(datdba), encoding, datcollate, datconnlimit, datacl from pg_database"
    " where datname not like 'template%' order by 1",
    "hba": "select type, database, user_name, auth_method, error from pg_hba_file_rules",
    "settings": "select name, setting from pg_file_settings where sourcefile like '%auto.conf' order by 1",
}


def psql(database: str, *statements: str) -> list[str]:
    """The command line of psql as the server's own user, in a folder that this user may enter."""
    words = [word for each in statements for word in ("-c", each)]
    return ["env", "-C", "/", "runuser", "-u", "postgres", "--", "psql", "-XAtq", "-d", database, *words]


def sql(host: str, *statements: str, database: str = "postgres", check: bool = True) -> str:
    """What psql says on a host."""
    return on(host, *psql(database, *statements), check=check)


def asked(statement: str, database: str = "postgres") -> list[str]:
    """What psql answers, in the process that asks."""
    done = subprocess.run(psql(database, statement), capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def servers() -> Picture:
    """What the server has that a draw may be about."""
    inside = "select defaclrole, defaclacl from pg_default_acl union all select oid, nspacl from pg_namespace"
    owned = (
        "select oid::regclass, relowner::regrole, relacl from pg_class"
        " where relkind <> 'i' and relnamespace in (2200, to_regnamespace('d_schema')) order by 1"
    )
    found: Picture = {name: (asked(statement), "") for name, statement in LOOKS.items()}
    return {
        **found,
        "inside": (
            *(asked(each, "d_base") for each in (inside, owned, "select extname from pg_extension")),
            "",
        ),
    }
