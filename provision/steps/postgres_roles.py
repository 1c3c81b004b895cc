"""Roles of PostgreSQL; roles call them by postgres.py. Shipped to hosts (Python 3.8, standard library)."""

from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

from provision.errors import StepError
from provision.secrets import Secret
from provision.steps.base import Change, Diff, Step, check_text, wanted
from provision.steps.support.psql import (
    ask,
    check_identifier,
    check_server,
    execute,
    identifier,
    is_pictured,
    literal,
    matches,
    picture,
    require_role,
    signature,
    verifier,
)

if TYPE_CHECKING:
    from provision.system.host import System

#: CREATE ROLE's word -> its column in pg_authid
COLUMNS = {
    "login": "rolcanlogin",
    "superuser": "rolsuper",
    "createdb": "rolcreatedb",
    "createrole": "rolcreaterole",
    "replication": "rolreplication",
    "bypassrls": "rolbypassrls",
    "inherit": "rolinherit",
}
#: CREATE ROLE's defaults for attributes that are not given, except that a new role may log in
NEW = {**dict.fromkeys(COLUMNS, False), "login": True, "inherit": True}
#: the superuser that initdb creates (pg_authid.dat); without it, a running server cannot be repaired
BOOTSTRAP = "10"


@wanted()
class DatabaseRole(Step):
    """A PostgreSQL role: a user or a group of users.

        postgres.role(c, "shop", password=Secret("..."))
        postgres.role(c, "leaver", present=False, reassign_owned_to="shop")

    name: of the role.  password: in plain text, or as PostgreSQL stores it: "SCRAM-SHA-256$..." or "md5...".
    None leaves it as it is; a role without one can connect over the socket only.
    login, superuser, createdb, createrole, replication, bypassrls, inherit: the role's attributes. None
    leaves one as it is. A new role has login and inherit (it gets the privileges of its groups), and none of
    the rest.
    connection_limit: how many sessions it may have at once, -1 for no limit; None leaves it.
    valid_until: when its password expires, in a format that PostgreSQL reads, or "infinity"; "" leaves it.
    member_of: roles that it must be a member of. Its other memberships stay, unless exact_member_of is True.
    present: False drops the role. PostgreSQL refuses while the role owns something or has privileges: set
    reassign_owned_to to give what it owns to another role, or drop_owned to drop it, in all databases.
    port: of the server.  user: the host's user that psql runs as.
    Needs the server: apt.packages(c, "postgresql").  Source: PostgreSQL's manual, CREATE ROLE, DROP OWNED,
    pg_authid.
    """

    name: str
    password: Optional[Secret] = None
    login: Optional[bool] = None
    superuser: Optional[bool] = None
    createdb: Optional[bool] = None
    createrole: Optional[bool] = None
    replication: Optional[bool] = None
    member_of: Sequence[str] = ()
    present: bool = True
    port: int = 5432
    user: str = "postgres"
    bypassrls: Optional[bool] = None
    inherit: Optional[bool] = None
    connection_limit: Optional[int] = None
    valid_until: str = ""
    exact_member_of: bool = False
    reassign_owned_to: str = ""
    drop_owned: bool = False

    def label(self) -> str:
        return "postgres role %s" % self.name

    def validate(self) -> None:
        check_server(self.port, self.user)
        if isinstance(self.member_of, str):
            raise ValueError("member_of must be a list")
        for name in (self.name, *self.member_of, self.reassign_owned_to or "x"):
            check_identifier(name)
        if self.password is not None and not isinstance(self.password, Secret):
            raise ValueError("password must be a Secret")
        if self.password is not None and not self.password:
            raise ValueError("an empty password can't be used to log in")
        for attribute in COLUMNS:
            if getattr(self, attribute) not in (None, True, False):
                raise ValueError("%s must be True, False or None" % attribute)
        check_limit(self.connection_limit)
        if self.valid_until:
            check_text(self.valid_until, "valid_until")
        if self.present and (self.reassign_owned_to or self.drop_owned):
            raise ValueError("reassign_owned_to and drop_owned are for a role that is dropped: present=False")
        if self.reassign_owned_to == self.name or (self.reassign_owned_to and self.drop_owned):
            raise ValueError("reassign_owned_to names another role, and contradicts drop_owned")

    def check(self, host: "System") -> Diff:
        now = self._now(host)
        if not self.present:
            return self._gone(host, now)
        require_role(host, self, *self.member_of)
        if now is None:
            return Diff([Change("role", "", self.name)])
        found: List[Change] = []
        for attribute in COLUMNS:
            want = getattr(self, attribute)
            if want is not None and now[attribute] != want:
                found.append(Change(attribute, yes(now[attribute]), yes(want)))
        self._refuse_demotion(now, found)
        if self.connection_limit is not None and now["limit"] != self.connection_limit:
            found.append(Change("connection limit", str(now["limit"]), str(self.connection_limit)))
        if self.valid_until and not now["valid"]:
            found.append(Change("valid until", now["until"], self.valid_until))
        if self.password is not None and not matches(self.password.reveal(), self.name, now["password"]):
            found.append(Change("password", "********" if now["password"] else "", "********"))
        found += [Change("member of", "", name) for name in self.member_of if name not in now["groups"]]
        if self.exact_member_of:
            found += [Change("member of", name, "") for name in now["groups"] if name not in self.member_of]
        return Diff(found) if found else Diff.none("is there")

    def apply(self, host: "System", diff: Diff) -> None:
        if not self.present:
            self._drop(host)
            return
        what = {change.what for change in diff.changes}
        new = "role" in what
        words = []
        for attribute in COLUMNS:
            want = getattr(self, attribute)
            if want is None and new:
                want = NEW[attribute]
            if want is not None and (new or attribute in what):
                words.append(("" if want else "NO") + attribute.upper())
        if self.connection_limit is not None and (new or "connection limit" in what):
            words.append("CONNECTION LIMIT %d" % self.connection_limit)
        if self.valid_until and (new or "valid until" in what):
            words.append("VALID UNTIL %s" % literal(self.valid_until))
        stored = verifier(self.password.reveal()) if self.password is not None else ""
        if stored and (new or "password" in what):
            words.append("PASSWORD %s" % literal(stored))
        name = identifier(self.name)
        lines = ["%s ROLE %s %s" % ("CREATE" if new else "ALTER", name, " ".join(words))] if words else []
        changed = [c for c in diff.changes if c.what == "member of"]
        groups = self.member_of if new else [c.after for c in changed if c.after]
        lines += ["GRANT %s TO %s" % (identifier(group), name) for group in groups]
        lines += ["REVOKE %s FROM %s" % (identifier(c.before), name) for c in changed if c.before]
        # all or nothing: a role that was created without its groups would not count as new in the next run
        execute(host, self, "postgres", "BEGIN;\n%s;\nCOMMIT" % ";\n".join(lines))
        if host.planned:
            self._foresee(host, stored)

    def fingerprint(self, host: "System") -> str:
        return signature(self)

    # -- the current state

    def _now(self, host: "System") -> "Optional[Dict[str, Any]]":
        """Return the role's current state; None if the role does not exist."""
        foreseen = picture(host, self, "role", self.name)
        if foreseen.get("exists") is False:
            return None
        until = literal(self.valid_until or "infinity")
        query = (
            "SELECT %s, oid, rolconnlimit, coalesce(rolvaliduntil::text, ''),"
            " coalesce(rolvaliduntil, 'infinity') = %s::timestamptz, coalesce(rolpassword, ''),"
            " (SELECT string_agg(DISTINCT g.rolname, E'\\x1d') FROM pg_auth_members m"
            " JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = a.oid) FROM pg_authid a WHERE rolname = %s"
        )
        rows = ask(host, self, "postgres", query % (", ".join(COLUMNS.values()), until, literal(self.name)))
        if not rows and not foreseen:
            first = rows is None and self.name == self.user
            return {**self._new(), **dict.fromkeys(COLUMNS, True), "oid": BOOTSTRAP} if first else None
        state = self._new()
        for row in rows or ():
            state.update(zip(COLUMNS, (value == "t" for value in row)))
            oid, limit, until, valid, password, groups = row[len(COLUMNS) :]
            state.update(oid=oid, limit=int(limit), until=until, valid=valid == "t", password=password)
            state["groups"] = groups.split("\x1d") if groups else []
        return {**state, **foreseen}

    def _new(self) -> Dict[str, Any]:
        """Return a role with CREATE ROLE's defaults."""
        none = {"oid": "", "limit": -1, "until": "", "password": "", "groups": []}
        return {**NEW, **none, "valid": self.valid_until in ("", "infinity")}

    def _foresee(self, host: "System", stored: str) -> None:
        now = self._now(host) or self._new()
        given = {word: getattr(self, word) for word in COLUMNS if getattr(self, word) is not None}
        groups = [] if self.exact_member_of else now["groups"]
        now.update(given, exists=True, groups=[*groups, *(g for g in self.member_of if g not in groups)])
        if self.connection_limit is not None:
            now["limit"] = self.connection_limit
        if self.valid_until:
            now.update(valid=True, until=self.valid_until)
        picture(host, self, "role", self.name).update(now, password=stored or now["password"])

    def _refuse_demotion(self, now: Dict[str, Any], found: Sequence[Change]) -> None:
        lost = [c.what for c in found if c.what in ("superuser", "login") and c.after == "no"]
        if now["oid"] == BOOTSTRAP and lost:
            raise StepError(
                "refusing to take %s from %s: it is the server's own superuser" % (lost[0], self.name),
                hint="prov and the server's own tools work as this role. Give its password to no one instead.",
            )

    # -- dropping

    def _gone(self, host: "System", now: "Optional[Dict[str, Any]]") -> Diff:
        if now is None:
            return Diff.none("is absent")
        if now["oid"] == BOOTSTRAP:
            raise StepError("refusing to drop %s: it is the server's own superuser" % self.name)
        if self.reassign_owned_to:
            require_role(host, self, self.reassign_owned_to)
        if self.reassign_owned_to or self.drop_owned:
            fate = "given to %s" % self.reassign_owned_to if self.reassign_owned_to else "dropped"
            owned = [Change("what it has in %s" % name, "", fate) for name in self._databases(host)]
            return Diff([*owned, Change("role", self.name, "")])
        if not is_pictured(host):
            # what stands in the way, in PostgreSQL's words, unless this plan has already removed it
            ask(host, self, "postgres", "BEGIN;\nDROP ROLE %s;\nROLLBACK" % identifier(self.name))
        return Diff([Change("role", self.name, "")])

    def _databases(self, host: "System") -> List[str]:
        """Return the databases in which the role owns something or has privileges."""
        query = (
            "SELECT DISTINCT d.datname FROM pg_shdepend s JOIN pg_authid r ON r.oid = s.refobjid"
            " JOIN pg_database d ON d.oid = s.dbid OR (s.dbid = 0 AND d.datname = 'postgres')"
            " WHERE s.refclassid = 'pg_authid'::regclass AND r.rolname = %s AND d.datallowconn ORDER BY 1"
        )
        names = [row[0] for row in ask(host, self, "postgres", query % literal(self.name)) or ()]
        return [name for name in names if picture(host, self, "database", name).get("exists") is not False]

    def _drop(self, host: "System") -> None:
        name = identifier(self.name)
        if self.reassign_owned_to or self.drop_owned:
            for database in self._databases(host):
                other = identifier(self.reassign_owned_to)
                lines = ["REASSIGN OWNED BY %s TO %s" % (name, other)] if self.reassign_owned_to else []
                # of what has been reassigned, only the privileges are left
                execute(host, self, database, ";\n".join([*lines, "DROP OWNED BY %s" % name]))
        execute(host, self, "postgres", "DROP ROLE %s" % name)
        if host.planned:
            foreseen = picture(host, self, "role", self.name)
            foreseen.clear()
            foreseen.update(exists=False, heir=self.reassign_owned_to)


def check_limit(limit: Optional[int]) -> None:
    """Raise ValueError unless the limit is a number of connections, -1 for no limit, or None."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < -1):
        raise ValueError("connection_limit must be a number, -1 for no limit, or None, not %r" % (limit,))


def yes(value: bool) -> str:
    """Return a truth value as text."""
    return "yes" if value else "no"
