"""prov rehearse: a throwaway copy of hosts of the inventory."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provision import lab
from provision.cli.complete import complete_target
from provision.cli.options import format_option, inventory_option
from provision.commands.test import check_pytest, watch
from provision.lab.lab_host import check_choice
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.testing.replaced_variables import Replacement
    from provision.testing.trial_report import TrialReport
    from provision.testing.trials import Trial


@click.command(epilog="Example:  prov rehearse production -i inventory/production.yml")
@click.argument("target", metavar="TARGET", shell_complete=complete_target)
@inventory_option
@click.option("--image", default="debian-12", show_default=True, help=f"Of {', '.join(lab.IMAGES)}.")
@click.option(
    "--driver", default="nspawn", show_default=True, help="nspawn: in namespaces; vagrant: virtual machines."
)
@click.option("--no-reboot", is_flag=True, help="Leave out the reboot, and the tests after it.")
@click.option("--keep", is_flag=True, help="Keep the hosts, to look at them.")
@format_option
def rehearse(
    target: str, inventory: Sequence[str], image: str, driver: str, no_reboot: bool, keep: bool, out: Format
) -> int:
    """Rehearse deploys of hosts on a throwaway copy of them in the lab. The real hosts are not touched.

    The copy has the same names, groups, variables and roles. Addresses are the lab's, certificates come from
    an authority made for it, and secrets are generated ones; prov lists what it replaces, and what no copy can show.

    The hosts boot bare; prov plans and deploys; a second deploy must change nothing; the project's tests run;
    the hosts reboot, and the tests run again; another release of each application is deployed, and rolled back.
    In the end the hosts are removed.

    Exit status: 0 all passed; 1 something failed; 2 usage or configuration; 130 interrupted.
    """
    check_choice("image", image, lab.IMAGES)
    check_choice("driver", driver, lab.DRIVERS)
    with tempfile.TemporaryDirectory(prefix="prov-rehearse-") as folder:
        from provision.testing.rehearsal import Rehearsal, check_whole, replacements
        from provision.testing.trial_runner import Trials, check_free
        from provision.testing.trial_stages import TrialOptions
        from provision.testing.trials import trial_of

        authority = Path(folder) / "ca"
        replaced = replacements(target, inventory)
        trial = trial_of(target, image, authority, inventory, seed=secrets.token_hex(32))
        check_whole(trial.assignments)
        check_free([trial], keep=keep)
        check_pytest([trial])
        show(replaced, out)
        options = TrialOptions(authority, driver, not no_reboot, keep=keep)
        return watch(Trials([trial], options, Rehearsal), report_for(trial, out))


def show(replaced: Sequence[Replacement], out: Format) -> None:
    """Say what the copy has in place of the real hosts' values, and what it can't show."""
    from provision.testing.rehearsal import CANNOT_SHOW

    def objects() -> Iterator[dict[str, Any]]:
        for each in replaced:
            yield {
                "event": "replaced",
                "host": each.host,
                "what": each.what,
                "by": each.by,
                "where": each.where,
            }
        yield from ({"event": "cannot_show", "text": text} for text in CANNOT_SHOW)

    out.show(objects(), lines(replaced, CANNOT_SHOW))


def lines(replaced: Iterable[Replacement], missing: Sequence[str]) -> Iterator[str]:
    """Return the same as lines; hosts with one variable share a line."""
    hosts: dict[tuple[str, str, str], list[str]] = {}
    for each in replaced:
        hosts.setdefault((each.what, each.by, each.where), []).append(each.host)
    if hosts:
        yield "The real deploy has its own value of:"
        for (what, by, where), names in hosts.items():
            yield f"    {what} of {', '.join(names)}: here {by} ({where})"
    yield "A rehearsal can't show:"
    yield from (f"    {text}" for text in missing)


def report_for(trial: Trial, out: Format) -> TrialReport:
    """The report of a rehearsal in a format."""
    if out.moves:
        from provision.testing.results import REHEARSED
        from provision.testing.trial_table import TrialTable

        return TrialTable([trial], stages=REHEARSED)
    from provision.testing.trial_report import TrialItems

    return TrialItems(out)
