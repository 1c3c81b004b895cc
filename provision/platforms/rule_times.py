"""Schedules of jobs as EventBridge has them: six fields, Sunday is 1. Source: EventBridge, "Cron expressions"."""

from __future__ import annotations

from provision.platforms.cron_times import cron_time


def rule_time(schedule: str) -> str:
    """Return the schedule of a rule. Raises ValueError for one that EventBridge can't say."""
    minutes, hours, days, months, weekdays = cron_time(schedule).split(" ")
    if "*" not in (days, weekdays):
        raise ValueError(
            f"{schedule!r} names days of the month and of the week, and EventBridge takes one of them"
        )
    if weekdays == "*":
        weekdays = "?"
    else:
        days, weekdays = "?", ",".join(str(int(day) + 1) for day in weekdays.split(","))
    return f"cron({minutes} {hours} {days} {months} {weekdays} *)"
