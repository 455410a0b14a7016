"""``python -m support.chaos``: one chaos run, replayed by its seed. See ``make chaos``."""

from __future__ import annotations

import random
import signal
import sys
import tempfile
from pathlib import Path

import click

from support.chaos.run import run_chaos
from support.chaos.settings import ChaosSettings

#: Seconds beyond those of the faults that a run may take to come to its end.
MORE_SECONDS = 240.0


@click.command()
@click.option("--seed", type=int, help="Which faults, when and where; a random one if not given.")
@click.option("--tasks", type=click.IntRange(1000), default=100_000, show_default=True)
@click.option("--minutes", type=click.FloatRange(0.1), default=1.0, show_default=True)
@click.option("--workers", type=click.IntRange(2), default=3, show_default=True)
@click.option("--slots", type=click.IntRange(1), default=3, show_default=True)
@click.option("--clients", type=click.IntRange(1), default=3, show_default=True)
@click.option("--namespaces/--no-namespaces", default=True, help="Where root and ip allow.")
def main(
    seed: int | None,
    tasks: int,
    minutes: float,
    workers: int,
    slots: int,
    clients: int,
    namespaces: bool,
) -> None:
    """Harm a cluster for some minutes while it works, and see that nothing is lost."""
    chosen = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    settings = ChaosSettings(
        seed=chosen,
        tasks=tasks,
        seconds=minutes * 60,
        limit_seconds=minutes * 60 * 1.5 + MORE_SECONDS,
        workers=workers,
        slots=slots,
        clients=clients,
        namespaces=namespaces,
    )
    click.echo(f"seed {chosen}")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # clean up, too
    with tempfile.TemporaryDirectory(prefix="headrace-chaos-") as folder:
        outcome = run_chaos(settings, Path(folder), click.echo)
    click.echo(f"\n{outcome.table}\n")
    for problem in outcome.problems:
        click.echo(f"PROBLEM {problem}")
    verdict = "not survived" if outcome.problems else "survived"
    click.echo(f"seed {chosen}: {verdict} in {outcome.seconds:.0f} s")
    sys.exit(bool(outcome.problems))


if __name__ == "__main__":
    main()
