"""Schedules of jobs as the five fields of cron; Sunday is 0. Source: crontab(5); CronJob, "Schedule syntax"."""

from __future__ import annotations

import re

from provision.apps.schedules import FIELDS, NAMED, numbers

#: systemd.time(7), "Calendar events": its words
WORDS = {
    "minutely": "* * * * *",
    "hourly": "0 * * * *",
    "daily": "0 0 * * *",
    "weekly": "0 0 * * 1",
    "monthly": "0 0 1 * *",
    "quarterly": "0 0 1 1,4,7,10 *",
    "semiannually": "0 0 1 1,7 *",
    "yearly": "0 0 1 1 *",
    "annually": "0 0 1 1 *",
}
WEEK = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: a time of each day, or of some days of the week
TIME = re.compile(r"((?:[A-Z][a-z]{2},?)+ )?(?:\*-\*-\* )?(\d\d?):(\d\d)(?::00)?")


def cron_time(schedule: str) -> str:
    """Return the schedule of a CronJob. Raises ValueError for a calendar of systemd's that cron can't say."""
    text = " ".join(schedule.split())
    word = NAMED.get(text, text.removeprefix("@"))
    if word in WORDS:
        return WORDS[word]
    if time := TIME.fullmatch(text):
        days = [day.lower() for day in (time[1] or "").strip().split(",") if day]
        if int(time[2]) < 24 and int(time[3]) < 60 and all(day in WEEK for day in days):
            on = ",".join(str(n) for n in sorted(WEEK.index(day) for day in days)) or "*"
            return f"{int(time[3])} {int(time[2])} * * {on}"
    fields = text.split(" ")
    if len(fields) != len(FIELDS) or not all(re.fullmatch(r"[\d*,/-]+", field) for field in fields[:2]):
        raise ValueError(f"{schedule!r} has no counterpart in a CronJob")
    minutes, hours, days_of_month, months, weekdays = (
        numbers(field, *limits) for field, limits in zip(fields, FIELDS, strict=True)
    )
    every_day, every_weekday = fields[2].startswith("*"), fields[4].startswith("*")
    return " ".join(
        [
            listed(minutes, 60),
            listed(hours, 24),
            "*" if every_day and not every_weekday else listed(days_of_month, 31),
            listed(months, 12),
            "*" if every_weekday else listed(sorted({day % 7 for day in weekdays}), 7),
        ]
    )


def listed(found: list[int], all_of: int) -> str:
    """Return values as cron lists them; "*" for all of them."""
    return "*" if len(found) == all_of else ",".join(map(str, found))
