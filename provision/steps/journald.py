"""How much the journal keeps. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, Tuple

from provision.steps.base import Diff, Step, step, wanted
from provision.steps.files import File
from provision.steps.kernel import HEADER, check_gone, put
from provision.steps.support.unit_judging import SPAN, check_drop_in_name

if TYPE_CHECKING:
    from typing import Unpack  # novm: for type checkers only

    from provision.steps.on_controller import Outcome, StepOptions, Steps
    from provision.system.host import System

FOLDER = "/etc/systemd/journald.conf.d"
SIZE = re.compile(r"^[0-9]+(\.[0-9]+)?[KMGTPE]?\Z")
STORAGE = ("", "persistent", "volatile", "auto", "none")


@wanted()
class JournalSettings(Step):
    """The file of journald's settings that `journald.limits` writes.

    name, max_use, keep_free, max_file, runtime_max_use, max_age, storage, rate, compress, present: see there.
    """

    name: str = "prov"
    max_use: str = ""
    keep_free: str = ""
    max_file: str = ""
    runtime_max_use: str = ""
    max_age: str = ""
    storage: str = ""
    rate: str = ""
    compress: bool = True
    present: bool = True

    def label(self) -> str:
        return "journald settings %s" % self.name

    def validate(self) -> None:
        check_drop_in_name(self.name)
        for what in ("max_use", "keep_free", "max_file", "runtime_max_use"):
            size = getattr(self, what)
            if not isinstance(size, str) or (size and not SIZE.match(size)):
                raise ValueError('%s must be a size such as "500M", not %r' % (what, size))
        if not isinstance(self.max_age, str) or (self.max_age and not SPAN.match(self.max_age)):
            raise ValueError('max_age must be a time span such as "30day", not %r' % (self.max_age,))
        if self.storage not in STORAGE:
            raise ValueError("storage must be one of %s, not %r" % (", ".join(STORAGE[1:]), self.storage))
        if not isinstance(self.rate, str) or (
            self.rate and not re.match(r"^[0-9]+/[0-9]+[a-z]+\Z", self.rate)
        ):
            raise ValueError('rate must be like "10000/30s", not %r' % (self.rate,))
        if self.present and not any(value for _, value in self._settings()):
            raise ValueError("there is nothing to set")
        if not self.present and any(value for _, value in self._settings()):
            raise ValueError("present=False cannot be combined with settings")

    def check(self, host: "System") -> Diff:
        if not self.present:
            return check_gone(host, self._file().path)
        return self._file().check(host) or Diff.none("has these settings")

    def apply(self, host: "System", diff: Diff) -> None:
        if self.present:
            put(host, self._file())
        else:
            host.files.remove(self._file().path)

    def fingerprint(self, host: "System") -> str:
        return self._file().fingerprint(host)

    def _settings(self) -> List[Tuple[str, str]]:
        burst, _, interval = self.rate.partition("/")
        return [
            ("Storage", self.storage),
            ("SystemMaxUse", self.max_use),
            ("SystemKeepFree", self.keep_free),
            ("SystemMaxFileSize", self.max_file),
            ("RuntimeMaxUse", self.runtime_max_use),
            ("MaxRetentionSec", self.max_age),
            ("RateLimitIntervalSec", interval),
            ("RateLimitBurst", burst),
            ("Compress", "" if self.compress else "no"),
        ]

    def _file(self) -> File:
        lines = "".join("%s=%s\n" % each for each in self._settings() if each[1])
        return File("%s/%s.conf" % (FOLDER, self.name), HEADER + "[Journal]\n" + lines, mode=0o644)


settings = step(JournalSettings)


def limits(
    c: "Steps",
    *,
    name: str = "prov",
    max_use: str = "",
    keep_free: str = "",
    max_file: str = "",
    runtime_max_use: str = "",
    max_age: str = "",
    storage: str = "",
    rate: str = "",
    compress: bool = True,
    present: bool = True,
    **options: "Unpack[StepOptions]",
) -> "Outcome":
    """Limits of the journal: a drop-in for journald, which is restarted if it changes.

        journald.limits(c, max_use="500M", max_age="30day")

    name: of the file in /etc/systemd/journald.conf.d, without ".conf".
    max_use: largest use of the disk: "500M", "2G".  keep_free: disk space kept free for others.
    max_file: size at which a new file is begun; old files are removed whole.
    runtime_max_use: in memory, where the journal is not on disk.  max_age: largest age of entries: "30day".
    storage: "persistent" (made if it is missing), "volatile", "auto" or "none".
    rate: lines that one unit may write in a time: "10000/30s"; further lines are lost.
    compress: False keeps large entries as they are.
    present: False removes the file.  Source: journald.conf(5).
    """
    from provision.steps.systemd import service

    conf = settings(
        c,
        name,
        max_use,
        keep_free,
        max_file,
        runtime_max_use,
        max_age,
        storage,
        rate,
        compress,
        present,
        **options,
    )
    return service(c, "systemd-journald", enabled=None, restart_on=[conf], **options)
