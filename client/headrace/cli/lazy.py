"""A group whose commands are imported when they are called, so that ``--help`` is quick."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """``commands_at``: for each command where it is (``module:attribute``) and its short help.

    With ``made_with`` there is a function in its place, which makes the command of these arguments.
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

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in self._commands_at:
            return None
        module, _, attribute = self._commands_at[cmd_name][0].partition(":")
        found = getattr(import_module(module), attribute)
        command: click.Command = found if self._made_with is None else found(**self._made_with)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the short helps without importing anything."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._commands_at.items()])
