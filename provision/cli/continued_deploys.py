"""prov deploy --continue: the hosts that a deploy in waves has not come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from provision.errors import UsageError
from provision.report.served_lines import short

if TYPE_CHECKING:
    from provision.cli.prepare import Scope
    from provision.controller.run_options import Ask
    from provision.report.formats import Format
    from provision.roles.project import Assignment
    from provision.run.standings import Standing


def left_of(
    assignments: Sequence[Assignment], digest: str, scope: Scope, ask: Ask | None, out: Format
) -> list[Assignment]:
    """Ask all hosts what they have, show it, and return those that do not have what this deploy brings, with the hosts
    that these use.

    digest: of what it brings. A host that can't be asked counts as one that does not have it: the run then says why.
    Raises UsageError if all of them have it, or none.
    """
    from provision.run.standings import Standing, has_it, wanted

    found = standings(assignments, scope.forks, ask)
    done = {
        each.host.name
        for each in assignments
        if digest and has_it(found.get(each.host.name, Standing()), digest, wanted(each))
    }
    names = [each.host.name for each in assignments]
    if len(done) == len(names):
        raise UsageError(
            f"--continue: there is nothing to continue, as all {len(names)} hosts have what this deploy brings",
            hint="\n  ".join(lines_of(found)),
        )
    if not done:
        raise UsageError(
            "--continue: none of these hosts has what this deploy brings, so it continues no other",
            hint="\n  ".join(
                [
                    "The inventory, a role, a source or the options may have changed since the deploy in waves",
                    f"stopped, or there was none. To begin with all hosts:  prov deploy {scope.target}",
                    *lines_of(found),
                ]
            ),
        )
    # what they use hands over passwords, and has nothing to change
    used = {
        binding.provider.name
        for each in assignments
        if each.host.name not in done
        for app in each.served.apps
        for binding in app.bindings
    }
    left = [each for each in assignments if each.host.name not in done or each.host.name in used]
    where = short([each.host.name for each in left], "host")
    out.show(
        (
            {"event": "standing", "host": name, "done": name in done, "releases": dict(found[name].live)}
            for name in names
            if name in found
        ),
        [*lines_of(found), f"continues with {where}"],
    )
    return left


def standings(assignments: Sequence[Assignment], forks: int, ask: Ask | None) -> Mapping[str, Standing]:
    """Return what each host has that answers."""
    from provision.controller.run_options import RunOptions
    from provision.roles.project import Assignment
    from provision.run.on_hosts import Run
    from provision.run.standings import asked

    found: dict[str, Standing] = {}
    only_asked = [Assignment(each.host) for each in assignments]
    for _ in Run(
        only_asked, RunOptions(plan=True, forks=forks, ask=ask), asked(found.__setitem__, assignments)
    ):
        pass
    return found


def lines_of(found: Mapping[str, Standing]) -> Iterator[str]:
    """Yield `shop: release da15adf on web1, web2; release c5fe8e1 on web3`."""
    hosts: dict[str, dict[str, list[str]]] = {}
    for host, standing in sorted(found.items()):
        for app, release in standing.live.items():
            hosts.setdefault(app, {}).setdefault(release, []).append(host)
    for app, releases in sorted(hosts.items()):
        said = (
            f"{f'release {release[:7]}' if release else 'not deployed'} on {short(names, 'host')}"
            for release, names in releases.items()
        )
        yield f"{app}: {'; '.join(said)}"
