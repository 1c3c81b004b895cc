"""Jobs of cron. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, Mapping, Sequence, Union

from provision.errors import StepError
from provision.secrets import Secret
from provision.steps.base import Change, Diff, Step, check_text, step, wanted
from provision.steps.files import File
from provision.steps.groups import check_name
from provision.system.source import Source
from provision.system.writers import CRON_LINE, cron_command, cron_value, line

if TYPE_CHECKING:
    from provision.system.host import System

FOLDER = "/etc/cron.d"
#: cron(8): other names in /etc/cron.d are silently ignored
NAME = re.compile(r"^[A-Za-z0-9_-]+\Z")
#: crontab(5): the five fields, their ranges, and names for months and days of the week
FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of month", 1, 31),
    ("month", 1, 12),
    ("day of week", 0, 7),
)
NAMES = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "day of week": ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
NICKNAMES = ("@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")


@wanted()
class Job(Step):
    """A cron job, as its own file in /etc/cron.d.

        cron.job(c, "shop-clean", "17 3 * * mon-fri", ["/srv/shop/bin/clean", "--days", "30"], user="shop")

    name: of the file: letters, digits, "_" and "-" (cron ignores others).
    schedule: the five fields of crontab(5), in the host's time zone, or @reboot, @hourly, @daily, @weekly...
    argv: the command as a list of words; they are quoted for the shell that cron starts, and "%" and
    backslashes for cron. With the quotes it has at most 998 bytes; otherwise cron would ignore the whole
    file.
    user: whose job it is; must exist on the host.
    environment: variables for the job; PATH is "/usr/bin:/bin" if it is not given. A value may be a
    Secret; then only root can read the file.
    mail: where output goes, "" for nowhere; by default cron sends it to the user.
    Needs cron on the host: apt.packages(c, "cron").  A systemd timer can do more: see systemd.unit.
    Source: crontab(5), cron(8) of Debian.
    """

    name: str
    schedule: str
    argv: Sequence[str]
    user: str = "root"
    environment: "Mapping[str, Union[str, Secret]]" = ()  # type: ignore[assignment]
    mail: Union[str, None] = None

    def label(self) -> str:
        return "cron job %s" % self.name

    def validate(self) -> None:
        check_job_name(self.name)
        check_schedule(self.schedule)
        check_name(self.user)
        if isinstance(self.argv, str) or not self.argv or not all(isinstance(a, str) for a in self.argv):
            raise ValueError("argv must be a list of words, such as ['/usr/bin/true']")
        check_command(self.argv)
        if not self.argv[0]:
            raise ValueError("argv must begin with a program")
        for key, value in dict(self.environment).items():
            if not re.match(r"^[A-Za-z_][A-Za-z0-9_]*\Z", key):
                raise ValueError("%r is not the name of a variable" % key)
            text = value.reveal() if isinstance(value, Secret) else value
            try:
                cron_value(text)
            except ValueError as error:
                # a secret is not shown
                raise ValueError(
                    "variable %s: cron cannot express its value" % key if text is not value else str(error)
                ) from None
            check_length("%s=%s" % (key, cron_value(text)), "variable %s" % key)
        if self.mail:
            check_length("MAILTO=%s" % cron_value(self.mail), "mail")

    def check(self, host: "System") -> Diff:
        if host.files.stat(FOLDER) is None:
            raise StepError(
                "there is no %s: cron is not installed" % FOLDER,
                hint='Add apt.packages(c, "cron") before this step.',
            )
        if host.accounts.user(self.user) is None:
            raise StepError(
                "there is no user %r on this host" % self.user, hint="Add a users.user step first."
            )
        return self._file().check(host) or Diff.none("is there, %s" % self.schedule)

    def apply(self, host: "System", diff: Diff) -> None:
        self._file().apply(host, diff)

    def fingerprint(self, host: "System") -> str:
        return self._file().fingerprint(host)

    def _file(self) -> File:
        secret = any(isinstance(v, Secret) for v in dict(self.environment).values())
        lines = ["# written by prov; changes made here are undone"]
        if self.mail is not None:
            lines.append("MAILTO=%s" % cron_value(self.mail))
        for key, value in dict(self.environment).items():
            text = value.reveal() if isinstance(value, Secret) else value
            lines.append("%s=%s" % (key, cron_value(text)))
        command = cron_command(self.argv)
        lines.append("%s %s %s" % (self.schedule, self.user, command))
        source = Source.of("\n".join(lines) + "\n")
        source.secret = secret
        # cron(8): the file must be root's, and writable by no one else
        return File(
            "%s/%s" % (FOLDER, self.name),
            source,
            mode=0o600 if secret else 0o644,
            owner="root",
            group="root",
        )


@wanted()
class NoJob(Step):
    """No job of that name in /etc/cron.d.

        cron.no_job(c, "shop-clean")

    name: of the file there.
    """

    name: str

    def label(self) -> str:
        return "no cron job %s" % self.name

    def validate(self) -> None:
        check_job_name(self.name)

    def check(self, host: "System") -> Diff:
        if host.files.stat("%s/%s" % (FOLDER, self.name)) is None:
            return Diff.none("there is no such job")
        return Diff([Change("cron job", self.name, "")])

    def apply(self, host: "System", diff: Diff) -> None:
        host.files.remove("%s/%s" % (FOLDER, self.name))

    def fingerprint(self, host: "System") -> str:
        return "absent" if host.files.stat("%s/%s" % (FOLDER, self.name)) is None else "present"


def check_command(argv: Sequence[str]) -> None:
    """Raise ValueError unless cron can run the command as it is given."""
    for word in argv:
        line(word, "cron")
    try:
        cron_command(argv)
    except ValueError as error:
        raise ValueError("%s. Put it into a script, and let cron run that." % error) from None


def check_length(text: str, what: str) -> None:
    """Raise ValueError, which does not show the text, if cron would not read such a line of a variable."""
    if len(text.encode()) > CRON_LINE:
        raise ValueError(
            "%s: cron takes %d bytes with the name and quotes, not %d" % (what, CRON_LINE, len(text.encode()))
        )


job = step(Job)
no_job = step(NoJob)


def check_job_name(name: str) -> None:
    """Raise ValueError unless cron reads a file of that name."""
    if not isinstance(name, str) or not NAME.match(name):
        raise ValueError(
            "%r: cron reads files only that are named with letters, digits, '_' and '-'" % (name,)
        )


def check_schedule(schedule: str) -> None:
    """Raise ValueError unless crontab(5) knows such a time."""
    check_text(schedule, "schedule")
    if schedule in NICKNAMES:
        return
    if schedule.startswith("@"):
        raise ValueError("schedule %r is not one of %s" % (schedule, ", ".join(NICKNAMES)))
    fields = schedule.split()
    if len(fields) != 5:
        raise ValueError(
            "schedule needs five fields (minute, hour, day of month, month, day of week), not %d: %r"
            % (len(fields), schedule)
        )
    for text, (what, low, high) in zip(fields, FIELDS):
        for part in text.split(","):
            check_part(part, what, low, high)


def check_part(part: str, what: str, low: int, high: int) -> None:
    """One of the parts between commas: *, 5, 1-5, */10, 1-30/2, mon."""
    whole, slash, pace = part.partition("/")
    numbers: List[int] = []
    for word in [] if whole == "*" else whole.split("-"):
        names = NAMES.get(what, [])
        if word.lower() in names:
            numbers.append(names.index(word.lower()) + (1 if what == "month" else 0))
        elif word.isdigit():
            numbers.append(int(word))
        else:
            raise ValueError("schedule: %r is not a %s" % (part, what))
    good = len(numbers) <= 2 and numbers == sorted(numbers) and all(low <= n <= high for n in numbers)
    if not good or (slash and (not pace.isdigit() or int(pace) == 0 or (len(numbers) == 1))):
        raise ValueError("schedule: %r is not a %s (%d to %d)" % (part, what, low, high))
