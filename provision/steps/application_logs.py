"""Lines of the logs of applications and fronts, by time. Shipped to hosts (Python 3.8, standard library)."""

import json
import os
import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from provision.steps.base import Diff, Step, check_path, check_seconds, check_text, step, wanted

if TYPE_CHECKING:
    from provision.system.host import System

#: bytes that are read from the end of a file, and of one line
MOST, LONGEST_LINE = 4 << 20, 8192
#: lines that one answer has at most
MOST_LINES = 20_000
#: how lines of fronts begin: nginx and Apache, access and error logs, plain and as JSON
TIMES = (
    (re.compile(r"\[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]"), "%d/%b/%Y:%H:%M:%S %z"),
    (re.compile(r'"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:?\d\d)"'), "%Y-%m-%dT%H:%M:%S%z"),
    (re.compile(r"^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) "), "%Y/%m/%d %H:%M:%S"),
    (re.compile(r"^\[(\w{3} \w{3} \d\d \d\d:\d\d:\d\d\.\d+ \d{4})\]"), "%a %b %d %H:%M:%S.%f %Y"),
)
Line = Tuple[float, str, str]


@wanted()
class LogLines(Step):
    """Lines of journald's units and of files, as JSON in the outcome's stdout. Changes nothing.

    journal: names of units, with "*" for any text.  files: their paths.  lines: how many of the last ones, of all
    together; 0 for all.  ago: only those of the last seconds; 0 for any.
    after: as "next" of an answer, to have what came since.
    The answer has "lines", each with time (seconds since the epoch), source (unit or file) and text; "now", the
    host's clock; and "next".
    """

    journal: Sequence[str]
    files: Sequence[str] = ()
    lines: int = 100
    ago: float = 0
    after: str = ""

    DEADLINE = 120.0

    def label(self) -> str:
        return "log lines"

    def validate(self) -> None:
        for name in self.journal:
            check_text(name, "journal")
        for path in self.files:
            check_path(path, "files")
        check_seconds(self.ago, "ago")
        if not isinstance(self.lines, int) or self.lines < 0:
            raise ValueError("lines must be a whole number, not %r" % (self.lines,))

    def check(self, host: "System") -> Diff:
        places: Dict[str, Any] = json.loads(self.after) if self.after else {}
        now, most = time.time(), min(self.lines or MOST_LINES, MOST_LINES)
        found, cursor = self._journal(host, places.get("cursor", ""))
        positions: Dict[str, List[int]] = {}
        for path in self.files:
            lines, positions[path] = tail(host, path, places.get("files", {}).get(path), most)
            found += lines
        if self.ago:
            found = [line for line in found if line[0] >= now - self.ago]
        found.sort(key=lambda line: line[0])
        answer = {"lines": found[-most:], "now": now, "next": {"cursor": cursor, "files": positions}}
        self.scratch["stdout"] = json.dumps(answer)
        return Diff.none("read")

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("reading changes nothing")

    def _journal(self, host: "System", cursor: str) -> Tuple[List[Line], str]:
        """Return lines of the units, and where the journal ends now."""
        argv = ["journalctl", "--no-pager", "-q", "-o", "json", "--output-fields=MESSAGE,_SYSTEMD_UNIT,UNIT"]
        argv += [word for name in self.journal for word in ("-u", name)]
        if cursor:
            argv += ["--after-cursor", cursor]
        elif self.ago:
            argv += ["--since", "@%d" % (time.time() - self.ago)]
        argv += ["-n", str(self.lines or MOST_LINES)]
        found: List[Line] = []
        for text in host.ask(argv, timeout=60).stdout.splitlines() if self.journal else ():
            try:
                entry = json.loads(text)
            except ValueError:
                continue
            cursor = entry.get("__CURSOR", cursor)
            unit = entry.get("UNIT") or entry.get("_SYSTEMD_UNIT", "")
            at = int(entry.get("__REALTIME_TIMESTAMP", 0)) / 1e6
            found += [(at, unit, line[:LONGEST_LINE]) for line in message(entry).splitlines() or [""]]
        return found, cursor or self._end(host)

    def _end(self, host: "System") -> str:
        """Return the cursor of the journal's last entry, for what comes after it."""
        last = host.ask(("journalctl", "--no-pager", "-q", "-o", "json", "-n", "1"), timeout=20).stdout
        try:
            return str(json.loads(last).get("__CURSOR", "")) if last.strip() else ""
        except ValueError:
            return ""


def message(entry: Mapping[str, Any]) -> str:
    """Return the text of a journal entry: a list of bytes, where it is not UTF-8 (journalctl(1))."""
    found = entry.get("MESSAGE") or ""
    return bytes(found).decode("utf-8", "replace") if isinstance(found, list) else str(found)


def tail(
    host: "System", path: str, place: Optional[Sequence[int]], most: int
) -> Tuple[List[Line], List[int]]:
    """Return the last lines of a file, and its inode and end; nothing of a file that is missing.

    place: inode and end of an earlier answer: only what came since.  most: number of lines.
    """
    if not host.files.exists(path):
        return [], [0, 0]
    with host.files.open(path) as f:
        st = os.fstat(f.fileno())
        known = place is not None and place[0] == st.st_ino and place[1] <= st.st_size
        begin = place[1] if known and place is not None else 0
        begin = max(begin, st.st_size - MOST)
        f.seek(begin)
        data = f.read(st.st_size - begin)
    # a line that is being written comes whole with the next answer
    whole = data[: data.rfind(b"\n") + 1]
    lines: List[Line] = []
    at = 0.0
    for raw in whole.decode("utf-8", "replace").splitlines()[-most:]:
        at = time_of(raw) or at or st.st_mtime
        lines.append((at, path, raw[:LONGEST_LINE]))
    return lines, [st.st_ino, begin + len(whole)]


def time_of(line: str) -> float:
    """Return when a line of a front was written (seconds since the epoch), 0 if it does not say."""
    for pattern, form in TIMES:
        found = pattern.search(line[:400])
        if found:
            try:
                at = datetime.strptime(found.group(1), form)
            except ValueError:
                continue
            # without a zone it is the host's own
            return at.timestamp()
    return 0.0


log_lines = step(LogLines)
