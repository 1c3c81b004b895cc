"""Regular expressions of templates. Those that could take forever run in a process of their own, for some seconds.

A pattern that repeats a group, or that repeats several times over a long text, may try every way to match it; nothing
stops Python's `re` while it does. This file is also the program of that process, which takes its task as JSON.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

#: a group that is repeated, or a reference back to one
REPEATED_GROUP = re.compile(r"\)[*+{]|\\[1-9]|\(\?P=")
REPETITION = re.compile(r"(?<!\\)[*+]|\{\d*,\d*\}")
#: characters of a text for which a few repetitions are harmless
SHORT = 1_000
LONGEST_PATTERN = 2_000
#: that the process may take
SECONDS = 5


class PatternError(Exception):
    """A pattern is not one, or takes too long."""


def run(task: dict[str, Any]) -> Any:
    """Do a task: `do` is subn, findall, search, match or fullmatch. Return what JSON can hold. Raises PatternError."""
    try:
        pattern = re.compile(task["pattern"], task["flags"])
        if task["do"] == "subn":
            return pattern.subn(task["replacement"], task["text"], count=task["count"])
        if task["do"] == "findall":
            return pattern.findall(task["text"])
        found = getattr(pattern, task["do"])(task["text"])
        return found and {"groups": [found[0], *found.groups()], "named": found.groupdict()}
    except (re.error, IndexError, OverflowError, RecursionError) as error:
        raise PatternError(f"{task['pattern'][:60]!r} is not a pattern: {error}") from None


def bounded(do: str, pattern: Any, text: str, *, ignorecase: bool, multiline: bool, **more: Any) -> Any:
    """Do a task within bounds. Raises PatternError.

    do, more: as `run` takes them.  pattern, text: what is looked for, and where.
    """
    pattern = str(pattern)
    if len(pattern) > LONGEST_PATTERN:
        raise PatternError(f"a pattern can have at most {LONGEST_PATTERN:,} characters")
    flags = (re.I if ignorecase else 0) | (re.M if multiline else 0)
    task = {"do": do, "pattern": pattern, "flags": int(flags), "text": text, **more}
    many = len(REPETITION.findall(pattern)) > 1 and len(text) > SHORT
    return _in_a_process(task) if many or REPEATED_GROUP.search(pattern) else run(task)


def _in_a_process(task: dict[str, Any]) -> Any:
    """Do a task that may take forever."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", __file__],
            input=json.dumps(task).encode(),
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise PatternError(
            f"the pattern {task['pattern'][:60]!r} took longer than {SECONDS} seconds"
        ) from None
    except ValueError:
        raise PatternError(f"the pattern {task['pattern'][:60]!r} could not be tried") from None
    if "error" in answer:
        raise PatternError(answer["error"])
    return answer["found"]


def main() -> None:
    """Do the task that standard input has."""
    try:
        answer = {"found": run(json.load(sys.stdin))}
    except PatternError as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
