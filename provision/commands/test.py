"""prov test: roles on throwaway hosts, from bare to rebooted."""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from provision import lab
from provision.cli.complete import complete_roles
from provision.cli.interrupts import Interrupts
from provision.cli.options import format_option, inventory_option, words
from provision.errors import ConfigError, ConfigErrors, Exit, ProvError, UsageError
from provision.lab.lab_host import check_choice
from provision.report.formats import Format
from provision.report.screen import say

if TYPE_CHECKING:
    from provision.testing.trial_report import TrialReport
    from provision.testing.trial_runner import Trials
    from provision.testing.trials import Trial


@click.command(epilog="Example:  prov test nginx --image debian-12,debian-13")
@click.argument("subjects", metavar="ROLE...|TARGET", nargs=-1, required=True, shell_complete=complete_roles)
@inventory_option
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="IMAGES",
    callback=words,
    help=f"Of {', '.join(lab.IMAGES)}; several with commas.  [default: debian-12]",
)
@click.option(
    "--driver", default="nspawn", show_default=True, help="nspawn: in namespaces; vagrant: virtual machines."
)
@click.option("-k", "only", default="", metavar="EXPRESSION", help="Only tests that match, like pytest's -k.")
@click.option("--no-reboot", is_flag=True, help="Leave out the reboot, and the tests after it.")
@click.option("--keep", is_flag=True, help="Keep the hosts, to look at them.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML, for CI.")
@format_option
def test(
    subjects: Sequence[str],
    inventory: Sequence[str],
    images: Sequence[str],
    driver: str,
    only: str,
    no_reboot: bool,
    keep: bool,
    junit: Path | None,
    out: Format,
) -> int:
    """Test roles, or hosts of the inventory, on throwaway hosts.

    For each role and image, prov boots a bare host, plans and deploys; a second deploy must change nothing;
    pytest runs the role's tests; the host reboots, and they run again; the deploy is undone, the host
    removed.

    Exit status: 0 all passed; 1 something failed; 2 usage or configuration; 130 interrupted.
    """
    images = tuple(dict.fromkeys(images)) or ("debian-12",)
    for image in images:
        check_choice("image", image, lab.IMAGES)
    check_choice("driver", driver, lab.DRIVERS)
    with tempfile.TemporaryDirectory(prefix="prov-test-") as folder:
        authority = Path(folder) / "ca"
        trials = prepared(subjects, images, authority, inventory)
        from provision.testing.trial_runner import Trials, check_free
        from provision.testing.trial_stages import TrialOptions

        check_free(trials, keep=keep)
        check_pytest(trials)
        run = Trials(trials, TrialOptions(authority, driver, not no_reboot, only, keep))
        status = watch(run, report_for(trials, out))
        if junit is not None:
            write(junit, run)
    return status


def prepared(
    subjects: Sequence[str], images: Sequence[str], authority: Path, inventory: Sequence[str]
) -> list[Trial]:
    """Return the trials to run. Raises ConfigErrors with every error."""
    from provision.testing.trials import trial_of

    trials: list[Trial] = []
    errors: list[ConfigError] = []
    for subject in dict.fromkeys(subjects):
        for image in images:
            try:
                trials.append(trial_of(subject, image, authority, inventory))
            except ConfigErrors as error:
                errors += error.errors
            except ConfigError as error:
                errors.append(error)
    if errors:
        raise ConfigErrors(list({str(error): error for error in errors}.values()))
    return trials


def check_pytest(trials: Sequence[Trial]) -> None:
    """Name trials without tests. Raises UsageError if others have tests and pytest is missing."""
    tests = False
    for trial in trials:
        if any(trial.tests.values()):
            tests = True
        else:
            place = f"roles/{trial.subject}/tests/test_*.py" if trial.is_role else "tests/test_NAME.py"
            say(
                f"{trial.name}: no tests in {place}; it is only deployed twice and rebooted",
                err=True,
            )
    missing = [name for name in ("pytest", "testinfra") if importlib.util.find_spec(name) is None]
    if tests and missing:
        names = " and ".join("pytest-testinfra" if name == "testinfra" else name for name in missing)
        raise UsageError(f"the tests need {names}", hint="Install it:  pip install 'prov-deploy[test]'")


def report_for(trials: Sequence[Trial], out: Format) -> TrialReport:
    """The report of trials in a format."""
    if out.moves:
        from provision.testing.trial_table import TrialTable

        return TrialTable(trials)
    from provision.testing.trial_report import TrialItems

    return TrialItems(out)


def watch(run: Trials, report: TrialReport) -> Exit:
    """Show the events of the trials until they end; returns the exit status."""
    began = time.monotonic()
    with Interrupts(run.stop, at_once=lambda: False) as interrupts:
        try:
            for event in run:
                report.take(event)
        except KeyboardInterrupt:
            left = run.there()
            report.close()
            if left:
                say(
                    f"prov: not waiting; remove what is left:  prov lab down {' '.join(left)}",
                    err=True,
                )
            raise
        finally:
            report.close()
        report.finish(run.finished, time.monotonic() - began)
    return Exit.INTERRUPTED if interrupts.came else run.exit_status()


def write(path: Path, run: Trials) -> None:
    """Write the JUnit file. Raises ProvError."""
    from provision.testing.junit import write_junit

    try:
        write_junit(path, run.finished)
    except OSError as error:
        raise ProvError(f"could not write {path}: {(error.strerror or str(error)).lower()}") from None
