"""Groups of commands that suggest the nearest one for a misspelt name."""

from __future__ import annotations

import click


class NearestNames(click.Group):
    """A click group that suggests the nearest subcommand for a misspelt one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in known:
            # only now: difflib takes its time to import
            from provision.names import suggestion

            ctx.fail(f"no such command: {name!r}.{suggestion(name, known)}")
        return super().resolve_command(ctx, args)
