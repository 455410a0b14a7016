"""What commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import click

from headrace_wire.printing import clean_line, write_json


def say(line: str) -> None:
    """Print one line of a result."""
    click.echo(clean_line(line))


def say_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(write_json(value))


def tell(line: str) -> None:
    """Print one line for people on standard error."""
    click.echo(clean_line(line), err=True)
