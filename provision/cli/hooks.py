"""Commands and notices of a project around its deploys: `[tool.prov.hooks]` in pyproject.toml."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from provision.controller.events import Event, Summary
from provision.errors import ConfigError, ConfigErrors, Exit, ProvError
from provision.report.jsonl import JsonLines
from provision.report.reporting import Report
from provision.report.screen import say

PLACE = "pyproject.toml tool.prov.hooks"
#: what a child process has as its stderr
STDERR = 2
#: seconds for a webhook to answer
ANSWERS_WITHIN = 10.0


def words(value: Any) -> Any:
    """Return a command as its words; there is no shell."""
    return shlex.split(value) if isinstance(value, str) else value


Command = Annotated[tuple[str, ...], BeforeValidator(words), Field(min_length=1)]


class Strict(BaseModel):
    """Settings without unknown names."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Webhook(Strict):
    """Where a notice goes. url_env: the environment variable that holds the URL, which often is a secret.

    form: of its body, Slack's or the plain one of docs/releases.md.  on: after which deploys.
    """

    url_env: str
    form: Literal["slack", "plain"] = "plain"
    on: Literal["all", "failure"] = "all"


class HookSettings(Strict):
    """What a project runs on this machine. before, after, failure: commands.  timeout: seconds for each."""

    before: tuple[Command, ...] = ()
    after: tuple[Command, ...] = ()
    failure: tuple[Command, ...] = ()
    notify: tuple[Webhook, ...] = ()
    timeout: float = Field(default=600.0, gt=0)


class Hooks:
    """The hooks of one deploy. project: its folder, where commands run.  target: as the user named it."""

    def __init__(self, project: Path, settings: HookSettings, target: str, hosts: Sequence[str]) -> None:
        self._project = project
        self._settings = settings
        self._about: dict[str, Any] = {"target": target, "hosts": list(hosts)}
        self._lines = io.StringIO()
        self._json = JsonLines(self._lines)

    def begin(self) -> None:
        """Run the commands that come before. Raises ProvError if one fails: nothing has been touched then."""
        line = json.dumps({"event": "begin", **self._about}) + "\n"
        for argv in self._settings.before:
            why = self._run(argv, line)
            if why:
                raise ProvError(
                    f"the hook {shlex.join(argv)} {why}",
                    where=f"{PLACE}.before",
                    hint="Nothing has been deployed.",
                )

    def listening(self, report: Report) -> Report:
        """Return the report, whose events the later hooks get, too."""
        return Listening(report, self._json)

    def end(self, status: Exit) -> Exit:
        """Run what comes after a deploy, and send its notices; return the exit status: a hook may have failed."""
        failed = status != Exit.DONE
        kind = "failure" if failed else "after"
        for argv in self._settings.failure if failed else self._settings.after:
            why = self._run(argv, self._lines.getvalue())
            if why:
                say(f"prov: {PLACE}.{kind}: the hook {shlex.join(argv)} {why}", err=True)
                status = status if failed else Exit.FAILED
        for webhook in self._settings.notify:
            if failed or webhook.on == "all":
                why = self._notify(webhook, status)
                if why:
                    say(f"prov: {PLACE}.notify: no notice to ${webhook.url_env}: {why}", err=True)
        return status

    def _run(self, argv: Sequence[str], given: str) -> str:
        """Run a command; return why it failed, or "". What it prints goes to stderr: stdout is for the report."""
        sys.stderr.flush()
        try:
            done = subprocess.run(
                argv,
                input=given,
                stdout=STDERR,
                text=True,
                cwd=self._project,
                timeout=self._settings.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"has not ended within {self._settings.timeout:g} s"
        except OSError as error:
            return f"can't be run: {error.strerror}"
        return f"ended with {done.returncode}" if done.returncode else ""

    def _notify(self, webhook: Webhook, status: Exit) -> str:
        """Send a notice; return why that failed, or "". Errors do not name the URL."""
        url = os.environ.get(webhook.url_env, "")
        if not url:
            return "the variable is not set"
        if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
            return "its URL does not begin with https://"
        events = [json.loads(line) for line in self._lines.getvalue().splitlines()]
        body = notice(self._about["target"], status, events)
        sent = {"text": as_text(body)} if webhook.form == "slack" else body
        request = urllib.request.Request(
            url, json.dumps(sent).encode(), {"Content-Type": "application/json", "User-Agent": "prov"}
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWERS_WITHIN):
                return ""
        except urllib.error.HTTPError as error:
            return f"it answers {error.code}"
        except (OSError, ValueError) as error:
            return str(getattr(error, "reason", None) or type(error).__name__)


class Listening(Report):
    """A report whose events a second one gets, too."""

    def __init__(self, shown: Report, copied_to: Report) -> None:
        self._shown, self._copied_to = shown, copied_to

    def take(self, event: Event) -> None:
        self._copied_to.take(event)
        self._shown.take(event)

    def finish(self, summary: Summary) -> None:
        self._copied_to.finish(summary)
        self._shown.finish(summary)

    def paused(self) -> AbstractContextManager[object]:
        return self._shown.paused()

    def close(self) -> None:
        self._shown.close()


def hooks_of(file: Path, given: Any, target: str, hosts: Sequence[str]) -> Hooks:
    """Return the hooks of a project. file, given: its pyproject.toml, and the table in it. Raises ConfigErrors."""
    try:
        return Hooks(file.parent, HookSettings.model_validate(given), target, hosts)
    except ValidationError as error:
        raise ConfigErrors(
            [
                ConfigError(each["msg"].lower(), where=".".join([PLACE, *map(str, each["loc"])]))
                for each in error.errors(include_url=False)
            ]
        ) from None


def notice(target: str, status: Exit, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the plain form of a notice: how a deploy ended on each host, and what is served."""
    ended = {each["host"]: each["state"] for each in events if each["event"] == "host"}
    summaries = [each for each in events if each["event"] == "summary"]
    counts: Mapping[str, Any] = summaries[-1]["hosts"] if summaries else {}
    return {
        "target": target,
        "status": int(status),
        "seconds": summaries[-1]["seconds"] if summaries else 0.0,
        "hosts": {name: {"state": ended.get(name, ""), **count} for name, count in counts.items()},
        "served": [
            {key: each[key] for key in ("host", "app", "urls", "release", "commit")}
            for each in events
            if each["event"] == "served"
        ],
    }


def as_text(body: Mapping[str, Any]) -> str:
    """Return a notice as text with a table of hosts, in a block that Slack shows as it is."""
    how = "deployed" if body["status"] == Exit.DONE else f"deploy failed (status {body['status']})"
    rows = [
        f"{name}  {counts['state']}  {counts['changed']} changed, {counts['failed']} failed"
        for name, counts in body["hosts"].items()
    ]
    served = [f"{each['app']} {each['release'][:7]} on {each['host']}" for each in body["served"]]
    table = "\n".join([*rows, *served])
    return f"{body['target']}: {how}, {body['seconds']:.1f} s" + (f"\n```\n{table}\n```" if table else "")
