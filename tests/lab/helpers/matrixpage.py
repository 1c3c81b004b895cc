"""What the proof of all combinations has found, and the page of the docs that tells it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from helpers.combinations import COMBINATIONS, Combination

#: what each column says, by the check that fills it
COLUMNS = {
    "page": "page",
    "static": "static file",
    "upload": "upload",
    "client": "client, scheme",
    "websocket": "WebSocket",
    "events": "events",
    "tls": "TLS",
    "score": "unit",
    "crash": "crash",
    "reboot": "reboot",
}
HOST_COLUMNS = {
    "steps": "steps",
    "plan": "plan exact",
    "again": "second deploy",
    "unknown": "unknown names",
    "protocols": "protocols",
    "score": "front's unit",
    "after": "deploy after the reboot",
}
INTRODUCTION = """\
# Every combination, tried

Every example behind every server and front that can serve it, on each release: {count} combinations, on hosts made for
it. `make prove` wrote this page ({date}) from what it saw; the page is not edited.

All combinations of a front are on one host, each under its own domain: planned, deployed in one run, and deployed
again. Then from outside, for each of them:

- **page**: over HTTPS, by a certificate that is good for its domain; http leads there, with HSTS
- **static file**: whole, `immutable` for a year, and compressed for those who take that
- **upload**: 20 MiB arrive as they were sent; twice as much is 413
- **client, scheme**: the application sees the client's address, https and the domain, and believes none of
  X-Forwarded-For, -Proto, -Host, X-Real-IP and Forwarded that a client sends
- **WebSocket**, **events**: an echo, or a chat of two; server-sent events as they happen. "-" where the example has
  none
- **TLS**: sslyze finds nothing against it in Mozilla's intermediate configuration
- **unit**: what `systemd-analyze security` gives its unit, 0 the best and 10 the worst; 2.0 is the limit (of fronts see
  [fronts](fronts.md))
- **crash**: its main process is killed, all of them at the same moment, and it serves again
- **reboot**: of the host, and it serves again
"""


@dataclass
class Seen:
    """What was found on one host: of itself, and of each combination; "" and "-" where there is nothing to find."""

    front: str
    image: str
    facts: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    rows: dict[Combination, dict[str, str]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    ciphers: tuple[str, ...] = ()

    @contextmanager
    def noting(self, what: str, combination: Combination | None = None) -> Iterator[dict[str, str]]:
        """Where a result is put, under the name of its check; an exception is a result as well."""
        row = self.facts if combination is None else self.rows.setdefault(combination, {})
        try:
            yield row
        except BaseException as error:
            row[what] = "**fails**"
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            self.failures.append(f"{combination or 'the host'}, {what}: `{first[:200]}`")
            raise

    @property
    def whole(self) -> bool:
        """Whether everything has been tried."""
        rows = [set(self.rows.get(one, ())) >= {"page", "tls", "crash", "reboot"} for one in COMBINATIONS]
        return all(rows) and set(self.facts) >= set(HOST_COLUMNS)


def page(hosts: Sequence[Seen], date: str) -> str:
    """The text of docs/matrix.md."""
    count = sum(len(host.rows) for host in hosts)
    parts = [INTRODUCTION.format(count=count, date=date), "## Hosts\n", table_of_hosts(hosts)]
    ciphers = sorted({cipher for host in hosts for cipher in host.ciphers})
    parts += [f"Ciphers that were accepted: {', '.join(ciphers)}.\n"]
    failures = [f"- {host.front}, {host.image}: {each}" for host in hosts for each in host.failures]
    if failures:
        parts += ["## What fails\n", "\n".join(failures) + "\n"]
    for host in hosts:
        parts += [f"## {host.front} on {host.image}\n", table_of(host)]
    return "\n".join(parts)


def table_of_hosts(hosts: Sequence[Seen]) -> str:
    """A line for each host."""
    rows = [["front", "release", "versions", *HOST_COLUMNS.values()]]
    for host in hosts:
        versions = ", ".join(f"{name} {version}" for name, version in host.versions.items())
        facts = [host.facts.get(name, "") for name in HOST_COLUMNS]
        rows.append([host.front, host.image, versions, *facts])
    return table(rows)


def table_of(host: Seen) -> str:
    """A line for each combination of a host."""
    rows = [["server", "version", "example", *COLUMNS.values()]]
    for one, results in host.rows.items():
        row = [one.server, results.get("version", ""), str(one.example)]
        rows.append(row + [results.get(name, "-") for name in COLUMNS])
    return table(rows)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown's table; the first row is the head."""
    head, *rest = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *rest, ""])


def write(hosts: Sequence[Seen], path: Path, date: str) -> None:
    """Write the page, if everything has been tried: a part of the tests is not a matrix."""
    if hosts and all(host.whole for host in hosts):
        path.write_text(page(hosts, date), encoding="utf-8")
