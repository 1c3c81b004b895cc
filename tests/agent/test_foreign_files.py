"""Never a path that prov has not written: what others put below folders that steps made survives."""

from __future__ import annotations

import io
import random
import subprocess
import tarfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from agent_sessions import Agents

from provision.controller.outcome import Outcome, StepFailed
from provision.steps.base import Step
from provision.steps.command import Command
from provision.steps.fetch import Unpack
from provision.steps.files import Absent, Directory, File, Link
from provision.steps.git import Checkout
from provision.steps.prune import Prune
from provision.steps.python import Venv
from provision.steps.releases import OldReleases
from provision.steps.tree import Tree
from provision.steps.undo import Undo
from provision.system.source import Source

#: how many random journeys
JOURNEYS = 12


def run(agents: Agents, *steps: Step, whole: bool = False) -> list[Outcome]:
    with agents.session() as session:
        found = [session.submit(step) for step in steps]
        session.whole = whole
    return found


def prune(agents: Agents, *steps: Step) -> Outcome:
    """Plan it, compare, do it."""
    found = []
    for plan in (True, False):
        with agents.session(plan=plan) as session:
            for step in steps:
                session.submit(step)
            found.append(session.submit(Prune()).wait())
    planned, real = found
    assert (planned.state, planned.why, planned.diff) == (real.state, real.why, real.diff), "a plan is exact"
    return real


def tree(at: Path, *names: str, **options: object) -> Tree:
    return Tree(str(at), [(name, 0o644, Source.of(name), "") for name in names], **options)  # type: ignore[arg-type]


