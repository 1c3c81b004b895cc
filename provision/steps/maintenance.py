"""Applications that their front answers for with 503, without a reload: it looks for a file with each request.

Shipped to hosts (Python 3.8, standard library).
"""

from ipaddress import ip_address
from typing import TYPE_CHECKING, Dict, List, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, check_text, step, wanted
from provision.steps.support import unverified_tls
from provision.system.memory.ledger import now
from provision.system.memory.release_book import person

if TYPE_CHECKING:
    from provision.system.host import System

#: a folder for each application; fronts must be able to look into it
FOLDER = "/var/lib/prov-maintenance"
#: in it: the file that closes the application, and a file for each address that is let through
CLOSED, EXCEPT = "closed", "except-"
HERE = "127.0.0.1"


@wanted()
class Maintenance(Step):
    """An application that is closed, or one that is not.

    app: its name.  closed: whether its front answers 503.  addresses: of clients that are let through.
    who: who closes it.  name, path: what the front is asked for as a proof, over https if tls is true.
    """

    app: str
    closed: bool
    addresses: Sequence[str] = ()
    who: str = ""
    name: str = ""
    path: str = "/"
    tls: bool = True

    def label(self) -> str:
        return "maintenance of %s" % self.app

    def validate(self) -> None:
        check_text(self.app, "app")
        if "/" in self.app or self.app in (".", ".."):
            raise ValueError("app must be the name of an application, not %r" % self.app)
        for address in self.addresses:
            if str(ip_address(address)) != address:
                raise ValueError("write the address %r as %s" % (address, ip_address(address)))
        if self.closed:
            check_text(self.who, "who")
            check_text(self.name, "name")
            check_path(self.path, "path")

    @property
    def folder(self) -> str:
        return "%s/%s" % (FOLDER, self.app)

    @property
    def exceptions(self) -> List[str]:
        """Names of the files for the addresses that are let through."""
        return [EXCEPT + each for each in self.addresses]

    def check(self, host: "System") -> Diff:
        there = host.files.list(self.folder)
        found: List[Change] = []
        if (CLOSED in there) is not self.closed:
            found.append(
                Change("maintenance", "on" if CLOSED in there else "off", "on" if self.closed else "off")
            )
        if self.closed:
            gone = [name for name in there if name not in (CLOSED, *self.exceptions)]
            new = [name for name in self.exceptions if name not in there]
            found += [Change("let through", name[len(EXCEPT) :], "") for name in gone]
            found += [Change("let through", "", name[len(EXCEPT) :]) for name in new]
        if not found:
            return Diff.none("is on" if self.closed else "is off")
        return Diff(found)

    def apply(self, host: "System", diff: Diff) -> None:
        there, root = host.files.list(self.folder), host.owner("root", "root")
        if not self.closed:
            # the application answers again before exceptions are forgotten
            for name in sorted(there, key=lambda name: name != CLOSED):
                host.files.remove("%s/%s" % (self.folder, name))
            host.files.remove(self.folder)
            return
        for folder in (FOLDER, self.folder):
            if host.files.stat(folder) is None:
                host.files.mkdir(folder, 0o755, *root)
        for name in there:
            if name not in (CLOSED, *self.exceptions):
                host.files.remove("%s/%s" % (self.folder, name))
        for name in self.exceptions:
            host.files.write("%s/%s" % (self.folder, name), b"", 0o644, *root)
        if CLOSED not in there:
            text = "closed by %s, %s\n" % (person(self.who), now())
            host.files.write("%s/%s" % (self.folder, CLOSED), text.encode(), 0o644, *root)
            said = "" if HERE in self.addresses else self._proved()
            if said:
                host.files.remove("%s/%s" % (self.folder, CLOSED))
                raise StepError(
                    "the front does not close %s: %s" % (self.app, said),
                    hint="A deploy teaches it to, if prov set it up earlier:  prov deploy HOST --role FRONT",
                )

    def _proved(self) -> str:
        """Ask the front; return "" if it answers 503, else what it answers."""
        # imported here, as plans need none of it
        import socket
        from http.client import HTTPConnection, HTTPException

        connection = HTTPConnection(self.name, timeout=10)
        try:
            # whether its certificate is good is not the question here
            connection.sock = (
                unverified_tls.connect(HERE, 443, self.name, 10)
                if self.tls
                else socket.create_connection((HERE, 80), 10)
            )
            connection.request("GET", self.path, headers={"User-Agent": "prov"})
            status = connection.getresponse().status
        except (OSError, HTTPException) as error:
            return str(error) or type(error).__name__
        finally:
            connection.close()
        return "" if status == 503 else "it answers %d" % status


@wanted()
class Switches(Step):
    """The switches of applications, which stay as `prov maintenance` has set them. Changes nothing.

    apps: names of the applications; switches of others are no longer declared.
    """

    apps: Sequence[str]

    def label(self) -> str:
        return "maintenance switches"

    def validate(self) -> None:
        for app in self.apps:
            check_text(app, "apps")

    def check(self, host: "System") -> Diff:
        for app in self.apps:
            folder = "%s/%s" % (FOLDER, app)
            if host.files.stat(folder) is not None:
                host.files.look_after(folder)
        closed = [app for app in closed_apps(host) if app in self.apps]
        return Diff.none("in maintenance: %s" % ", ".join(closed) if closed else "none is on")

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("looking changes nothing")


def closed_apps(host: "System") -> Dict[str, str]:
    """Return what the host says of its closed applications, by their names."""
    found = {}
    for app in host.files.list(FOLDER):
        path = "%s/%s/%s" % (FOLDER, app, CLOSED)
        if host.files.stat(path) is not None:
            found[app] = host.files.read(path).decode("utf-8", "replace").strip()
    return found


maintenance = step(Maintenance)
switches = step(Switches)
