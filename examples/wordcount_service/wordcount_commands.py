"""The service's own commands: `headrace run wordcount count *.txt`, and the same with `submit`."""

import click
from wordcount_service import plan_count

from headrace.commands import CommandGroup, JobCommand, carry_out, output_option


@click.group(cls=CommandGroup)
def wordcount():
    """Count words."""


@wordcount.command(cls=JobCommand)
@click.argument("files", nargs=-1, required=True, type=click.File(encoding="utf-8"))
@click.option("--least-letters", type=click.IntRange(1), default=1, help="Pass over shorter words.")
@output_option
def count(files, least_letters, output):
    """How often the most frequent words are in FILES."""
    texts = (file.read() for file in files)
    carry_out("wordcount", plan_count(texts, least_letters), output)
