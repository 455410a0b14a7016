"""``primes find``, ``count``, ``test`` and ``tuplets``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from headrace.cli.groups import Group
from headrace.cli.kinds import TEXT_ALIASES, FormatKind
from headrace.cli.numbers import NUMBER, CountKind, NumbersCommand
from headrace.cli.options import JobOptions, job_options, make_output_option, option
from headrace.cli.session import carry_out
from headrace.cli.standard import open_standard_input
from headrace_wire.errors import UsageError

output_option = make_output_option("Write to this file.")

span_option = option(
    "--span",
    type=NUMBER,
    metavar="NUMBER",
    help="How many numbers are in one task. [default: chosen for the range]",
)


def make_primes_group(*, embedded: bool) -> click.Group:
    """Make the group for ``run`` (embedded) or ``submit``."""
    with_job_options = job_options(embedded=embedded)

    @click.group(cls=Group)
    def primes() -> None:
        """Find, count and test primes, to 2^64 and beyond.

        START and STOP are whole numbers such as 1000, 1_000, 1e9, 10**9, 2^64 or 1e15+1e6; STOP
        is not part of the range.
        """

    @primes.command(cls=NumbersCommand)
    @click.argument("start", type=NUMBER)
    @click.argument("stop", type=NUMBER)
    @output_option
    @option(
        "--format",
        "file_format",
        type=FormatKind(["text", "npy", "json"], TEXT_ALIASES),
        default="text",
        show_default=True,
        help="One number on each line, a NumPy file, or a JSON array.",
    )
    @span_option
    @with_job_options
    def find(
        start: int, stop: int, output: Path | None, file_format: str, span: int | None, **rest: Any
    ) -> None:
        """Print the primes in [START, STOP)."""
        from headrace_services.primes import plan_find  # noqa: PLC0415 - quick start

        plan = _plan(plan_find, start, stop, span)
        carry_out("primes", plan, JobOptions.take(rest), output, file_format)

    @primes.command(cls=NumbersCommand)
    @click.argument("start", type=NUMBER)
    @click.argument("stop", type=NUMBER)
    @output_option
    @span_option
    @with_job_options
    def count(start: int, stop: int, output: Path | None, span: int | None, **rest: Any) -> None:
        """Count the primes in [START, STOP)."""
        from headrace_services.primes import plan_count  # noqa: PLC0415 - quick start

        options = JobOptions.take(rest)
        carry_out("primes", _plan(plan_count, start, stop, span), options, output)

    @primes.command(cls=NumbersCommand)
    @click.argument("start", type=NUMBER)
    @click.argument("stop", type=NUMBER)
    @option(
        "--size",
        type=CountKind(2, 6),
        default=2,
        show_default=True,
        help="Number of primes in each: 2 for twins, 3 for triplets, up to 6.",
    )
    @output_option
    @span_option
    @with_job_options
    def tuplets(
        start: int, stop: int, size: int, output: Path | None, span: int | None, **rest: Any
    ) -> None:
        """Count the prime constellations whose members are all in [START, STOP)."""
        from headrace_services.primes import plan_tuplets  # noqa: PLC0415 - quick start

        plan = _plan(plan_tuplets, start, stop, size, span)
        carry_out("primes", plan, JobOptions.take(rest), output)

    @primes.command(cls=NumbersCommand)
    @click.argument("numbers", nargs=-1, required=True, metavar="N...")
    @output_option
    @with_job_options
    def test(numbers: tuple[str, ...], output: Path | None, **rest: Any) -> None:
        """Test whether each N is prime, of any size; ``-`` reads numbers from standard input.

        Prints one line for each: the number and ``prime`` or ``composite``.
        """
        from headrace_services.primes import plan_test  # noqa: PLC0415 - quick start

        plan = _plan(plan_test, list(_read_numbers(numbers)))
        carry_out("primes", plan, JobOptions.take(rest), output)

    return primes


def _plan(planner: Any, *arguments: Any) -> Any:
    try:
        return planner(*arguments)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _read_numbers(words: tuple[str, ...]) -> Iterator[int]:
    from headrace_services.primes import (  # noqa: PLC0415 - quick start
        MAX_CANDIDATE_BITS,
        parse_number,
    )

    for word in words:
        texts = _read_standard_input().split() if word == "-" else [word]
        for text in texts:
            try:
                yield parse_number(text, MAX_CANDIDATE_BITS)
            except ValueError as error:
                raise UsageError(str(error)) from None


def _read_standard_input() -> str:
    with open_standard_input() as file:
        return file.read()
