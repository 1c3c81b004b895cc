"""Settings of the PostgreSQL server; roles call them by postgres.py. Shipped to hosts (Python 3.8)."""

import re
from typing import TYPE_CHECKING, List, Optional, Sequence, Union

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_text, listed, wanted
from provision.steps.support import server_settings, stopped_server
from provision.steps.support.psql import ask, check_server, execute, identifier, literal, picture

if TYPE_CHECKING:
    from provision.system.host import System

#: settings whose values are lists of names, each of which is quoted (guc_tables.c, GUC_LIST_QUOTE; the same
#: list is in dumputils.c, variable_is_guc_list_quote). ALTER SYSTEM would take a plain string for a single
#: name.
LISTS = (
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
)
#: psql on Debian is this wrapper (postgresql-common), which reads the setting itself, with its quotes
WRAPPER = "/usr/share/postgresql-common/pg_wrapper"
NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_$]*)?\Z")
#: what ALTER SYSTEM has set; the last line counts
SAID = (
    "SELECT setting FROM pg_file_settings WHERE lower(name) = lower(%s)"
    " AND sourcefile LIKE '%%/postgresql.auto.conf' ORDER BY seqno"
)
#: an element of such a list and its delimiter (varlena.c, SplitIdentifierString, SplitDirectoriesString)
ELEMENT = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^",]*?))\s*(,|\Z)')


