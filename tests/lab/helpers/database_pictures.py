"""What a PostgreSQL server has, before and after: roles, databases, privileges, settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


def asked(statement: str, database: str = "postgres") -> list[str]:
    """What psql answers, in the process that asks."""
    argv = ["runuser", "-u", "postgres", "--", "psql", "-XAtq", "-d", database, "-c", statement]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/")
    return done.stdout.splitlines()


def servers() -> Picture:
    """What the server has that a draw may be about."""
    inside = "select defaclrole, defaclacl from pg_default_acl union all select oid, nspacl from pg_namespace"
    found: Picture = {name: (asked(statement), "") for name, statement in LOOKS.items()}
    return {
        **found,
        "inside": (asked(inside, "d_base"), asked("select extname from pg_extension", "d_base"), ""),
    }
