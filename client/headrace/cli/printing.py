"""What commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import click

from headrace_wire.errors import OutputError
from headrace_wire.printing import clean_line, write_json


def say(line: str) -> None:
    """Print one line of a result. Raises OutputError where it cannot be written."""
    say_text(f"{clean_line(line)}\n")


def say_json(value: object) -> None:
    """Print a value as JSON. Raises OutputError where it cannot be written."""
    say_text(f"{write_json(value)}\n")


def say_text(text: str) -> None:
    """Print lines of a result, as they are. Raises OutputError where they cannot be written."""
    try:
        click.echo(text, nl=False)
    except ConnectionError:
        raise  # a reader that went away
    except OSError as error:
        raise explain_unwritten(error) from error


def explain_unwritten(error: OSError) -> OutputError:
    """What to raise where standard output failed so."""
    return OutputError(f"standard output cannot be written: {error.strerror or error}")


def tell(line: str) -> None:
    """Print one line for people on standard error."""
    click.echo(clean_line(line), err=True)
