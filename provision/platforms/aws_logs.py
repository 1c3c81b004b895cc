"""Lines that a target's applications have logged. Source: CloudWatch Logs API reference."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from provision.platforms.aws_requests import TargetCalls
from provision.platforms.platform_model import LogsWanted

#: streams of a log that are read for its last lines
STREAMS = 10


def last_events(calls: TargetCalls, group: str, wanted: LogsWanted) -> Iterator[dict[str, Any]]:
    """Yield events of a log group: those of the last seconds, or the last ones of its newest streams."""
    if wanted.seconds:
        since = int((time.time() - wanted.seconds) * 1000)
        if calls.log_group(group) is not None:
            yield from calls.every(
                "logs:FilterLogEvents",
                "events",
                sends="nextToken",
                gets="nextToken",
                logGroupName=group,
                startTime=since,
            )
        return
    streams = calls.found(
        "logs:DescribeLogStreams", logGroupName=group, orderBy="LastEventTime", descending=True, limit=STREAMS
    )
    for stream in streams["logStreams"] if streams else ():
        name = stream["logStreamName"]
        for event in stream_end(calls, group, name, wanted.lines):
            yield {**event, "logStreamName": name}


def stream_end(calls: TargetCalls, group: str, stream: str, lines: int) -> list[dict[str, Any]]:
    """Return the last events of a stream; none if it does not exist. Raises CloudError."""
    answer = calls.found(
        "logs:GetLogEvents", logGroupName=group, logStreamName=stream, limit=lines, startFromHead=False
    )
    return list(answer["events"]) if answer else []
