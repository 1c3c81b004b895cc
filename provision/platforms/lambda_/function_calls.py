"""Requests to Lambda for the functions of a target.

Source: Lambda API reference; Lambda developer guide, "Function states" and "Quotas".
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

from provision.cloud.aws_calls import AwsCalls
from provision.errors import ProvError
from provision.platforms.aws_requests import TargetCalls
from provision.platforms.lambda_.function_block import LONGEST, FunctionBlock

#: the alias that serves
LIVE = "live"
#: seconds between looks, and for a function to become ready
PERIOD, READY_WITHIN = 1.0, 300
#: seconds for an answer to an invocation, beyond the longest
GRACE = 30
#: what Lambda itself writes into a log, and how many lines of a log a failure shows
PLATFORM_LINES = ("START ", "END ", "REPORT ", "INIT_START ", "EXTENSION ")
SHOWN = 12


class FunctionCalls(TargetCalls):
    """Requests for the functions of one target. Raises CloudError for a region or profile that can't be used."""

    def __init__(self, block: FunctionBlock) -> None:
        super().__init__(block.region, block.profile)
        self._block = block
        self._patient: AwsCalls | None = None

    def function(self, name: str) -> dict[str, Any] | None:
        """Return a function: "Configuration" and "Tags". Raises CloudError."""
        return self.found("lambda:GetFunction", FunctionName=name)

    def versions(self, name: str) -> list[dict[str, Any]]:
        """Return the published versions of a function, newest first. Raises CloudError."""
        every = self.every(
            "lambda:ListVersionsByFunction", "Versions", sends="Marker", gets="NextMarker", FunctionName=name
        )
        return sorted((v for v in every if v["Version"] != "$LATEST"), key=lambda v: -int(v["Version"]))

    def invoke(self, name: str, version: str, event: dict[str, Any]) -> Any:
        """Return what a version answers to an event. Raises ProvError if it fails.

        Not repeated if no answer comes: a command may run then.
        """
        if self._patient is None:
            self._patient = AwsCalls(
                self._block.region, self._block.profile, read_seconds=LONGEST + GRACE, attempts=1
            )
        answer = self._patient.call(
            "lambda:Invoke",
            FunctionName=name,
            Qualifier=version,
            LogType="Tail",
            Payload=json.dumps(event).encode(),
        )
        text = answer["Payload"].read()
        try:
            found = json.loads(text or b"null")
        except ValueError:
            found = text.decode(errors="replace")
        if answer.get("FunctionError"):
            raise ProvError(
                f"version {version} of {name} failed: {failure(found, answer.get('LogResult', ''))}"
            )
        return found

    def wait(self, name: str, version: str = "$LATEST", pause: Callable[[float], None] = time.sleep) -> None:
        """Wait until a version can be used, or changed. Raises ProvError if it does not get there."""
        end = time.monotonic() + READY_WITHIN
        while True:
            now = self.call("lambda:GetFunctionConfiguration", FunctionName=name, Qualifier=version)
            states = {now.get("State", "Active"), now.get("LastUpdateStatus", "Successful")}
            if "Failed" in states:
                why = now.get("StateReason") or now.get("LastUpdateStatusReason") or "AWS says no reason"
                raise ProvError(f"version {version} of {name} can't be used: {why}")
            if states <= {"Active", "Successful", "Inactive"}:
                return
            if time.monotonic() > end:
                raise ProvError(f"{name} was not ready within {READY_WITHIN} s: {', '.join(sorted(states))}")
            pause(PERIOD)


def failure(found: Any, tail: str) -> str:
    """Return why an invocation failed. found: its answer.  tail: the end of its log, in base64."""
    said = found.get("errorMessage", "") if isinstance(found, dict) else str(found)
    kind = found.get("errorType", "") if isinstance(found, dict) else ""
    lines = base64.b64decode(tail).decode(errors="replace").splitlines()
    shown = [line for line in lines if not line.startswith(PLATFORM_LINES)][-SHOWN:]
    text = f"{kind}: {said}" if kind not in ("", "RuntimeError") else said
    return "\n    ".join([text, *(shown if kind != "RuntimeError" else [])])