@wanted()
class Setting(Step):
    """A setting of the PostgreSQL server, made by ALTER SYSTEM, which overrides postgresql.conf.

        size = postgres.setting(c, "shared_buffers", "512MB")
        more = postgres.setting(c, "shared_preload_libraries", ["pg_stat_statements", "auto_explain"])
        systemd.service(c, "postgresql@15-main", restart_on=[size, more])

    name: of the setting.  value: as in postgresql.conf, without the surrounding quotes. A setting that is a
    list of names (shared_preload_libraries, search_path, temp_tablespaces, unix_socket_directories...) also
    takes a list. None resets what ALTER SYSTEM has set.
    A library in shared_preload_libraries must be installed on the host: without it, the server would not
    start again. The server reads the setting at once. Some settings need a restart, which the server reports
    in pg_settings.pending_restart: list this step in restart_on of the server's unit.
    If the server is down (on Debian), the step writes to its postgresql.auto.conf, and the server reads it when
    it starts. Undo restores that file, even if the server is down.
    port, user: as for postgres.role.  Source: PostgreSQL's manual, ALTER SYSTEM, pg_file_settings.
    """

    name: str
    value: Union[str, Sequence[str], None]
    port: int = 5432
    user: str = "postgres"

    def label(self) -> str:
        return "postgres setting %s" % self.name

    def validate(self) -> None:
        check_server(self.port, self.user)
        if not isinstance(self.name, str) or not NAME.match(self.name):
            raise ValueError("%r is not the name of a setting" % (self.name,))
        if self.value is None:
            return
        if isinstance(self.value, str):
            if self.value:
                check_text(self.value, "value")
        elif not isinstance(self.value, (list, tuple)) or not self._is_list:
            raise ValueError("the value of %s must be text, not %r" % (self.name, self.value))
        if self._is_list:
            names = self._wanted()
            for each in names:
                check_text(each, "a name in the value")
            if not names:
                raise ValueError(
                    "ALTER SYSTEM can't set %s to nothing: PostgreSQL would read it as one name without letters."
                    " None resets it." % self.name
                )

    def check(self, host: "System") -> Diff:
        done = "is %s" % self._text() if self.value is not None else "is not set"
        self._refuse_sockets(host)
        now = self._now(host)
        if self.value is None:
            return Diff([Change(self.name, now, "")]) if now is not None else Diff.none(done)
        if now is not None and self._same(now):
            return Diff.none(done)
        return Diff([Change(self.name, now or "", self._text())])

    def _now(self, host: "System") -> Optional[str]:
        """Return what ALTER SYSTEM has set, or None. Raises StepError."""
        self.scratch.pop("stopped", None)
        try:
            self._require(host)
            rows = ask(host, self, "postgres", SAID % literal(self.name))
        except StepError:
            server = stopped_server.stopped(host, self)
            if server is None:
                raise
            self.scratch["stopped"] = server
            return stopped_server.value_of(host, server, self.name)
        foreseen = picture(host, self, "setting", self.name.lower())
        return foreseen["value"] if foreseen else rows[-1][0] if rows else None

    def apply(self, host: "System", diff: Diff) -> None:
        if "stopped" in self.scratch:
            value = self._stored_form() if self.value is not None else None
            stopped_server.set_value(host, self.scratch["stopped"], self.name, value)
            return
        words = "RESET %s" % quoted_name(self.name)
        if self.value is not None:
            values = self._wanted() if self._is_list else [self._text()]
            words = "SET %s = %s" % (quoted_name(self.name), ", ".join(map(literal, values)))
        server_settings.keep(host, self)
        execute(host, self, "postgres", "ALTER SYSTEM %s;\nSELECT pg_reload_conf()" % words)
        if host.planned:
            value = self._text() if self.value is not None else None
            picture(host, self, "setting", self.name.lower())["value"] = value

    def fingerprint(self, host: "System") -> str:
        return self._text() if self.value is not None else "None"

    @property
    def _is_list(self) -> bool:
        return self.name.lower() in LISTS

    def _wanted(self) -> List[str]:
        """Return the names in a value that is a list of names. Raises ValueError."""
        if isinstance(self.value, str):
            return self._names_in(self.value)
        return list(self.value or ())

    def _names_in(self, text: str) -> List[str]:
        return names_in(text, folded=self.name.lower() == "search_path")

    def _text(self) -> str:
        """Return the value as postgresql.conf would show it."""
        return self.value if isinstance(self.value, str) else ", ".join(map(quoted, self.value or ()))

    def _stored_form(self) -> str:
        """Return the value as the server stores it."""
        return ", ".join(map(quoted, self._wanted())) if self._is_list else self._text()

    def _same(self, now: str) -> bool:
        if not self._is_list:
            return now == self._text()
        try:
            return self._names_in(now) == self._wanted()
        except ValueError:
            return False

    def _refuse_sockets(self, host: "System") -> None:
        """Raise StepError if psql would no longer find the server."""
        if self.name.lower() == "unix_socket_directories" and self.value and host.files.exists(WRAPPER):
            raise StepError(
                "Debian's psql would no longer find the server: it can't read unix_socket_directories as ALTER SYSTEM"
                " writes it",
                hint="Set it with files.file in /etc/postgresql/VERSION/CLUSTER/conf.d, as one text in quotes.",
            )

    def _require(self, host: "System") -> None:
        """Raise StepError if the server does not know the setting, or could not start with it."""
        query = "SELECT 1 FROM pg_settings WHERE lower(name) = lower(%s)" % literal(self.name)
        rows = ask(host, self, "postgres", query)
        if rows == [] and "." not in self.name:
            raise StepError("PostgreSQL has no setting %s" % self.name)
        if rows is None or self.value is None or self.name.lower() != "shared_preload_libraries":
            return
        ((folder,),) = ask(
            host, self, "postgres", "SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR'"
        ) or [[""]]
        places = {name: name.replace("$libdir", folder) for name in self._wanted()}
        paths = {name: path if "/" in path else "%s/%s" % (folder, path) for name, path in places.items()}
        missing = [
            name
            for name, path in paths.items()
            if not any(host.files.exists(path + end) for end in ("", ".so"))
        ]
        if missing:
            raise StepError(
                "PostgreSQL has no library %s here, and would not start again with it" % listed(missing),
                hint="Install the package that brings it before this step.",
            )


def names_in(text: str, *, folded: bool) -> List[str]:
    """Return the names in a list as the server reads it. folded: as identifiers, lower case unless quoted.

    Raises ValueError for text that the server would refuse.
    """
    found: List[str] = []
    position = 0
    while text.strip():
        match = ELEMENT.match(text, position)
        if match is None or (match.group(1) is None and not match.group(2)):
            raise ValueError("%r is not a list of names" % text)
        plain = match.group(2) or ""
        name = match.group(1).replace('""', '"') if match.group(1) is not None else plain
        found.append(name.lower() if folded and match.group(1) is None else name)
        position = match.end()
        if not match.group(3):
            return found
    return found


def quoted(name: str) -> str:
    """Return a name as an element of a list."""
    return name if re.match(r"[a-z_][a-z0-9_]*\Z", name) else identifier(name)


def quoted_name(name: str) -> str:
    """Return a setting's name in SQL; it may have two parts."""
    return ".".join(map(identifier, name.split(".")))
