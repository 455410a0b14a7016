"""``headrace submit`` and ``headrace run``: the same services and options, here or elsewhere."""

from __future__ import annotations

import click

from headrace.cli.images import make_images_group
from headrace.cli.map import make_map_command
from headrace.cli.primes import make_primes_group


@click.group()
def submit() -> None:
    """Submit a job to a coordinator.

    Waits for the results and shows progress, unless told to --detach. Ctrl-C leaves the job as it
    is, and says how to come back to it.
    """


@click.group()
def run() -> None:
    """Run a job on this machine, with nothing to set up.

    A coordinator and a worker are started for it, and stopped afterwards.
    """


for group, embedded in ((submit, False), (run, True)):
    group.add_command(make_primes_group(embedded=embedded))
    group.add_command(make_images_group(embedded=embedded))
    group.add_command(make_map_command(embedded=embedded))
