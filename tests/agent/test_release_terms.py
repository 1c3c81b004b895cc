"""What a release changes, as its host tells it: the application's files, packages, variables and commits."""

from __future__ import annotations

from pathlib import Path

from agent_sessions import Agents, private_etc

from provision.controller.outcome import Outcome
from provision.secrets import Secret
from provision.steps.base import Change, Step
from provision.steps.failed_releases import FailedRelease
from provision.steps.files import Directory
from provision.steps.releases import Current
from provision.steps.service_environment import EnvironmentFile
from provision.steps.tree import Entry, Tree
from provision.system.source import Source


def run(agents: Agents, root: Path, *steps: Step) -> Outcome:
    """The last step's outcome, which a plan has foreseen."""
    found = []
    for plan in (True, False):
        with agents.session(plan=plan, wrap=private_etc(root)) as session:
            outcomes = [session.submit(step) for step in steps]
            found.append(outcomes[-1].wait())
    planned, real = found
    assert (planned.state, planned.diff, planned.why) == (real.state, real.diff, real.why)
    return real


def files(**contents: str | bytes) -> list[Entry]:
    return [
        (name.replace("__", "/").replace("_", "."), 0o644, Source.of(text), "")
        for name, text in sorted(contents.items())
    ]


def test_a_new_release_is_shown_as_it_differs_from_the_one_before(agents: Agents, root: Path) -> None:
    (root / "etc").mkdir()
    minified = "x" * 600
    old = files(
        shop_py="one\n",
        logo_png=b"\x00\xff",
        gone_py="",
        same_py="same\n",
        a_min_js="1\n",
        app_js=minified,
        x_lock="1",
    )
    new = files(
        shop_py="two\n", logo_png=b"\x00\xfe\xfd", new__page_py="hi\n", same_py="same\n", a_min_js="22\n",
        app_js=minified + "y", x_lock="2",
    )  # fmt: skip
    run(agents, root, Tree(f"{root}/a", old))
    outcome = run(agents, root, Tree(f"{root}/b", new, like=f"{root}/a", keep=[".prov"]))
    assert [change[:3] for change in outcome.diff] == [
        ("new folder", "", "7 files"),
        ("changed file a.min.js", "2 bytes", "3 bytes"),
        ("changed file app.js", "600 bytes", "601 bytes"),
        ("changed file logo.png", "2 bytes", "3 bytes"),
        ("changed file shop.py", "", ""),
        ("changed file x.lock", "1 bytes", "1 bytes"),
        ("new file", "", "new/page.py, 3 bytes"),
        ("removed", "gone.py", ""),
    ]
    assert outcome.diff[4].text.splitlines()[2:] == ["@@ -1 +1 @@", "-one", "+two"]
    assert (root / "b/shop.py").read_text() == "two\n"
    again = run(agents, root, Tree(f"{root}/b", new, like=f"{root}/a", keep=[".prov"]))
    assert not again.changed


def test_variables_are_named_and_their_values_are_not(agents: Agents, root: Path) -> None:
    (root / "etc").mkdir()
    path = f"{root}/shop.env"
    run(
        agents,
        root,
        EnvironmentFile(path, Secret('KEEP="same"\nKEY="c4n4ry\nof two lines"\nOLD="x"\n'), mode=0o600),
    )
    outcome = run(
        agents, root, EnvironmentFile(path, Secret('KEEP="same"\nKEY="a\\"b"\nNEW="x"\n'), mode=0o600)
    )
    assert outcome.diff == [
        Change("content", "********", "********"),
        Change("variable KEY", "********", "********"),
        Change("variable NEW", "", "********"),
        Change("variable OLD", "********", ""),
    ]
    assert (root / "shop.env").read_text() == 'KEEP="same"\nKEY="a\\"b"\nNEW="x"\n'
    assert not run(agents, root, EnvironmentFile(path, Secret('KEEP="same"\nKEY="a\\"b"\nNEW="x"\n'))).changed


def test_the_link_in_service_knows_commits(agents: Agents, root: Path) -> None:
    (root / "etc").mkdir()
    places = [Directory(f"{root}/releases/{name}/.prov", parents=True) for name in "abc"]
    at, outcomes = f"{root}/current", []
    for name, commit in (
        ("a", "a2b791c11111"),
        ("b", "9c01f3e77aab, modified"),
        ("b", "fffffff11111"),
        ("c", ""),
    ):
        outcomes.append(run(agents, root, *places, Current(at, f"releases/{name}", commit=commit)))
    assert [outcome.why for outcome in outcomes] == [
        "commit a2b791c",
        "commit a2b791c -> 9c01f3e, modified",
        "points to releases/b",
        "",
    ]
    assert [outcome.changed for outcome in outcomes] == [True, True, False, True]
    assert (root / "releases/b/.prov/commit").read_text() == "9c01f3e77aab, modified\n"


def test_a_release_that_failed_goes_with_its_run(agents: Agents, root: Path) -> None:
    (root / "etc").mkdir()

    def release(name: str) -> list[Step]:
        return [
            Directory(f"{root}/releases/{name}", parents=True),
            Tree(f"{root}/releases/{name}", files(shop_py=name), keep=[".prov"]),
            Directory(f"{root}/releases/{name}/.prov"),
        ]

    def left() -> set[str]:
        return {path.name for path in (root / "releases").iterdir()}

    run(agents, root, *release("a"), Current(f"{root}/current", "releases/a"))
    # one of an earlier run stays, whatever fails
    run(agents, root, *release("b"))
    with agents.session(wrap=private_etc(root)) as session:
        for step in (*release("b"), *release("c"), *release("d")):
            session.submit(step)
        session.submit(Current(f"{root}/current", "releases/d"))
        outcomes = [session.submit(FailedRelease(str(root), name)) for name in "abcd"]
        assert [outcome.changed for outcome in outcomes] == [False, False, True, False]
        assert outcomes[3].why == "is in service"
    assert left() == {"a", "b", "d"}
    with agents.session(wrap=private_etc(root)) as session:
        for step in release("e"):
            session.submit(step).wait()
        (root / "releases/e/notes").write_text("by hand")
        assert session.submit(FailedRelease(str(root), "e")).changed
    assert (root / "releases/e/notes").exists()
    assert not (root / "releases/e/shop.py").exists()


def test_what_a_program_fills_is_put_in_place_once(agents: Agents, root: Path) -> None:
    (root / "etc").mkdir()
    tree = Tree(f"{root}/a", files(shop_py="one\n", static__app_css="committed\n"), filled=["static"])
    assert run(agents, root, tree).changed
    for name in ("app.css", "made.css"):
        (root / "a/static" / name).write_text("collected\n")
    (root / "a/static").chmod(0o700)
    kept = Tree(
        f"{root}/a", files(shop_py="one\n", static__app_css="newer\n"), filled=["static"], keep=["static"]
    )
    assert not run(agents, root, kept).changed
    assert (root / "a/static/app.css").read_text() == "collected\n"
    (root / "a/static/app.css").unlink()
    assert run(agents, root, kept).changed
    assert (root / "a/static/app.css").read_text() == "newer\n"
    assert (root / "a/static/made.css").exists()
