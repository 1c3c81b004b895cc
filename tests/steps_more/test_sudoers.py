"""Files of sudoers, judged as a whole by a visudo that pretends: it refuses an alias that is defined twice."""

from __future__ import annotations

from steps_bench import Bench

from provision.steps.sudoers import NoSudoers, Sudoers

MAIN = "root ALL=(ALL) ALL\n#includedir /etc/sudoers.d\n"
#: visudo -c -f FILE
VISUDO = r"""
folder=$(sed -n 's/^[@#]includedir //p' $3)
twice=$(cat $3 $folder/[a-z]* | grep _Alias | sort | uniq -d)
[ -z "$twice" ] && exit 0
echo "$folder/shop:1: already defined: $twice" >&2; exit 1"""


def prepared(bench: Bench) -> None:
    bench.over("/etc")
    (bench.root / "etc/sudoers.d").mkdir()
    (bench.root / "etc/sudoers").write_text(MAIN)
    bench.tool("visudo", VISUDO)


def test_a_file_is_made_repaired_and_removed(bench: Bench) -> None:
    prepared(bench)
    at = bench.root / "etc/sudoers.d/shop"
    step = Sudoers("shop", "shop ALL=(root) NOPASSWD: /bin/true")
    bench.cycle(step)
    assert at.read_text() == "shop ALL=(root) NOPASSWD: /bin/true\n" and at.stat().st_mode & 0o777 == 0o440
    at.chmod(0o644)
    at.write_text("drift\n")
    assert [c.what for c in bench.cycle(step).diff] == ["content", "mode"]
    bench.cycle(NoSudoers("shop"))
    assert (bench.root / "etc/sudoers").read_text() == MAIN


def test_the_whole_is_judged_and_nothing_stays_of_it(bench: Bench) -> None:
    prepared(bench)
    folder = bench.root / "etc/sudoers.d"
    (folder / "other").write_text("Cmnd_Alias X = /bin/true\n")
    (folder / "ignored.bak").write_text("Cmnd_Alias Y = /bin/true\n")
    bench.cycle(Sudoers("own", "Cmnd_Alias Y = /bin/true"))
    real = bench.fails(Sudoers("shop", "Cmnd_Alias X = /bin/true"), "judging sudoers as it would be")
    assert real.error is not None and "/etc/sudoers.d/shop:1: already defined" in real.error.stderr
    assert sorted(p.name for p in folder.iterdir()) == ["ignored.bak", "other", "own"]
    # what takes the place of a file is judged without the old one
    bench.cycle(Sudoers("other", "Cmnd_Alias X = /bin/true\n# more"))
