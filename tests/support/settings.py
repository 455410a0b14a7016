"""Variables that configure a command, looked at without starting it."""

from __future__ import annotations

from collections.abc import Mapping

import click

from headrace.cli.entry import headrace


def check_settings(name: str, settings: Mapping[str, str]) -> None:
    """Fail unless each is the variable of an option of this command, which takes the value."""
    command = headrace.get_command(click.Context(headrace), name)
    assert command, name
    options = {
        one.envvar: one
        for one in command.params
        if isinstance(one, click.Option) and isinstance(one.envvar, str)
    }
    for variable, value in settings.items():
        option = options[variable]
        option.type_cast_value(click.Context(command), (value,) if option.multiple else value)
