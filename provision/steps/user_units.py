"""Units of a user's own systemd. Shipped to hosts (Python 3.8, standard library)."""

from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_text, step, wanted
from provision.steps.files import File
from provision.steps.services import Service
from provision.steps.support.file_changes import keep_source
from provision.steps.support.unit_judging import check_unit_name, fetched, verify
from provision.steps.unit_files import Text
from provision.system.command_execution import Result
from provision.system.units import Units

if TYPE_CHECKING:
    from provision.system.accounts import Account
    from provision.system.host import System

LINGER = "/var/lib/systemd/linger/"
#: systemd.unit(5): folders of the user (below their home), of the host, and of packages
OWN = ".config/systemd/user"
FOLDERS = ("/etc/systemd/user", "/usr/lib/systemd/user")


@wanted()
class Linger(Step):
    """Have a user's systemd run from boot on, without a login.

        user_units.linger(c, "shop")

    user: whose systemd.  lingering: False lets it end with the user's last session.
    Source: loginctl(1), "enable-linger".
    """

    user: str
    lingering: bool = True

    def label(self) -> str:
        return "linger %s" % self.user

    def validate(self) -> None:
        check_user(self.user)

    def check(self, host: "System") -> Diff:
        host.accounts.uid(self.user)
        lingers = host.files.exists(LINGER + self.user)
        found = []
        if lingers != self.lingering:
            words = ("no", "yes") if self.lingering else ("yes", "no")
            found.append(Change("lingers", *words))
        elif self.lingering and not runs(host, self.user):
            found.append(Change("running", "inactive", "active"))
        return Diff(found) if found else Diff.none("lingers" if self.lingering else "does not linger")

    def apply(self, host: "System", diff: Diff) -> None:
        verb = "enable-linger" if self.lingering else "disable-linger"
        host.run(("loginctl", verb, self.user)).require(
            "loginctl %s" % verb, "It needs systemd-logind and D-Bus: the packages dbus and libpam-systemd."
        )
        if host.planned:
            if self.lingering:
                host.files.write(LINGER + self.user, b"", 0o644, 0, 0)
            elif host.files.exists(LINGER + self.user):
                host.files.remove(LINGER + self.user)
        if self.lingering:
            # logind starts it too, but does not wait until it takes commands
            host.units.do("start", manager_unit(host, self.user))

    def fingerprint(self, host: "System") -> str:
        return "lingers" if host.files.exists(LINGER + self.user) else ""


@wanted()
class UserUnit(Step):
    """A user's own unit file, in ~/.config/systemd/user, judged before it is in place, as by systemd.unit.

    user: the owner; their systemd must be running: see user_units.linger.
    name: with its type.  content: text, a Secret or a Source; None removes the file: stop the unit first.
    """

    user: str
    name: str
    content: Optional[Text]

    def __post_init__(self) -> None:
        if self.content is not None:
            keep_source(self)

    def label(self) -> str:
        return "unit file %s of %s" % (self.name, self.user)

    def validate(self) -> None:
        check_user(self.user)
        check_unit_name(self.name)

    def check(self, host: "System") -> Diff:
        account = account_of(host, self.user)
        path = self._path(account)
        if self.content is None:
            if host.files.stat(path) is None:
                return Diff.none("is absent")
            return Diff([Change("removed", path, "")])
        diff = self._file(host, account).check(host)
        if not diff and manager(host, self.user).state(self.name.replace("@.", "@prov.")).stale:
            return Diff([Change("daemon-reload", "", "systemd has not read the file as it is now")])
        return diff

    def apply(self, host: "System", diff: Diff) -> None:
        account = account_of(host, self.user)
        if self.content is None:
            host.files.remove(self._path(account))
            host.ledger.forget_unit("%s of %s" % (self.name, self.user))
        elif any(c.what != "daemon-reload" for c in diff.changes):
            file = self._file(host, account)
            if not host.planned:
                file = fetched(host, file)
            self.scratch["why"] = verify(host, file, self.name, "--user")
            self._folders(host, account)
            file.apply(host, diff)
        manager(host, self.user).reload_manager()

    def fingerprint(self, host: "System") -> str:
        account = account_of(host, self.user)
        path = self._path(account)
        return host.files.sha256(path) if host.files.exists(path) else "absent"

    def _path(self, account: "Account") -> str:
        return "%s/%s/%s" % (account.home, OWN, self.name)

    def _file(self, host: "System", account: "Account") -> File:
        group = host.accounts.group_name(account.gid)
        assert self.content is not None
        return File(self._path(account), self.content, mode=0o644, owner=self.user, group=group)

    def _folders(self, host: "System", account: "Account") -> None:
        """Return the folders above the file, all owned by the user. It follows nothing that the user could
        have put in the way."""
        path = account.home
        for part in OWN.split("/"):
            path = "%s/%s" % (path, part)
            now = host.files.stat(path)
            if now is None:
                host.files.mkdir(path, 0o755, account.uid, account.gid)
            elif now.kind != "dir":
                raise StepError("%s is a %s, expected a directory" % (path, now.kind))


