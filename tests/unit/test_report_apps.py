"""Applications in plans and deploys: a block each, in the terms of who has written the application."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from dataclasses import replace

import pytest

from provision.controller.events import (
    About,
    Attention,
    Event,
    HostDone,
    Served,
    StepDone,
    Summary,
    Tally,
    UndeclaredFound,
)
from provision.errors import StepError
from provision.report import failure
from provision.report.console import Console
from provision.report.plain_lines import PlainReport
from provision.report.reporting import Style
from provision.report.terminal import Terminal
from provision.steps.base import Change
from provision.steps.support.installers import UNTOUCHED

OLD, NEW = "c5fe8e168769", "da15adf1172d"
#: a change of one line, as a host shows it
SOURCE = Change(
    "changed file shop.py",
    text="--- shop.py\n+++ shop.py\n@@ -1,3 +1,3 @@\n def app(e, start):\n     start()\n-    return [b'one']\n"
    "+    return [b'two']",
)
HASHES = Change(
    "sites-enabled/shop.conf",
    text="--- a\n+++ a\n@@ -5,1 +5,1 @@\n-    server unix:/run/app-shop/9be2d5a8cb75.sock;\n"
    "+    server unix:/run/app-shop/81aee9666318.sock;",
)
MASKED = "********"


def step(
    label: str,
    part: str,
    *diff: Change,
    role: str = "app",
    host: str = "web1",
    state: str = "changed",
    why: str = "",
) -> StepDone:
    return StepDone(
        host, role, label, state, why=why, diff=diff, about=About("shop", part, "inventory/hosts.yml:12")
    )


def one_line(host: str = "web1") -> list[Event]:
    """What a deploy of a change of one line says."""
    conf = f"configuration /etc/nginx (nginx.conf, {HASHES.what})"
    reload = Change(
        "reload", "", f"running with the configuration of 2026-11-21T14:02:07Z; changed since: {conf}"
    )
    return [
        step(
            f"tree /srv/shop/releases/{NEW}", "source", Change("new folder", "", "2 files"), SOURCE, host=host
        ),
        step(f"directory /srv/shop/releases/{NEW}/.prov", "", host=host),
        step("command python behind_front.py", "import", Change("command", "", "x"), host=host),
        step(
            "unit file app-shop@81aee9666318.service",
            "unit",
            Change("new file", "", "as app-shop@9be2d5a8cb75.service"),
            role="gunicorn",
            host=host,
        ),
        step("service app-shop@81aee9666318", "start", Change("running"), role="gunicorn", host=host),
        StepDone(host, "nginx", conf, "changed", diff=[HASHES]),
        StepDone(host, "nginx", "service nginx", "changed", diff=[reload]),
        step(
            "link /srv/shop/current",
            "release",
            Change("target", f"releases/{OLD}", f"releases/{NEW}"),
            why="commit a2b791c -> 9c01f3e",
            host=host,
        ),
        HostDone(host, 1.0),
    ]


def plain(events: Sequence[Event], style: Style | None = None) -> list[str]:
    """What is printed, without the lines about hosts."""
    out = io.StringIO()
    report = PlainReport(out, style or Style(plan=True, diff_lines=20))
    tallies = {event.host: Tally() for event in events}
    for event in events:
        report.take(event)
        tallies[event.host].count(event)
    report.finish(Summary(tallies, 1.0))
    return out.getvalue().splitlines()[: -1 - len(tallies)]


ONE_LINE = [
    "web1: shop: c5fe8e1 -> da15adf, 1 file changed (commit a2b791c -> 9c01f3e)",
    "    ~ shop.py",
    "    @@ -1,3 +1,3 @@",
    "     def app(e, start):",
    "         start()",
    "    -    return [b'one']",
    "    +    return [b'two']",
    "    switch       gunicorn starts it beside the release before, then nginx turns to it",
    "    and          2 steps that prov needs (-v shows them)",
    "web1: done, 1.00 s",
]


@pytest.mark.parametrize("plan", [True, False])
def test_a_change_of_one_line_is_that_line(plan: bool) -> None:
    assert plain(one_line(), Style(plan=plan, diff_lines=12)) == ONE_LINE


def test_verbose_shows_every_step_and_what_has_only_moved() -> None:
    lines = plain(one_line(), Style(plan=True, verbose=True))
    assert f"web1: app: tree /srv/shop/releases/{NEW}: would change, 0 ms" in lines
    assert any("81aee9666318.sock" in line for line in lines)


def test_hosts_with_the_same_are_told_of_once() -> None:
    hosts = ["web1", "web2", "web3"]
    lines = plain(
        [event for host in hosts for event in one_line(host)], Style(plan=True, fleet=True, diff_lines=20)
    )
    titles = [line for line in lines if line.startswith("shop: ")]
    assert titles == ["shop: c5fe8e1 -> da15adf, 1 file changed (commit a2b791c -> 9c01f3e): all 3 hosts"]
    assert sum("+    return" in line for line in lines) == 1


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_a_terminal_shows_the_same(width: int) -> None:
    screen = Terminal(file=io.StringIO(), width=width, highlight=False)
    report = Console(Style(plan=True, diff_lines=20), ["web1"], ["app", "nginx"], screen)
    for event in one_line():
        report.take(event)
    report.finish(Summary({"web1": Tally()}, 1.0))
    assert isinstance(screen.file, io.StringIO)
    lines = [line.rstrip() for line in screen.file.getvalue().splitlines()]
    at = lines.index("web1  shop  c5fe8e1 -> da15adf, 1 file changed (commit a2b791c -> 9c01f3e)")
    assert lines[at + 1 : at + 9] == ONE_LINE[1:9]
    assert len([line for line in lines if line]) <= 25


def test_packages_and_environment_by_name() -> None:
    packages = [
        Change("new environment", "", "/usr/bin/python3"),
        Change("requirement", "flask==3.0.3", "flask==3.1.0"),
        Change("requirement", "", "redis>=5"),
        Change("requirement", "gone==1", ""),
    ]
    environment = [
        Change("content", MASKED, MASKED),
        Change("variable API_URL", "", MASKED),
        Change("variable KEY", MASKED, MASKED),
        Change("variable OLD", MASKED, ""),
    ]
    lines = plain(
        [step("venv /x", "packages", *packages), step("file /etc/prov/shop.env", "environment", *environment)]
    )
    assert lines == [
        "web1: shop: its settings",
        "    packages     flask 3.0.3 -> 3.1.0, + redis>=5, - gone==1",
        "    environment  + API_URL, ~ KEY, - OLD",
    ]


def test_long_lists_are_broken_between_their_items() -> None:
    changes = [Change(f"variable A_RATHER_LONG_NAME_{n}", "", MASKED) for n in range(12)]
    lines = plain([step("file /etc/prov/shop.env", "environment", *changes)])
    assert max(map(len, lines)) <= 100
    assert "".join(line.strip() for line in lines).count("A_RATHER_LONG_NAME_") == 12
    assert all(line.rstrip(",").endswith(tuple("0123456789")) for line in lines[1:])


def test_commands_that_run_are_told_in_the_users_words() -> None:
    own = f"/srv/shop/releases/{NEW}"
    migrate = f"{own}/.venv/bin/python {own}/.prov/django_chores.py manage.py migrate"
    events = [
        step("command a", "command", Change("command", "", migrate)),
        step("command b", "command", Change("command", "", "/usr/bin/env flask index"), state="maybe"),
        step("file chores.py", "command", Change("new file", text="@@ -0,0 +1 @@\n+x")),
    ]
    assert plain(events) == [
        "web1: shop: no new release",
        "    runs         manage.py migrate, flask index (may change)",
        "    and          1 step that prov needs (-v shows them)",
    ]


def test_files_without_lines_come_after_those_with_lines() -> None:
    changes = [
        Change("new folder", "", "40 files"),
        Change("changed file logo.png", "12 kB", "13 kB"),
        SOURCE,
        *(Change("new file", "", f"page{n}.html, 1 bytes") for n in range(9)),
        Change("removed", "old.py", ""),
    ]
    release = Change("target", f"releases/{OLD}", f"releases/{NEW}")
    lines = plain([step("tree /x", "source", *changes), step("link", "release", release)])
    assert lines[0] == "web1: shop: c5fe8e1 -> da15adf, 12 files changed"
    assert lines[1] == "    ~ shop.py"
    assert lines[7:] == [
        "    ~ logo.png  12 kB -> 13 kB",
        *(f"    + page{n}.html, 1 bytes" for n in range(5)),
        "    + 4 more: new file (--diff shows all)",
        "    - old.py",
    ]


def test_long_diffs_are_folded_in_the_middle() -> None:
    text = "--- a\n+++ a\n@@ -1,40 +1,40 @@\n" + "\n".join(f"+{n}" for n in range(40))
    lines = plain([step("tree /x", "source", Change("new folder"), Change("changed file a", text=text))])
    assert lines[2:4] == ["    @@ -1,40 +1,40 @@", "    +0"]
    assert "    ... 21 more lines (--diff shows all)" in lines
    assert lines[-1] == "    +39"


def test_a_first_release_and_one_that_is_kept() -> None:
    new = [
        step("tree /x", "source", *(Change("new file", "", f"{n}.py") for n in range(3))),
        step("link", "release", Change("new link", "", f"-> releases/{NEW}"), why="commit 9c01f3e"),
    ]
    assert plain(new) == [
        "web1: shop: new, release da15adf (commit 9c01f3e)",
        "    files        0.py, 1.py, 2.py",
    ]
    back = [step("link", "release", Change("target", f"releases/{NEW}", f"releases/{OLD}"))]
    assert plain(back) == ["web1: shop: da15adf -> c5fe8e1, a release that the host has kept"]


def test_files_of_a_first_release_that_are_not_named_are_counted() -> None:
    found = [*(f"{n}.py" for n in range(20)), "and 7 more"]
    files = step("tree /x", "source", *(Change("new file", "", name) for name in found))
    link = step("link", "release", Change("new link", "", f"-> releases/{NEW}"))
    (line,) = [line for line in plain([files, link]) if "files" in line]
    assert line == "    files        0.py, 1.py, 2.py, 3.py, 4.py, and 22 more"


def test_new_files_of_a_later_release_that_are_not_named_are_counted() -> None:
    found = [
        Change("new folder"),
        *(Change("new file", "", name) for name in (*map(str, range(20)), "and 7 more")),
    ]
    assert plain([step("tree /x", "source", *found)])[-1] == "    + 22 more: new file (--diff shows all)"


def test_a_release_that_was_changed_on_its_host() -> None:
    owed = "running with the configuration of 2026-11-27T04:52:32Z; changed since: unit file x"
    unit = "--- a\n+++ a\n@@ -9 +9 @@\n-User=root\n+User=app-shop"
    events = [
        step("file /etc/prov/shop.env", "environment", Change("content", MASKED, MASKED)),
        step("tree /x", "source", Change("changed file", "", "shop.py"), Change("removed", "old.py", "")),
        step("directory /x/.prov", "", Change("mode", "0700", "0755")),
        step(
            "unit file app-shop@81aee9666318.service", "unit", Change("content", text=unit), role="gunicorn"
        ),
        step("service app-shop@81aee9666318", "start", Change("restart", "", owed), role="gunicorn"),
    ]
    assert plain(events) == [
        "web1: shop: its release was changed on the host, 2 files",
        "    ~ shop.py",
        "    - old.py",
        "    environment  file /etc/prov/shop.env: content ******** -> ********",
        "    ~ unit app-shop@.service",
        "    @@ -9 +9 @@",
        "    -User=root",
        "    +User=app-shop",
        "    switch       gunicorn starts again; its socket keeps connections waiting",
        "    ~ directory /x/.prov: mode 0700 -> 0755",
    ]


def test_an_application_that_was_stopped_by_hand() -> None:
    events = [
        step(
            "unit app-shop@81aee9666318.socket", "", Change("running", "inactive", "active"), role="gunicorn"
        ),
        step("service x", "start", Change("running", "inactive", "active"), role="gunicorn"),
    ]
    assert plain(events) == [
        "web1: shop: the same release, not running",
        "    switch       gunicorn starts it",
        "    and          1 step that prov needs (-v shows them)",
    ]


def test_what_a_unit_has_besides_its_hash_is_shown() -> None:
    text = (
        "--- a\n+++ a\n@@ -1 +1 @@\n-ExecStart=x 9be2d5a8cb75\n+ExecStart=x 81aee9666318\n"
        "@@ -9 +9 @@\n-workers 2\n+workers 4"
    )
    lines = plain([step("unit file app-shop@81aee9666318.service", "unit", Change("new file", text=text))])
    assert lines[1:] == [
        "    ~ unit app-shop@.service",
        "    @@ -9 +9 @@",
        "    -workers 2",
        "    +workers 4",
    ]


def test_the_block_of_an_odd_host_is_that_of_the_others() -> None:
    """Its front turns as theirs do; what else it changes there is shown beside."""
    odd = [
        replace(each, diff=[HASHES._replace(text=HASHES.text + "\n@@ -77,2 +77,1 @@\n-# by hand")])
        if isinstance(each, StepDone) and each.step.startswith("configuration")
        else each
        for each in one_line("web2")
    ]
    lines = plain([*one_line("web1"), *odd], Style(plan=True, fleet=True, diff_lines=20))
    (block,) = [line for line in lines if line.startswith("shop: ")]
    assert block.endswith(": all 2 hosts")
    assert lines.count("    -# by hand") == 1


def test_a_front_that_gets_other_settings_is_shown() -> None:
    conf = Change("nginx.conf", text=HASHES.text + "\n@@ -9 +9 @@\n-hsts 0\n+hsts 1")
    lines = plain([*one_line()[:5], StepDone("web1", "nginx", "configuration", "changed", diff=[conf])])
    assert lines[-3:] == ["    @@ -9 +9 @@", "    -hsts 0", "    +hsts 1"]
    assert not any("81aee9666318" in line for line in lines)


def test_new_files_of_the_built_in_roles_are_counted() -> None:
    diff = [Change("new file nginx.conf", text="--- a\n+++ a\n@@ -0,0 +1,3 @@\n+a\n+b\n+c")]
    brief = Style(plan=True, diff_lines=20, builtin=frozenset({"nginx"}))
    theirs = StepDone("web1", "nginx", "c", "changed", diff=[*diff, Change("mode", "", "0644")])
    assert plain([theirs], brief)[1:] == ["    + new file nginx.conf, 3 lines"]
    assert plain([theirs], replace(brief, diff_lines=None))[-2:] == ["    +c", "    + mode 0644"]
    assert plain([theirs], replace(brief, verbose=True))[-2:] == ["    +c", "    + mode 0644"]
    own = StepDone("web1", "mine", "c", "changed", diff=diff)
    assert plain([own], brief)[-1] == "    +c"


def test_packages_that_come_along_are_counted() -> None:
    packages = [Change(f"package lib{n}", "", "1.0") for n in range(5)]
    curl = StepDone("web1", "base", "packages curl", "changed", diff=packages)
    brief = Style(plan=True, diff_lines=20, builtin=frozenset({"base"}))
    assert plain([curl], brief)[1:] == ["    + packages lib0, lib1, lib2 and 2 more"]


IMPORT = """Traceback (most recent call last):
  File "/srv/shop/releases/da15adf1172d/.prov/behind_front.py", line 75, in <module>
    inner = loaded()
  File "/usr/lib/python3.11/importlib/__init__.py", line 126, in import_module
    return _bootstrap._gcd_import(name[level:], package, level)
  File "<frozen importlib._bootstrap>", line 1206, in _gcd_import
  File "/srv/shop/releases/da15adf1172d/shop.py", line 35
    def broken(
              ^
SyntaxError: '(' was never closed"""


def failed(part: str, message: str, stderr: str) -> list[str]:
    error = StepError(message, stderr=stderr, status=1, argv=["python"])
    event = StepDone(
        "web1", "app", "command x", "failed", error=error, about=About("shop", part, "inventory/hosts.yml:12")
    )
    return plain([event])


def test_a_release_that_cannot_be_imported_is_told_by_its_line() -> None:
    assert failed("import", "the command failed", IMPORT) == [
        "web1: shop cannot be imported: shop.py:35: SyntaxError: '(' was never closed",
        "    The new release is not in service. If one served shop before, it still does.",
        "    stderr:",
        "        Traceback (most recent call last):",
        '          File "/srv/shop/releases/da15adf1172d/shop.py", line 35',
        "            def broken(",
        "                      ^",
        "        SyntaxError: '(' was never closed",
        "    Step: command x (-v shows all of it)",
    ]


def test_a_project_that_is_not_installed_is_told_how_to_be() -> None:
    """As isso, which asks for its own version."""
    said = "importlib.metadata.PackageNotFoundError: No package metadata was found for shop\n"
    lines = failed("import", "the command failed", said)
    assert lines[2] == "    If shop is the project itself, set `install: true`: that installs it, too."
    old = "pkg_resources.DistributionNotFound: The 'shop' distribution was not found and is required\n"
    assert failed("import", "the command failed", old)[2] == lines[2]


@pytest.mark.parametrize(
    "error",
    [
        "AttributeError: module 'collections' has no attribute 'MutableMapping'",
        "ModuleNotFoundError: No module named 'x'",
    ],
)
def test_a_package_that_fails_is_not_the_targets_fault(error: str) -> None:
    """As SQLAlchemy 1.1 under Python 3.11."""
    packages = "/srv/shop/releases/7ae9c1584e40/.venv/lib/python3.11/site-packages"
    at = f'  File "{packages}/sqlalchemy/sql/base.py", line 49, in x\n'
    lines = failed(
        "import", "the command failed", f"Traceback (most recent call last):\n{at}    class A(b)\n{error}\n"
    )
    assert lines[-2] == (
        "    sqlalchemy, one of its packages, fails: does that version fit this Python, and the other packages?"
    )
    assert not any("target" in line for line in lines)
    lines = failed(
        "import", "the command failed", f"Traceback (most recent call last):\n{at}    z()\nOwnError: no key\n"
    )
    assert not any("one of its packages" in line for line in lines), "it says itself what it lacks"
    within = f'{at}  File "/srv/shop/releases/7ae9c1584e40/shop.py", line 3, in y\n'
    lines = failed(
        "import",
        "the command failed",
        f"Traceback (most recent call last):\n{within}    z()\nNameError: x\n",
    )
    assert not any("one of its packages" in line for line in lines)


@pytest.mark.parametrize(
    ("said", "package"),
    [
        (
            "Collecting idna==2.0\n  Getting requirements: finished with status 'done'\nCollecting pyyaml==5.4.1\n"
            "  Downloading PyYAML-5.4.1.tar.gz\n  Getting requirements: finished with status 'error'\n",
            "pyyaml==5.4.1",
        ),
        ("ERROR: Failed building wheel for greenlet\n", "greenlet"),
        (
            "error: legacy\n\u00d7 Encountered error while trying to install package.\n╰─> greenlet\n",
            "greenlet",
        ),
        ("  \u00d7 Failed to build `pyyaml==5.4.1`\n", "pyyaml==5.4.1"),
    ],
)
def test_a_package_that_is_not_built_is_named_first(said: str, package: str) -> None:
    first = failed("packages", "pip failed", said)[0]
    assert first == f"web1: shop could not get its packages installed: {package} is not built: pip failed"
    assert "is not built" not in failed("packages", "pip failed", "Collecting idna==2.0\nERROR: no room\n")[0]


@pytest.mark.parametrize(
    "said",
    [
        "sqlite3.OperationalError: no such table: post",
        'psycopg.errors.UndefinedTable: relation "post" does not exist',
        "pymysql.err.ProgrammingError: (1146, \"Table 'post' doesn't exist\")",
    ],
)
def test_tables_that_are_not_there_are_told_how_to_come(said: str) -> None:
    lines = failed(
        "health", "http://s/ does not answer as it should within 30 s: status 500 Oops", said + "\n"
    )
    assert (
        "    The database of shop lacks the table post: have a command in `release` make its tables, as the"
        " application's own docs say."
    ) in lines


def test_an_application_that_writes_in_its_release_is_told_how_it_may() -> None:
    """As Flask's tutorial, whose instance folder is beside its code."""
    for said in ("[Errno 13] Permission denied", "[Errno 30] Read-only file system"):
        error = f"OSError: {said}: '/srv/shop/releases/f90522b6e0ee/instance/shop.sqlite'\n"
        assert failed("import", "the command failed", error)[2] == (
            "    shop can't write in its release. `writable: [instance]` keeps instance in its data folder, over"
            " releases; PROV_DATA_DIR names that folder."
        )
    elsewhere = failed(
        "import", "the command failed", "OSError: [Errno 13] Permission denied: '/srv/other/x'\n"
    )
    assert "writable" not in "".join(elsewhere)


def test_an_answer_that_is_an_error_is_told_with_its_cause_once() -> None:
    own = "/srv/shop/instances/81aee9666318"
    trace = (
        f'Traceback (most recent call last):\n  File "{own}/.venv/lib/flask/app.py", line 7, in x\n    run()\n'
        f'  File "{own}/pages/shop.py", line 12, in home\n    raise NotFound("x")\n'
        "werkzeug.exceptions.NotFound: no database here"
    )
    said = f"    ^^^^\n{trace}\n{trace}\n{trace.rpartition(chr(10))[0]}"
    lines = failed("health", "http://s/ does not answer as it should within 30 s: status 500 Oops", said)
    assert not any("^^^^" in line for line in lines)
    assert lines[0] == (
        "web1: shop answers 500: pages/shop.py:12: werkzeug.exceptions.NotFound: no database here"
    )
    assert sum("NotFound: no database here" in line for line in lines[1:]) == 1
    assert "        (the same traceback 1 more time)" in lines


@pytest.mark.parametrize("part", failure.PARTS)
def test_each_part_is_told_as_a_sentence_about_the_application(part: str) -> None:
    """A verb follows its name."""
    first = failed(part, "no room on the disk", "")[0]
    assert first == f"web1: shop {failure.PARTS[part]}: no room on the disk"
    assert failure.PARTS[part].split()[0] in ("could", "cannot", "failed", "has", "does")


def test_without_a_traceback_the_last_line_is_the_cause() -> None:
    said = "shop:app: module 'shop' has no attribute 'app'"
    assert failed("import", "the command failed", f"{said}\n") == [
        f"web1: shop cannot be imported: {said}",
        "    The new release is not in service. If one served shop before, it still does.",
        "    Correct `target` of shop, inventory/hosts.yml:12: module:name.",
        "    Step: command x (-v shows all of it)",
    ]
    lines = failed("health", "http://s/ does not answer as it should within 30 s: connection refused", "")
    assert lines[0].endswith("does not answer as it should within 30 s: connection refused")
    slow = "If shop needs more than 30 s to start, set `start_timeout`."
    assert slow in [line.strip() for line in lines]
    lines = failed("health", "http://s/ does not answer as it should within 30 s: status 500 Oops", "")
    assert slow not in [line.strip() for line in lines], "it has started"


def test_a_module_that_is_not_there_is_the_targets_fault_and_not_at_a_line_of_provs() -> None:
    behind = IMPORT.partition('  File "/srv/shop/releases/da15adf1172d/shop.py"')[0]
    lines = failed("import", "the command failed", f"{behind}ModuleNotFoundError: No module named 'shp'")
    assert lines[0] == "web1: shop cannot be imported: ModuleNotFoundError: No module named 'shp'"
    assert lines[2:-1] == ["    Correct `target` of shop, inventory/hosts.yml:12: module:name."]
    own = failed("import", "the command failed", IMPORT.replace("SyntaxError", "ModuleNotFoundError"))
    assert not any("target" in line for line in own)


def test_a_failure_of_a_built_in_role_is_without_provs_own_code_and_command() -> None:
    error = StepError("nginx refuses x.conf:1", stderr="[emerg] x", status=1, argv=["unshare", "nginx", "-t"])
    event = StepDone(
        "web1", "nginx", "configuration", "failed", error=error, where="nginx.py:7", line="conf = 1"
    )
    brief = Style(builtin=frozenset({"nginx"}))
    assert plain([event], brief)[1:] == ["    nginx refuses x.conf:1", "    stderr:", "        [emerg] x"]
    whole = plain([event], replace(brief, verbose=True))
    assert {"    nginx.py:7", "    command: unshare nginx -t"} < set(whole)
    assert "    nginx.py:7" in plain([event], Style())
    unknown = replace(event, error=StepError("the command failed", status=1, argv=["nginx", "-t"]))
    assert plain([unknown], brief)[2:] == ["    command: nginx -t", "    exit status: 1"]


def test_what_prune_removes_of_an_application_is_one_line() -> None:
    names = [
        "unit file app-api@81aee9666318.service: removed",
        "/srv/api/releases: removed",
        "user",
        "/etc/x: removed",
    ]
    whats = ["directory", "directory", "app-api", "file"]
    diff = [Change(name, what, "") for name, what in zip(names, whats)]
    event = StepDone("web1", "", "what is no longer declared", "changed", diff=diff)
    assert plain([event], Style(diff_lines=20))[1:] == [
        "    - application api, 3 changes (-v shows them)",
        "    - /etc/x: removed file",
    ]
    assert len(plain([event], Style(diff_lines=20, verbose=True))) == 5


def test_the_end_of_a_deploy_says_what_is_served_where() -> None:
    event = Served(
        "web1",
        "shop",
        ("https://shop.test/",),
        "10.0.0.11",
        "private CA: .prov/ca/ca.crt",
        NEW,
        "9c01f3e77aab",
    )
    events: list[Event] = [event, Served("web2", *event_rest(event, "10.0.0.12"))]
    assert plain(events, Style(fleet=True)) == [
        "shop  https://shop.test/  10.0.0.11, 10.0.0.12  release da15adf (9c01f3e)  private CA: .prov/ca/ca.crt"
    ]


def event_rest(event: Served, address: str) -> tuple[str, Sequence[str], str, str, str, str]:
    return event.app, event.urls, address, event.certificate, event.release, event.commit


def test_an_application_that_has_left_is_one_line() -> None:
    things = [
        "file /etc/systemd/system/app-api@81aee9666318.service",
        "file /etc/prov/api.env",
        "file /etc/prov/tls/api.crt",
        "link /srv/api/current",
        "folder /srv/api/releases",
        "folder /srv/api",
        "user app-api",
    ]
    events: list[Event] = [UndeclaredFound("web1", "app", what, "x") for what in things]
    events += [
        UndeclaredFound("web1", "app", "folder /var/lib/app-api", "x", stays=True),
        UndeclaredFound("web1", "mine", "file /etc/mine", "x"),
        UndeclaredFound("web1", "app", "file /etc/prov/shop.env", "x"),
        HostDone("web1", 1.0),
    ]
    assert plain(events)[:-1] == [
        "web1: mine: file /etc/mine: no longer declared (--prune removes it)",
        "web1: app: file /etc/prov/shop.env: no longer declared (--prune removes it)",
        "web1: application api: 8 things: no longer declared (--prune removes them; 1 kept, as there is something else"
        " in it)",
    ]
    assert len(plain(events, Style(verbose=True))) == 11


@pytest.mark.parametrize("plan", [True, False])
def test_what_needs_attention_is_told_at_the_end_and_once_for_several_hosts(plan: bool) -> None:
    held = "shop is held: ann went back from b to a"
    events = [
        *(Attention(host, held) for host in ("web1", "web2")),
        Attention("web2", "the certificate of shop ends in 9 days"),
        HostDone("web1", 1.0),
        HostDone("web2", 1.0),
    ]
    lines = [f"! all 2 hosts: {held}", "! only web2: the certificate of shop ends in 9 days"]
    assert plain(events, Style(plan=plan, fleet=True))[-2:] == lines
    screen = Terminal(file=io.StringIO(), width=100, highlight=False)
    report = Console(Style(plan=plan, fleet=True), ["web1", "web2"], ["app"], screen)
    for event in events:
        report.take(event)
    report.finish(Summary({"web1": Tally(), "web2": Tally()}, 1.0))
    assert isinstance(screen.file, io.StringIO)
    assert [line.rstrip() for line in screen.file.getvalue().splitlines()][-3:-1] == lines


def test_commands_in_hints_name_the_host() -> None:
    error = StepError("shop is held", hint="Once the cause is gone:  prov resume HOST shop")
    (*_, last) = failure.host_failure("web1", error)
    assert last.text == "Once the cause is gone:  prov resume web1 shop"


UNDO = [
    Change("/etc/group-", "file 0644", "as it was"),
    Change("/etc/hosts", text="--- /etc/hosts\n+++ /etc/hosts\n@@ -1 +0,0 @@\n-10.0.0.9 db"),
    Change("/etc/nginx/sites-enabled/shop.conf", text=f"--- a\n+++ b\n@@ -1 +1 @@\n-{'a' * 12}\n+{'b' * 12}"),
    Change("/etc/prov/shop.env", "file 0600", "as it was"),
    Change(f"/etc/systemd/system/app-shop@{'a' * 12}.service", "file 0644", ""),
    Change("/srv/shop/current", f"-> releases/{'d' * 12}", f"-> releases/{'e' * 12}"),
    Change("/srv/archive/notes", "file 0644", ""),
    Change("app-shop in /etc/passwd", "as it is", ""),
    Change(f"unit app-shop@{'a' * 12}.service", "", "disable, stop"),
    Change("unit job-shop@clear.timer", "", "enable"),
    Change("unit nginx.service", "", "reload-or-restart"),
]
STAYS = "run 2; what these did by commands stays: venv /srv/shop/venvs/x, command python -c 'a\nb'"


def test_an_undo_shows_an_application_as_one_line() -> None:
    step = StepDone("web1", "", "undo the last run", "changed", why=STAYS, diff=UNDO)
    assert plain([step], Style(answering=True))[:6] == [
        "web1: undo the last run: changed (run 2; what commands did stays (-v names them))",
        f"    ~ shop {'d' * 7} -> {'e' * 7}; 7 things of it (-v names them)",
        "    --- /etc/hosts",
        "    +++ /etc/hosts",
        "    @@ -1 +0,0 @@",
        "    -10.0.0.9 db",
    ]
    assert plain([step], Style(answering=True))[6:8] == [
        "    - /srv/archive/notes file 0644",
        "    + unit nginx.service reload-or-restart",
    ]
    whole = "\n".join(plain([step], Style(verbose=True)))
    assert all(change.what in whole for change in UNDO if not change.text)
    assert "command python -c" in whole
    kept = dataclasses.replace(step, why=f"{STAYS}; can't be put back: /x (not empty)")
    assert "(-v names them); can't be put back: /x (not empty))" in plain([kept], Style(answering=True))[0]


def test_an_undo_that_has_nothing_to_do_says_so() -> None:
    step = StepDone("web1", "", "undo run 3", "ok", why="all is as it was before run 3")
    assert plain([step], Style(answering=True))[0] == "web1: undo run 3: ok (all is as it was before run 3)"


def test_workers_and_jobs_that_change_are_named() -> None:
    new, same = f"app-shop_worker@{'b' * 12}", f"app-shop_mail-2@{'b' * 12}"
    steps = [
        StepDone("web1", "app", f"unit file {new}.service", "changed", diff=[Change("x", text="@@ -0,0 +1 @@\n+a")]),
        StepDone("web1", "app", f"service {new}", "changed", diff=[Change("running", "inactive", "active")]),
        StepDone("web1", "app", f"service {same}", "changed", diff=[Change("running", "inactive", "active")]),
        StepDone("web1", "app", "unit job-shop@clear.timer", "changed", diff=[Change("restart")]),
        StepDone("web1", "app", "other instances of app-shop_*@.service", "changed", diff=[
            Change(f"instance app-shop_worker@{'a' * 12}.service", "running", "stopped"),
            Change(f"instance app-shop_old@{'a' * 12}.service", "running", "stopped"),
        ]),
        StepDone("web1", "app", "other instances of job-shop@.timer", "changed", diff=[
            Change("instance job-shop@gone.timer", "running", "stopped"),
        ]),
    ]  # fmt: skip
    steps = [
        dataclasses.replace(step, about=About("shop", "unit" if "file" in step.step else ""))
        for step in steps
    ]
    shown = plain(steps, Style(plan=True, diff_lines=20))
    assert "    processes    + worker, ~ mail-2, ~ clear, - old, - gone" in shown


def test_what_pip_says_is_told_once() -> None:
    versions = ", ".join(f"3.0.{number}" for number in range(40))
    said = f"Could not find a version that satisfies the requirement flask==99.9 (from versions: {versions})"
    stderr = f"ERROR: {said}\nERROR: No matching distribution found for flask==99.9\n"
    shown = failed("packages", f"pip: {said}", stderr)
    assert shown[0].endswith("requirement flask==99.9 (from versions: ..., 3.0.37, 3.0.38, 3.0.39)")
    assert "\n".join(shown).count("satisfies the requirement") == 1
    assert "No matching distribution" not in "\n".join(shown)
    error = StepError(f"pip: {said}", stderr=stderr, hint=f"The build needs libpq-dev. {UNTOUCHED}")
    event = StepDone("web1", "app", "venv x", "failed", error=error, about=About("shop", "packages"))
    shown = plain([event])
    assert sum("still" in line for line in shown) == 1, "that the release before still runs"
    assert "    The build needs libpq-dev." in shown
