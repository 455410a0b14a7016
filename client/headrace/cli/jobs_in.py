"""``headrace submit`` and ``headrace run``: the same services and options, elsewhere or here."""

from __future__ import annotations

import click

from headrace.cli.plugins import ServicesGroup

#: The functions that make the commands of each service, and the short help texts.
SERVICES = {
    "primes": (
        "headrace.cli.primes:make_primes_group",
        "Find, count and test primes, to 2^64 and beyond.",
    ),
    "images": ("headrace.cli.images:make_images_group", "Filter and convert batches of pictures."),
    "map": (
        "headrace.cli.map:make_map_command",
        "Call your own function with each record of a file.",
    ),
}


@click.group(cls=ServicesGroup, commands_at=SERVICES, embedded=False)
def submit() -> None:
    """Submit a job to a coordinator.

    Waits for the results and shows progress, unless --detach is given. Ctrl-C does not stop the
    job, and says how to return to it.
    """


@click.group(cls=ServicesGroup, commands_at=SERVICES, embedded=True)
def run() -> None:
    """Run a job on this machine, with nothing to set up.

    A coordinator and a worker are started for it, and stopped afterwards.
    """