@wanted()
class UserService(Service):
    """A unit of a user's own systemd that is running or stopped, and starts with that systemd or does not.

        user_units.linger(c, "shop")
        unit = user_units.user_unit(c, "shop", "worker.service", "[Service]\\nExecStart=...")
        user_units.user_service(c, "worker", user="shop", restart_on=[unit])

    user: the owner.  unit, running, enabled, reload_on, restart_on, check_with, instead_of: as for
    systemd.service.
    """

    user: str = ""

    @property
    def key(self) -> str:
        return "%s of %s" % (self.name, self.user)

    def label(self) -> str:
        return "%s of %s" % (super().label(), self.user)

    def units(self) -> Sequence[str]:
        return ()

    def validate(self) -> None:
        check_user(self.user)
        super().validate()

    def manager(self, host: "System") -> Units:
        return manager(host, self.user)


linger = step(Linger)
user_unit = step(UserUnit)
user_service = step(UserService)


def check_user(user: str) -> None:
    """Raise ValueError unless it can be a user's name."""
    check_text(user, "user")
    if user.startswith("-") or "/" in user or ":" in user:
        raise ValueError("%r is not the name of a user" % user)


def account_of(host: "System", user: str) -> "Account":
    """Return the account. Raises StepError."""
    host.accounts.uid(user)
    account = host.accounts.user(user)
    assert account is not None  # uid has found it
    return account


def manager_unit(host: "System", user: str) -> str:
    """Return the host's unit that runs a user's systemd."""
    return "user@%d.service" % host.accounts.uid(user)


def runs(host: "System", user: str) -> bool:
    """Return whether a user's systemd runs."""
    return host.units.state(manager_unit(host, user)).running


def manager(host: "System", user: str) -> Units:
    """Return a user's systemd, the same object for all steps. Raises StepError if it does not run."""
    known: Dict[str, Units] = vars(host).setdefault("user_managers", {})
    if user not in known:
        if not runs(host, user):
            raise StepError(
                "systemd does not run for the user %s" % user,
                hint="Add user_units.linger before this step: it runs from boot on then.",
            )
        known[user] = talk_to(host, user)
    return known[user]


def talk_to(host: "System", user: str) -> Units:
    """Units whose commands go to a user's systemd, as that user."""
    environment = {"XDG_RUNTIME_DIR": "/run/user/%d" % host.accounts.uid(user)}
    there = host.ask(("test", "-S", environment["XDG_RUNTIME_DIR"] + "/systemd/private")).status == 0

    def as_user(argv: Sequence[str]) -> Sequence[str]:
        return [argv[0], "--user", *argv[1:]]

    def run(argv: Sequence[str], **options: Any) -> Result:
        return host.run(as_user(argv), user=user, environment=environment, **options)

    def ask(argv: Sequence[str], **options: Any) -> Result:
        if not there:
            # in a plan, this systemd may still have to be started: its files tell what it will know
            names = argv[argv.index("--") + 1 :] if "--" in argv else []
            return Result(argv, 0, "\n".join(shown_by_files(host, user, name) for name in names), "")
        if argv[0] == "journalctl":
            # messages of a user's units are in the host's journal
            return host.ask([argv[0], "--user-unit", *argv[2:]], **options)
        return host.ask(as_user(argv), user=user, environment=environment, **options)

    if host.planned:
        from provision.system.planned.planned_files import PlannedFiles
        from provision.system.planned.planned_units import PlannedUnits

        assert isinstance(host.files, PlannedFiles)
        own = "%s/%s" % (account_of(host, user).home, OWN)
        return PlannedUnits(run, ask, host.files, (own, *FOLDERS))
    return Units(run, ask)


def shown_by_files(host: "System", user: str, name: str) -> str:
    """Return what `systemctl show` will say of a unit once the user's systemd has started."""
    own = "%s/%s" % (account_of(host, user).home, OWN)
    for folder in (own, *FOLDERS):
        path = "%s/%s" % (folder, name)
        if host.files.exists(path):
            wanted_by = [at for at in (own, FOLDERS[0]) for at in links_to(host, at, name)]
            has_install = b"[Install]" in host.files.read(path)
            enabled = "enabled" if wanted_by else "disabled" if has_install else "static"
            # that target is reached as it starts
            starts = any("/default.target.wants/" in link for link in wanted_by)
            active = (
                "ActiveState=active\nSubState=running" if starts else "ActiveState=inactive\nSubState=dead"
            )
            values = (name, path, enabled, active)
            return "Id=%s\nLoadState=loaded\nFragmentPath=%s\nUnitFileState=%s\n%s\n" % values
    return "Id=%s\n" % name


def links_to(host: "System", folder: str, name: str) -> List[str]:
    """Return the links by which units of a folder want a unit."""
    wants = [each for each in host.files.list(folder) if each.endswith((".wants", ".requires"))]
    paths = ["%s/%s/%s" % (folder, each, name) for each in wants]
    return [path for path in paths if host.files.stat(path) is not None]
