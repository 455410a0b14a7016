"""Numbers on the command line, and commands whose arguments are numbers."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import click

from headrace.cli.kinds import ValueKind
from headrace_wire.bounds import MAX_INTEGER, quote

#: A larger upper bound is that of a data type, and not shown.
LARGEST_SHOWN = 1 << 60


class NumberKind(ValueKind):
    """A whole number: ``1000``, ``1_000``, ``1e9``, ``10**9``, ``2^64``, ``1e15+1e6``."""

    name = "NUMBER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from headrace_services.primes import parse_number  # noqa: PLC0415 - quick start

        if isinstance(value, int):
            return value
        try:
            return parse_number(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class CountKind(click.IntRange):
    """A whole number in the form of ``NUMBER``, within these bounds, which are both allowed."""

    def __init__(self, low: int, high: int = MAX_INTEGER) -> None:
        super().__init__(low, high)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from headrace_services.primes import NumberTooLargeError, parse_number  # noqa: PLC0415 - quick start

        try:
            value = parse_number(value) if isinstance(value, str) else value
        except NumberTooLargeError:
            self._refuse_larger(value, param, ctx)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if isinstance(value, int) and value > (self.max or 0):
            self._refuse_larger(value, param, ctx)
        number: int = super().convert(value, param, ctx)
        return number

    def _describe_range(self) -> str:
        """Return the bounds as click shows them, without one that nobody reaches."""
        return f"x>={self.min}" if (self.max or 0) > LARGEST_SHOWN else super()._describe_range()

    def _refuse_larger(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> NoReturn:
        whole = super()._describe_range()
        self.fail(f"{quote(value)} is not in the range {whole}.", param, ctx)


class NumbersCommand(click.Command):
    """A command whose arguments are numbers: ``-5`` is a number instead of an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        taking = {
            name
            for option in self.params
            if isinstance(option, click.Option) and not option.is_flag
            for name in option.opts
        }
        may_be_options = args[: args.index("--")] if "--" in args else args
        for before, argument in zip(["", *args], may_be_options, strict=False):
            if re.fullmatch(r"-\d[\w.*^+-]*", argument) and before not in taking:
                raise click.UsageError(f"{argument} is negative: numbers begin at 0", ctx)
        return super().parse_args(ctx, args)


NUMBER = NumberKind()
