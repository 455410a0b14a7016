"""Groups of commands, which show their help without a command, and suggest similar names."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from headrace_wire.bounds import quote
from headrace_wire.errors import EXIT_USAGE

if TYPE_CHECKING:
    from collections.abc import Mapping


class Group(click.Group):
    """A group that shows its help without a command, with the exit code of a usage error."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True, color=ctx.color)
            ctx.exit(EXIT_USAGE)
        words = list(args)  # the parser removes them one by one
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            names = _find_option(self, ctx, error.option_name, words)
            if names is None:
                raise
            path = " ".join([ctx.command_path, *names, error.option_name])
            raise click.UsageError(
                f"No such option {quote(error.option_name)} here: options of a command go behind "
                f"it, as in {path!r}",
                ctx,
            ) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. A usage error is reported for the command that raised it."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            if error.ctx is None and command is not None:
                error.ctx = click.Context(command, ctx, ctx.invoked_subcommand)
            raise

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        known = self.list_commands(ctx)
        if name in known or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        raise click.UsageError(f"No such command {quote(name)}.{self.suggest(name, known)}", ctx)

    def suggest(self, name: str, known: Iterable[str]) -> str:
        """Ask whether a similar name was meant; "" if no known name is similar."""
        near = [repr(one) for one in get_close_matches(name.lower(), list(known))]
        return f" Did you mean {' or '.join(near)}?" if near else ""


def _find_option(
    command: click.Command, context: click.Context, option: str, words: Collection[str]
) -> list[str] | None:
    """Return the names that lead to a command with an option, preferably those among the words."""
    if not isinstance(command, click.Group):
        return [] if any(option in parameter.opts for parameter in command.params) else None
    for name in sorted(command.list_commands(context), key=lambda name: name not in words):
        below = command.get_command(context, name)
        names = None if below is None else _find_option(below, context, option, words)
        if names is not None:
            return [name, *names]
    return None


class LazyGroup(Group):
    """A group whose commands are only imported when they are called, so that ``--help`` is quick.

    ``commands_at`` has the place (``module:attribute``) and the short help of each command. With
    ``made_with``, the place is that of a function that makes the command from these arguments.
    """

    def __init__(
        self,
        *args: Any,
        commands_at: Mapping[str, tuple[str, str]],
        made_with: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._commands_at = commands_at
        self._made_with = made_with

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self._commands_at)

    def is_built_in(self, name: str) -> bool:
        """Return whether a command of this name is among those that were given."""
        return name in self._commands_at

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if not self.is_built_in(cmd_name):
            return None
        module, _, attribute = self._commands_at[cmd_name][0].partition(":")
        found = getattr(import_module(module), attribute)
        command: click.Command = found if self._made_with is None else found(**self._made_with)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(self.list_rows(ctx))

    def list_rows(self, ctx: click.Context) -> list[tuple[str, str]]:
        """Return each command and its short help, without importing anything."""
        del ctx
        return [(name, text) for name, (_, text) in self._commands_at.items()]
