"""Passwords of Redis: made once, kept as long as the applications have them, and told to no one else."""

from __future__ import annotations

from hashlib import sha256

from steps_bench import Bench

from provision.secrets import Secret
from provision.steps.redis_passwords import RedisPassword


def step(bench: Bench, *held: str, make: bool = True, replace: bool = False) -> RedisPassword:
    words = [Secret(word) for word in held]
    return RedisPassword(f"{bench.root}/shop.acl", "root", words, make, replace)


def told(bench: Bench, one: RedisPassword) -> str:
    """What the step tells the controller."""
    (real,) = bench.run(one)
    return real.stdout


def stored(bench: Bench) -> str:
    return (bench.root / "shop.acl").read_text()


def test_one_is_made_and_handed_over(bench: Bench) -> None:
    (real,) = bench.run(step(bench))
    word = real.stdout.removeprefix("made ")
    assert len(word) == 43
    assert stored(bench) == f"user default on #{sha256(word.encode()).hexdigest()} ~* &* +@all\n"
    assert (bench.root / "shop.acl").stat().st_mode & 0o777 == 0o640
    assert word not in repr(real.diff)
    # the applications have it
    bench.settled(step(bench, word))
    assert told(bench, step(bench, word)) == "held 0"
    bench.settled(step(bench, "other", word, replace=True))
    assert told(bench, step(bench, "other", word, replace=True)) == "held 1"


def test_a_plan_says_so_and_makes_none(bench: Bench) -> None:
    real = bench.cycle(step(bench))
    assert [change.what for change in real.diff] == ["password", "mode", "owner", "group"]


def test_one_that_is_lost_on_a_side(bench: Bench) -> None:
    first = told(bench, step(bench)).removeprefix("made ")
    # this host has lost it: the applications' is put back
    (bench.root / "shop.acl").unlink()
    assert told(bench, step(bench, first)) == "held 0"
    assert sha256(first.encode()).hexdigest() in stored(bench)
    # theirs is not the one here, and all of them get a new one
    new = told(bench, step(bench, "another", replace=True)).removeprefix("made ")
    assert new != first and sha256(new.encode()).hexdigest() in stored(bench)
    # some of them get none: theirs counts
    assert told(bench, step(bench, "another")) == "held 0"
    assert sha256(b"another").hexdigest() in stored(bench)


def test_without_an_application_that_gets_one_no_one_may_log_in(bench: Bench) -> None:
    bench.cycle(step(bench, make=False))
    assert stored(bench) == "user default off\n"
    (bench.root / "shop.acl").chmod(0o644)
    assert [change.what for change in bench.cycle(step(bench, make=False)).diff] == ["mode"]
    assert stored(bench) == "user default off\n"
