"""How a version is asked whether it is healthy: as the function URL would ask it.

Source: Lambda developer guide, "Invoking Lambda function URLs", request payload.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from provision.errors import ProvError
from provision.platforms.health_paths import HealthPath
from provision.platforms.lambda_.function_calls import FunctionCalls
from provision.values import dataclass

#: seconds between requests for the health path of a release that starts
PAUSE = 1.0


@dataclass(frozen=True)
class HealthQuestion(HealthPath):
    """A request for the health path."""

    @property
    def event(self) -> dict[str, Any]:
        """Return the event of the request."""
        path, _, query = self.path.partition("?")
        http = {
            "method": "GET",
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "prov",
        }
        return {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": {"host": self.domain, "user-agent": "prov", "accept": "*/*"},
            "requestContext": {
                "accountId": "anonymous",
                "apiId": "prov",
                "domainName": self.domain,
                "domainPrefix": "prov",
                "http": http,
                "requestId": "prov",
                "routeKey": "$default",
                "stage": "$default",
                "time": "01/Jan/2000:00:00:00 +0000",
                "timeEpoch": 946684800000,
            },
            "isBase64Encoded": False,
        }

    def ask(
        self,
        calls: FunctionCalls,
        function: str,
        version: str,
        *,
        stays: str,
        once: bool = False,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Ask a version until it answers as it should. Raises ProvError if it does not within the time.

        stays: what goes on serving, for the error.  once: it has the time of one answer.
        """
        end = time.monotonic() + (0 if once else self.seconds)
        while True:
            try:
                answer = calls.invoke(function, version, self.event)
            except ProvError as error:
                raise ProvError(error.message, hint=error.hint or stays) from None
            status = answer.get("statusCode") if isinstance(answer, dict) else None
            if self.is_good(status):
                return
            if time.monotonic() >= end:
                body = str(answer.get("body", ""))[:200] if isinstance(answer, dict) else str(answer)[:200]
                said = f"{self.path} of version {version} of {function} answered {status}"
                raise ProvError(f"{said}{f': {body}' if body else ''}", hint=stays)
            pause(PAUSE)
