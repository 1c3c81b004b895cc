"""Converts schedules: cron's five fields to systemd's calendar. Sources: systemd.time(7), crontab(5)."""

from __future__ import annotations

import re

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: names that cron knows
NAMED = {"@reboot": "", "@annually": "yearly", "@midnight": "daily"}
#: weekdays, date, time and zone, as far as this says without a host. Source: systemd.time(7), "Calendar events"
WEEKDAY = "(mon(day)?|tue(sday)?|wed(nesday)?|thu(rsday)?|fri(day)?|sat(urday)?|sun(day)?)"
CALENDAR = re.compile(
    r"((minute|hour|dai|week|month|quarter|year)ly|(semi-?|bi-?)?annually"
    rf"|(?=[^ ])({WEEKDAY}([,.-]+{WEEKDAY})*,?)?( ?[\d*][\d*,./~-]*(?=[ t]|$))?([ t]?[\d*][\d*,./:]*)?)"
    r"( [a-z][\w/+-]*)?",
    re.IGNORECASE,
)
#: minute, hour, day of the month, month, day of the week: first and last value
FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))


def calendars(schedule: str) -> list[str]:
    """Return the systemd calendar expressions for a schedule.

    Five words, the first two of which are valid in cron, are a cron schedule; any other schedule is
    systemd's. Its form is checked, and the host's systemd checks the rest. Raises ValueError.
    """
    text = " ".join(schedule.split())
    if text.startswith("@"):
        found = NAMED.get(text, text[1:])
        if not found:
            raise ValueError(
                "'@reboot' is not a time; for something that runs after each boot, use a process"
            )
        return [found]
    fields = text.split(" ")
    if len(fields) != len(FIELDS) or not all(re.fullmatch(r"[\d*,/-]+", field) for field in fields[:2]):
        if not CALENDAR.fullmatch(text):
            raise ValueError(f"{schedule!r} is not a time such as 'daily' or '*/15 * * * *'")
        return [text]
    minutes, hours, days, months, weekdays = (
        numbers(field, *limits) for field, limits in zip(fields, FIELDS, strict=True)
    )
    time = f"{joined(hours, 24)}:{joined(minutes, 60)}:00"
    names = ",".join(dict.fromkeys(DAYS[n % 7].title() for n in weekdays))
    any_day, any_weekday = fields[2].startswith("*"), fields[4].startswith("*")
    month, day = joined(months, 12), joined(days, 31)
    if any_weekday:
        return [f"*-{month}-{day} {time}"]
    if any_day:
        return [f"{names} *-{month}-* {time}"]
    # crontab(5): if both are restricted, either match is enough
    return [f"*-{month}-{day} {time}", f"{names} *-{month}-* {time}"]


def numbers(field: str, name: str, first: int, last: int) -> list[int]:
    """Return the values that a field of cron allows. Raises ValueError."""
    found: set[int] = set()
    for part in field.lower().split(","):
        span, slash, step = part.partition("/")
        try:
            low, high = bounds(span, name, first, last, open_end=bool(slash))
            every = int(step) if slash else 1
        except ValueError:
            raise ValueError(f"{part!r} is not a valid {name} in cron") from None
        if not (first <= low <= high <= last and every >= 1):
            raise ValueError(f"{part!r} is not a {name} from {first} to {last}")
        found.update(range(low, high + 1, every))
    return sorted(found)


def bounds(span: str, name: str, first: int, last: int, *, open_end: bool) -> tuple[int, int]:
    """Return the first and last value of a part such as "*", "1-5" or "mon-fri"."""
    if span == "*":
        return first, 6 if name == "weekday" else last
    low, dash, high = span.partition("-")
    start = value(low, name)
    return start, value(high, name) if dash else last if open_end else start


def value(word: str, name: str) -> int:
    """Return the value of a number, or of the name of a month or day."""
    names = {"month": MONTHS, "weekday": DAYS}.get(name, ())
    if word in names:
        return names.index(word) + (name == "month")
    return int(word)


def joined(found: list[int], all_of: int) -> str:
    """Return values as systemd lists them; "*" for all of them."""
    if len(found) == all_of:
        return "*"
    return ",".join(f"{each:02d}" for each in found)
