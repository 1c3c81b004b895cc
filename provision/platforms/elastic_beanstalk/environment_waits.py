"""Whether an environment has become what was asked for: its events, its health, and what its health path answers.

Elastic Beanstalk calls an update a success when instances have run their commands; prov asks the health path as well.
Source: API reference, EnvironmentDescription, EventDescription; developer guide, "Enhanced health".
"""

from __future__ import annotations

import http.client
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from provision.errors import ProvError
from provision.inventory.fields import encoded
from provision.platforms.elastic_beanstalk.beanstalk_calls import BeanstalkCalls
from provision.platforms.health_paths import HealthPath
from provision.platforms.platform_run import Note

#: seconds between looks, and between requests for the health path
PERIOD, PAUSE = 5.0, 1.0
#: seconds for an update besides what its commands may take: instances are started, one batch after the other
GRACE = 2400
#: seconds for an answer of the health path
ANSWER = 10
#: severities of events that say that an update failed
FAILURES = ("ERROR", "FATAL")
#: events of a failure that are shown
SHOWN = 8


class Events:
    """The events of an environment that come from now on. environment: its ID; names are used again.

    is_new: it has just been made, so that all of its events count.
    """

    def __init__(self, calls: BeanstalkCalls, environment: str, *, is_new: bool = False) -> None:
        self._calls, self._environment = calls, environment
        self._seen = set[tuple[str, str]]() if is_new else {self._key(each) for each in self._latest()}

    @staticmethod
    def _key(event: Mapping[str, Any]) -> tuple[str, str]:
        return str(event["EventDate"]), str(event["Message"])

    def _latest(self) -> list[dict[str, Any]]:
        answer = self._calls.ask("DescribeEvents", EnvironmentId=self._environment, MaxRecords=100)
        return list(answer.get("Events") or ())

    def new(self) -> Iterator[dict[str, Any]]:
        """Yield those that were not seen yet, oldest first."""
        for event in reversed(self._latest()):
            if self._key(event) not in self._seen:
                self._seen.add(self._key(event))
                yield event


def wait_ready(
    calls: BeanstalkCalls,
    name: str,
    events: Events,
    seconds: float,
    note: Note,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Return an environment once it is ready. Raises ProvError if an event says that what was asked for failed."""
    end, failed = time.monotonic() + seconds, list[str]()
    while True:
        found = calls.environment(name)
        for event in events.new():
            note(f"{name}: {event['Message']}")
            if event.get("Severity") in FAILURES:
                failed.append(str(event["Message"]))
        if found is None or found["Status"] == "Terminating":
            raise ProvError(f"the environment {name} was terminated by another client", hint="Deploy again.")
        if found["Status"] == "Ready":
            if failed:
                raise ProvError("\n    ".join([f"environment {name}: the update failed", *failed[-SHOWN:]]))
            return found
        if time.monotonic() > end:
            raise ProvError(f"environment {name} is {found['Status']} after {seconds:g} s")
        pause(PERIOD)


def unhealthy(environment: Mapping[str, Any]) -> str:
    """Return how an environment is not as it should be; "" if it is."""
    health, status = str(environment.get("HealthStatus") or ""), str(environment.get("Health") or "")
    if status == "Red" or health in ("Severe", "Degraded"):
        return f"its health is {health or status}"
    return ""


def wait_healthy(health: HealthPath, cname: str, pause: Callable[[float], None] = time.sleep) -> None:
    """Ask for a health path at an environment's address until it answers as it should. Raises ProvError."""
    end, url = time.monotonic() + health.seconds, f"http://{cname}{encoded(health.path)}"
    while True:
        said = answer_of(url, health.domain)
        if health.is_good(said):
            return
        if time.monotonic() >= end:
            what = f"answers {said}" if isinstance(said, int) else f"can't be asked: {said}"
            raise ProvError(f"the health path {what} at {url}, as {health.domain}")
        pause(PAUSE)


def answer_of(url: str, domain: str) -> int | str:
    """Return the status that an address answers to a request for a domain; a text says why there is none."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=ANSWER)
    try:
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request("GET", path, headers={"Host": domain, "User-Agent": "prov"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