def there(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*")}


@pytest.mark.trust("9", "prune-removes-foreign-data")
@pytest.mark.parametrize(
    "options", [{"delete": False}, {"exclude": ["uploads"]}, {"keep": ["uploads"]}, {}], ids=str
)
def test_a_tree_goes_without_what_others_have_put_there(
    agents: Agents, root: Path, options: dict[str, object]
) -> None:
    www = root / "www"
    run(agents, tree(www, "page", "css/a.css", **options))
    (www / "uploads").mkdir()
    (www / "uploads/photo.jpg").write_text("a customer's")
    (www / "css/theirs.css").write_text("a customer's")
    pruned = prune(agents)
    assert there(www) == {"uploads", "uploads/photo.jpg", "css", "css/theirs.css"}
    assert str(www) in pruned.why
    assert not prune(agents).changed, "what stays is named, and no change"
    assert str(www) in prune(agents).why


def test_a_tree_goes_whole_if_nothing_else_is_in_it(agents: Agents, root: Path) -> None:
    run(agents, tree(root / "www", "page", "css/a.css"))
    run(agents, tree(root / "www", "page", "css/b.css", "more/c"))
    assert prune(agents).changed
    assert there(root) == set()


@pytest.mark.trust("9", "releases-foreign-data")
def test_an_old_release_goes_without_what_others_have_put_there(agents: Agents, root: Path) -> None:
    home = root / "srv"

    def release(name: str) -> list[Outcome]:
        at = home / "releases" / name
        folders = [Directory(str(home / each)) for each in ("", "releases", "venvs", "instances")]
        folders[0] = Directory(str(home))
        fill = ["sh", "-c", f"echo x > {at}/static/made"]
        return run(
            agents,
            *folders,
            tree(at, "app.py", keep=[".venv", "static", "stamp"]),
            Directory(f"{at}/static"),
            Command(fill, stamp=(f"{at}/stamp", name), fills=[f"{at}/static"]),
            Directory(f"{home}/venvs/{name}"),
            Link(f"{at}/.venv", target=f"../../venvs/{name}"),
            OldReleases(str(home), current=name, keep=1),
            whole=True,
        )

    release("a")
    (home / "releases/backup").mkdir()
    (home / "releases/backup/theirs").write_text("precious")
    (home / "releases/a/__pycache__").mkdir()
    (home / "releases/a/__pycache__/app.cpython-311.pyc").write_text("compiled")
    release("b")
    assert there(home / "releases") & {"a"} == set(), (
        "all of it was ours, what commands and Python have made as well"
    )
    (home / "releases/b/uploads").mkdir()
    (home / "releases/b/uploads/photo").write_text("precious")
    (home / "releases/b/static/theirs").write_text("precious")
    (home / "venvs/b/theirs").write_text("precious")
    release("c")
    last = release("c")[-1]
    assert not last.changed
    assert "releases/b/uploads" in last.why
    left = there(home / "releases/b")
    assert left == {"uploads", "uploads/photo", "static", "static/theirs"}
    assert (home / "releases/backup/theirs").exists()
    assert (home / "venvs/b/theirs").exists()
    assert prune(agents).changed
    assert {path for path in there(home) if "c" in path.split("/")} == set()
    assert (home / "releases/b/uploads/photo").exists()


@pytest.mark.trust("9", "venv-foreign-data")
def test_an_environment_that_is_made_anew_leaves_what_others_have_put_there(
    agents: Agents, root: Path
) -> None:
    at = root / "venv"
    run(agents, Venv(str(at)))
    (at / "notes").write_text("precious")
    (at / "bin/tool").write_text("precious")
    (at / "bin/python").unlink()
    assert run(agents, Venv(str(at)))[0].changed
    assert (at / "bin/python").exists()
    assert prune(agents).changed
    assert there(at) == {"notes", "bin", "bin/tool"}


def test_an_environment_in_a_folder_of_others_leaves_it(agents: Agents, root: Path) -> None:
    at = root / "project"
    at.mkdir()
    (at / "main.py").write_text("precious")
    run(agents, Venv(str(at)))
    (at / "bin/python").unlink()
    run(agents, Venv(str(at)))
    assert (at / "bin/python").exists()
    assert (at / "main.py").read_text() == "precious"


def test_an_environment_whose_python_is_missing_says_what_to_do(agents: Agents, root: Path) -> None:
    with agents.session() as session, pytest.raises(StepFailed) as found:
        session.submit(Venv(str(root / "venv"), python="/usr/bin/python3.99")).wait()
    assert "/usr/bin/python3.99: not found" in str(found.value)
    assert "give a version instead of a path" in found.value.hint
    assert not (root / "venv").exists()


@pytest.mark.trust("9", "git-overwrites-untracked")
def test_a_checkout_does_not_replace_what_git_does_not_track(agents: Agents, root: Path) -> None:
    origin, at = root / "origin", root / "checkout"

    def git(*words: str) -> None:
        author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", origin, *author, *words], check=True, capture_output=True)

    origin.mkdir()
    git("init", "-q", "-b", "main")
    (origin / "a").write_text("1")
    git("add", ".")
    git("commit", "-qm", "one")
    run(agents, Checkout(str(origin), str(at), ref="main"))
    (at / "b").write_text("precious")
    (at / "dir").write_text("precious")
    (at / "c").write_text("the same")
    for name in ("b", "c", "dir/file"):
        (origin / name).parent.mkdir(exist_ok=True)
        (origin / name).write_text("the same" if name == "c" else "of the commit")
    git("add", ".")
    git("commit", "-qm", "two")
    with pytest.raises(StepFailed, match=r"would replace files in .*: b, dir$"), agents.session() as session:
        session.submit(Checkout(str(origin), str(at), ref="main")).wait()
    assert (at / "b").read_text() == "precious"
    run(agents, Checkout(str(origin), str(at), ref="main", force=True))
    assert (at / "b").read_text() == "of the commit"


@pytest.mark.trust("9", "undo-foreign-data")
def test_an_undo_leaves_what_others_have_put_there(agents: Agents, root: Path) -> None:
    run(agents, tree(root / "www", "page", "css/a.css"))
    (root / "www/css/theirs").write_text("precious")
    (root / "www/theirs").write_text("precious")
    run(agents, Undo())
    assert {"www/css/theirs", "www/theirs"} <= there(root)


@pytest.mark.trust("9", "undo-foreign-data")
def test_an_undo_of_a_run_that_died_leaves_what_came_since(agents: Agents, root: Path) -> None:
    session = agents.start()
    session.submit(tree(root / "www", "page", "css/a.css")).wait()
    agents.channels[-1].kill()
    session.abandon()
    (root / "www/css/theirs").write_text("precious")
    run(agents, File(f"{root}/other", "x"))
    run(agents, Undo(1))
    assert there(root / "www") >= {"css/theirs"}


def test_what_a_run_that_died_has_put_into_a_folder_is_known(agents: Agents, root: Path) -> None:
    session = agents.start()
    session.submit(tree(root / "www", "page", "css/a.css")).wait()
    agents.channels[-1].kill()
    session.abandon()
    (root / "www/theirs").write_text("precious")
    assert prune(agents).changed
    assert there(root / "www") == {"theirs"}


def test_nothing_is_remembered_of_a_folder_that_a_dead_run_has_removed(agents: Agents, root: Path) -> None:
    session = agents.start()
    for step in (tree(root / "www", "page"), Absent(f"{root}/www"), File(f"{root}/other", "x")):
        session.submit(step).wait()
    agents.channels[-1].kill()
    session.abandon()
    run(agents, File(f"{root}/more", "x"))
    assert not list(agents.ledger.rglob("contents-*"))


def archive(folder: Path, *names: str) -> tuple[str, str]:
    """An archive with these files; its path and hash."""
    path = folder / ("-".join(names).replace("/", "_") + ".tar")
    with tarfile.open(path, "w") as f:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            f.addfile(info, io.BytesIO(name.encode()))
    return str(path), sha256(path.read_bytes()).hexdigest()


@pytest.mark.trust("9", "foreign-data-property")
@pytest.mark.parametrize("seed", range(JOURNEYS))
def test_whatever_happens_files_of_others_survive(
    agents: Agents, root: Path, tmp_path: Path, seed: int
) -> None:
    """Steps that make and replace folders, prune and undo in any order; between them, files of others everywhere."""
    chance = random.Random(seed)
    archives = [archive(tmp_path, *names) for names in (("a", "d/b"), ("a", "d/c", "e/f"))]
    release = [0]

    def some_tree() -> list[Step]:
        names = chance.sample(["a", "b", "d/a", "d/b", "d/e/f", "g/h"], 3)
        # without delete=True no one has asked for anything to go
        return [tree(root / "tree", *names, delete=False)]

    def some_release() -> list[Step]:
        release[0] += 1
        home, name = f"{root}/srv", f"r{release[0]}"
        at = f"{home}/releases/{name}"
        folders = (home, f"{home}/releases", f"{home}/venvs", f"{home}/instances")
        return [
            *map(Directory, folders),
            tree(Path(at), "app.py", "pkg/m.py", keep=[".venv"]),
            Directory(f"{home}/venvs/{name}"),
            Link(f"{at}/.venv", target=f"../../venvs/{name}"),
            OldReleases(home, current=name, keep=chance.randint(1, 2)),
        ]

    def some_archive() -> list[Step]:
        path, digest = chance.choice(archives)
        return [Directory(f"{root}/tool"), Unpack(path, f"{root}/tool", sha256=digest)]

    def some_files() -> list[Step]:
        return [Directory(f"{root}/conf"), File(f"{root}/conf/x", str(chance.random()))]

    kinds: list[Callable[[], list[Step]]] = [some_tree, some_release, some_archive, some_files]
    foreign: set[Path] = set()

    def settle() -> None:
        folders = [root, *(path for path in root.rglob("*") if path.is_dir() and not path.is_symlink())]
        for folder in chance.sample(folders, min(3, len(folders))):
            path = folder / f"theirs-{len(foreign)}"
            if chance.random() < 0.3:
                path.mkdir()
                path /= "inner"
            path.write_text("precious")
            foreign.add(path)

    for _ in range(8):
        what = chance.choice(["steps", "steps", "steps", "prune", "undo"])
        with agents.session() as session:
            steps = [Prune()] if what == "prune" else [Undo()] if what == "undo" else chance.choice(kinds)()
            outcomes = [session.submit(step) for step in steps]
            try:
                session.wait_for_all()
            except StepFailed as failed:
                assert what == "undo", failed
        assert {path for path in foreign if not path.exists()} == set(), (
            what,
            [o.diff for o in outcomes if o.changed],
        )
        settle()
