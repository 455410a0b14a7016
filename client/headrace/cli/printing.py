"""What commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import os
import sys
from typing import Protocol

import click

from headrace_wire.errors import OTHER_KEY, HeadraceError, OutputError, UsageError
from headrace_wire.printing import clean_line, write_json

#: Values of TERM for terminals that show escape sequences instead of obeying them.
PLAIN_TERMINALS = frozenset({"", "dumb", "unknown"})

#: Formats of results that are not text.
BINARY_FORMATS = frozenset({"npy"})


class Bar(Protocol):
    """A progress bar on the terminal's last line."""

    def print_above(self, line: str) -> None:
        """Print a line of text above the bar."""
        ...

    def close(self) -> None:
        """End the bar, and go to the next line."""
        ...


class _Screen:
    """The bar that is currently shown, if any. Lines of text must not be mixed with it."""

    bar: Bar | None = None


def set_bar(bar: Bar | None) -> None:
    """From now on, print everything above this bar; None means that there is no bar any more."""
    _Screen.bar = bar


def is_plain_terminal() -> bool:
    """Return whether a terminal here would show escape sequences instead of obeying them."""
    terminal = os.environ.get("TERM")
    if terminal is None and sys.platform == "win32":
        return False  # its consoles do not set TERM, and obey since Windows 10
    return (terminal or "") in PLAIN_TERMINALS


def say(line: str) -> None:
    """Print one line of a result. Raises OutputError if it cannot be written."""
    say_text(f"{clean_line(line)}\n")


def say_json(value: object) -> None:
    """Print a value as JSON. Raises OutputError if it cannot be written."""
    say_text(f"{write_json(value)}\n")


def say_text(text: str) -> None:
    """Print lines of a result unchanged. Raises OutputError if they cannot be written."""
    if _Screen.bar is not None and sys.stdout.isatty():
        _Screen.bar.close()
    try:
        click.echo(text, nl=False)
    except ConnectionError:
        raise  # a reader that went away
    except OSError as error:
        raise explain_unwritten(error) from error


def explain(error: HeadraceError) -> str:
    """Return what went wrong, with the name of the option if another key would help."""
    return (
        f"{error.message} with --key-file" if error.message.endswith(OTHER_KEY) else error.message
    )


def explain_unwritten(error: OSError) -> OutputError:
    """Return the error to raise if writing to standard output has failed."""
    return OutputError(f"standard output cannot be written: {error.strerror or error}")


def refuse_format(file_format: str | None, output: object, *, as_json: bool) -> None:
    """Raise UsageError for a format that a terminal, or a JSON object, cannot show."""
    if file_format not in BINARY_FORMATS or output is not None:
        return
    if as_json:
        raise UsageError(
            f"--json prints the results as JSON: with --format {file_format}, too, name a file for "
            "them with -o"
        )
    if sys.stdout.isatty():
        raise UsageError(
            f"--format {file_format} is for programs, and standard output is a terminal: "
            "name a file with -o, or pipe it"
        )


def tell(line: str) -> None:
    """Print one line for people on standard error."""
    tell_text(clean_line(line))


def tell_text(text: str) -> None:
    """Print lines for people on standard error unchanged. It may be called from any thread."""
    bar = _Screen.bar
    if bar is not None:
        bar.print_above(text)
    else:
        click.echo(text, err=True)
