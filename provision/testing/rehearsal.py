"""A rehearsal: a throwaway copy of hosts of the inventory, deployed, changed, rebooted and rolled back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from provision.errors import UsageError
from provision.inventory import Inventory, InventoryHost, load
from provision.roles.project import Assignment, resolve
from provision.roles.shown_variables import kinds_of
from provision.run.going_back import Choice, rollback
from provision.testing import results
from provision.testing.replaced_variables import Replacement, put, rehearsed
from provision.testing.results import StageDone
from provision.testing.trial_stages import Stages

#: the variable that makes the next release
MARK = "PROV_REHEARSAL"
#: what no lab host can show
CANNOT_SHOW = (
    "sizes: processors, memory and disks are this machine's",
    "the kernel: a host of the lab shares this machine's; --driver vagrant has its own",
    "the image and its first boot: a host begins as a bare Debian",
    "data: databases and files begin empty",
    "names: DNS does not lead to the copy, so the authority of `tls: acme` is not asked",
    "load, and what is on the real hosts beside what the inventory declares",
)


class Rehearsal(Stages):
    """The stages of a rehearsal."""

    def work(self) -> dict[str, Callable[[], StageDone]]:
        first = super().work()
        del first[results.UNDO]
        return {**first, results.NEXT: self.next_release, results.BACK: self.roll_back}

    def next_release(self) -> StageDone:
        """Deploy another release of each application, as the next real deploy does."""
        if not self._apps():
            return self._done(results.NEXT, "skipped", "no host has an application")
        _, done = self._run(results.NEXT, assignments=marked(self.trial.assignments))
        return done

    def roll_back(self) -> StageDone:
        """Go back to the first release of each application."""
        apps = self._apps()
        if not apps:
            return self._done(results.BACK, "skipped", "no application has a rollback")
        for name, assignments in apps.items():
            work = rollback(Choice(name, hold=False))
            _, done = self._run(results.BACK, work=work, assignments=assignments)
            if done.state == "failed":
                return done
        return self._done(results.BACK, why=f"went back: {', '.join(apps)}")

    def _apps(self) -> Mapping[str, list[Assignment]]:
        """Return the assignments of the hosts with each application that can be rolled back."""
        found: dict[str, list[Assignment]] = {}
        for assignment in self.trial.assignments:
            for app in assignment.served.apps:
                if app.auth is None or app.auth.by != "django":
                    found.setdefault(app.name, []).append(assignment)
        return found


def marked(assignments: Sequence[Assignment]) -> list[Assignment]:
    """Return assignments whose applications have one more variable in their environment: another release."""
    inventory = assignments[0].host.inventory
    hosts = {}
    for host in inventory.hosts.values():
        located = dict(host.located)
        apps = host.named("apps")
        for name in located[apps].parts if apps in located else ():
            located[apps] = put(located[apps], (name, "environment", MARK), "next")
        hosts[host.name] = InventoryHost(host.name, host.groups, host.defined, located, host.prefix)
    copied = Inventory(hosts, inventory.groups, project=inventory.project, lookups=inventory.lookups)
    return resolve([copied.hosts[each.host.name] for each in assignments])


def replacements(target: str, inventory: Sequence[str]) -> list[Replacement]:
    """Return what a rehearsal of a TARGET replaces. Raises ConfigErrors and UsageErrors."""
    return [
        each
        for host in load(inventory or None).select(target)
        for each in rehearsed(host, host.located, kinds_of(host), "")[1]
    ]


def check_whole(assignments: Sequence[Assignment]) -> None:
    """Raise UsageError if hosts need others that are not rehearsed with them."""
    names = [each.host.name for each in assignments]
    for host, needed in needs(assignments):
        if needed not in names:
            raise UsageError(
                f"{host} needs {needed}, which is not in the TARGET, and a rehearsal touches no real host",
                hint=f"Rehearse them together:  prov rehearse {','.join([*names, needed])}",
            )


def needs(assignments: Sequence[Assignment]) -> Iterator[tuple[str, str]]:
    """Yield each host with the hosts that it uses or balances."""
    for assignment in assignments:
        for app in assignment.served.apps:
            yield from ((assignment.host.name, each.provider.name) for each in app.bindings)
        for balanced in assignment.served.balanced:
            yield from ((assignment.host.name, each.name) for each in balanced.hosts)
