"""Command lines of prov that end in another program's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import click

#: what a shell would read as more than text
FOR_SHELLS = re.compile(r"[|&;<>$`*?]")


class CommandLine(click.Command):
    """A command line that ends in another one's, whose words are not for prov, with or without `--`.

    words_before: number of words that are for prov, such as TARGET and APP. Options of prov come before or among them.
    """

    def __init__(self, *args: Any, words_before: int, **more: Any) -> None:
        super().__init__(*args, **more)
        self._words_before = words_before

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        takes_value = {
            name
            for option in self.params
            if isinstance(option, click.Option) and not option.is_flag
            for name in option.opts
        }
        place, words = 0, 0
        while place < len(args) and args[place] != "--":
            word = args[place]
            words += not word.startswith("-")
            if words > self._words_before:
                args = [*args[:place], "--", *args[place:]]
                break
            place += 2 if word in takes_value else 1
        return super().parse_args(ctx, args)


def check_words(ctx: click.Context, _: click.Parameter, argv: Sequence[str]) -> Sequence[str]:
    """Refuse a whole line in one word, as shells take it: no program has such a name."""
    if len(argv) == 1 and " " in argv[0] and not argv[0].startswith("/"):
        places = [a.make_metavar(ctx) for a in ctx.command.params if isinstance(a, click.Argument)]
        words = f"sh -c '{argv[0]}'" if FOR_SHELLS.search(argv[0]) else argv[0]
        meant = " ".join([ctx.command_path, *places[:-1], "--", words])
        raise click.UsageError(f"no shell splits {argv[0]!r} into words. Type:  {meant}", ctx)
    return argv
