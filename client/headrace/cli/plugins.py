"""Commands that other packages add: entry points in the group ``headrace.commands``, by name.

They are listed beside the built-in services under ``run`` and ``submit``. They are only looked for
when they are needed: for a name that is not built in, and for lists of all commands. One that
cannot be loaded is listed with the reason, and does not affect the others.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.groups import LazyGroup
from headrace_wire.bounds import quote
from headrace_wire.printing import clean_line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

#: The entry-point group in which distributions announce commands.
GROUP = "headrace.commands"

#: The maximum length of a short help text in characters, which is about one line of a terminal.
SHORT_HELP_CHARACTERS = 80


class ServicesGroup(LazyGroup):
    """``run`` or ``submit``: the commands of the built-in services, and those of other packages."""

    def __init__(self, *args: Any, embedded: bool, **options: Any) -> None:
        super().__init__(*args, made_with={"embedded": embedded}, **options)
        self.embedded = embedded

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.is_built_in(args[0]):
            return click.Group.resolve_command(self, ctx, args)  # without looking for others
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        built_in = super().list_commands(ctx)
        return [*built_in, *(name for name in list_plugins() if name not in built_in)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if self.is_built_in(cmd_name):
            return super().get_command(ctx, cmd_name)
        return load_plugin(cmd_name)

    def list_rows(self, ctx: click.Context) -> list[tuple[str, str]]:
        rows = super().list_rows(ctx)
        for name in self.list_commands(ctx)[len(rows) :]:
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                rows.append((name, clean_line(command.get_short_help_str(SHORT_HELP_CHARACTERS))))
        return rows

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_commands(ctx, formatter)
        for name, entries in _find_entries().items():
            if self.is_built_in(name):
                left_out, why = entries, "the name is taken by a built-in command"
            else:
                left_out, why = entries[1:], f"{_name_package(entries[0])} has one of that name"
            for entry in left_out:
                formatter.write_paragraph()
                formatter.write_text(f"Left out: {quote(name)} of {_name_package(entry)}: {why}.")


class BrokenCommandError(click.ClickException):
    """A command of another package cannot be used."""

    def __init__(self, message: str, context: click.Context | None) -> None:
        super().__init__(message)
        self.ctx = context


class _Broken(click.Command):
    """Replaces a command that cannot be loaded, and reports the reason whenever it is used."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name, short_help=f"(broken) {why}")
        self._why = why

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        if not extra.get("resilient_parsing"):  # otherwise a shell completes a line
            raise BrokenCommandError(f"{quote(info_name)} {self._why}", parent)
        return super().make_context(info_name, args[:0], parent, **extra)


def list_plugins() -> list[str]:
    """Return the names of the commands that other packages add."""
    return list(_find_entries())


@cache
def load_plugin(name: str) -> click.Command | None:
    """Return the command of this name; None if unknown. A broken one reports why it is."""
    entries = _find_entries().get(name)
    if not entries:
        return None
    entry = entries[0]
    try:
        command: object = entry.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - third parties' modules may raise anything
        return _Broken(name, f"of {_name_package(entry)} cannot be loaded: {_explain(error)}")
    if not isinstance(command, click.Command):
        kind = type(command).__name__
        why = f"{entry.value} is of the type {kind}, and no click command"
        return _Broken(name, f"of {_name_package(entry)} cannot be used: {why}")
    return command


@cache
def _find_entries() -> dict[str, list[EntryPoint]]:
    from importlib import metadata  # noqa: PLC0415 - loads modules for mail and archives

    found: dict[str, list[EntryPoint]] = {}
    for entry in sorted(metadata.entry_points(group=GROUP), key=_name_package):
        found.setdefault(entry.name, []).append(entry)
    return dict(sorted(found.items()))


def _name_package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def _explain(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
