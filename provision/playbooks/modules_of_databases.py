"""Modules for PostgreSQL."""

from __future__ import annotations

from provision.playbooks.module_arguments import Arguments, module
from provision.playbooks.not_carried import NotCarried
from provision.playbooks.python_layout import Call

ATTRIBUTES = {
    "SUPERUSER": "superuser",
    "CREATEDB": "createdb",
    "CREATEROLE": "createrole",
    "REPLICATION": "replication",
    "LOGIN": "login",
    "BYPASSRLS": "bypassrls",
    "INHERIT": "inherit",
}


def connected(a: Arguments) -> dict[str, str]:
    """Take how the server is reached."""
    a.ignore(
        "login_user", "login_unix_socket", "login_password", "encrypted", "no_password_changes", "ca_cert"
    )
    host = a.literal("login_host")
    if host not in ("", "localhost", "127.0.0.1"):
        raise NotCarried("a server on another host")
    return a.options(port="port") | a.options(port="login_port")


@module("postgresql_db")
def postgresql_db(a: Arguments) -> list[Call]:
    """Return a database."""
    name, state = a.required("name", "db"), a.literal("state", default="present")
    a.ignore("template", "lc_ctype", "maintenance_db")
    if state not in ("present", "absent"):
        raise NotCarried(f"state: {state} of postgresql_db")
    options = {
        **a.options(owner="owner", encoding="encoding", locale="lc_collate", connection_limit="conn_limit")
    }
    options |= connected(a)
    return [
        Call(
            "postgres.database", (name,), {**options, **({} if state == "present" else {"present": "False"})}
        )
    ]


@module("postgresql_user")
def postgresql_user(a: Arguments) -> list[Call]:
    """Return a role, and its privileges on a database."""
    name, state = a.required("name", "user"), a.literal("state", default="present")
    options = a.options(password="password", connection_limit="conn_limit", valid_until="expires")
    if options.get("password", "")[:1] in ("'", '"'):
        raise NotCarried("a password in the playbook: put it into a vault")
    for flag in a.literal("role_attr_flags").split(","):
        name_of = flag.strip().upper()
        if name_of:
            wanted = not name_of.startswith("NO")
            attribute = ATTRIBUTES.get(name_of if wanted else name_of[2:])
            if attribute is None:
                raise NotCarried(f"the attribute {flag}")
            options[attribute] = repr(wanted)
    options |= connected(a)
    database, privileges = a.code("db", "login_db"), a.literal("priv")
    if state == "absent":
        return [Call("postgres.role", (name,), {"present": "False"})]
    calls = [Call("postgres.role", (name,), options)]
    if privileges:
        if "/" in privileges or ":" in privileges or not database:
            raise NotCarried("privileges on tables: use postgres.grant")
        calls.append(Call("postgres.grant", (name, a.values.value(listed(privileges)), database)))
    return calls


@module("postgresql_privs")
def postgresql_privs(a: Arguments) -> list[Call]:
    """Return privileges."""
    database, role = a.required("database", "db", "login_db"), a.required("roles", "role")
    kind, privileges = a.literal("type", default="table"), a.literal("privs", "priv")
    objects, schema = a.code("objs", "obj"), a.code("schema")
    present = a.literal("state", default="present") == "present"
    a.ignore("grant_option", "session_role")
    kinds = {"database": "database", "schema": "schema", "table": "tables", "sequence": "sequences"}
    if kind not in kinds or "," in role:
        raise NotCarried(f"privileges on a {kind}")
    options = {} if kind == "database" else {"on": f'"{kinds[kind]}"'}
    if kind == "schema":
        options["schema"] = objects
    elif kind != "database":
        if schema:
            options["schema"] = schema
        if objects and objects != '"ALL_IN_SCHEMA"':
            options["names"] = f"[{objects}]"
    options |= connected(a)
    if not present:
        options["present"] = "False"
    return [Call("postgres.grant", (role, a.values.value(listed(privileges)), database), options)]


@module("postgresql_ext")
def postgresql_ext(a: Arguments) -> list[Call]:
    """Return an extension."""
    name, database = a.required("name", "ext"), a.required("db", "login_db", "database")
    options = {**a.options(schema="schema", version="version"), **connected(a)}
    if a.literal("state", default="present") == "absent":
        options["present"] = "False"
    return [Call("postgres.extension", (name, database), options)]


@module("postgresql_set")
def postgresql_set(a: Arguments) -> list[Call]:
    """Return a setting of the server."""
    return [Call("postgres.setting", (a.required("name"), a.required("value")), connected(a))]


def listed(privileges: str) -> list[str]:
    """Return privileges as a list."""
    return [each.strip().upper() for each in privileges.split(",") if each.strip()]
