"""``python -m benchmarks run`` measures, ``python -m benchmarks render`` writes table and chart."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from benchmarks import readme
from benchmarks.highlights import make_claims, make_lines
from benchmarks.measures import MEASURES, START
from benchmarks.results import Results, load, merge, save
from benchmarks.rounds import ROUNDS, run_rounds
from benchmarks.systems import OWN, PEERS
from benchmarks.systems.processes import ROOT
from benchmarks.tables import make_markdown, make_text
from benchmarks.turn import DRIVE, WHOLE, Turn
from benchmarks.whole import list_whole_measures

#: The results that the README and the chart show.
RESULTS = ROOT / "benchmarks" / "results.json"

#: What is written from them.
README, CHART = ROOT / "README.md", ROOT / "docs" / "benchmarks.svg"
PAGE = ROOT / "docs" / "benchmarks.md"

#: The Python that has the peers' packages: ``make bench-peers`` makes it.
PEERS_PYTHON = ROOT / ".bench" / "peers" / "bin" / "python"


@click.group()
def main() -> None:
    """Measure headrace and its peers side by side, and show it."""


@main.command()
@click.option("--peers", is_flag=True, help="The peers, too: see make bench-peers.")
@click.option("--rounds", type=click.IntRange(1), default=ROUNDS, show_default=True)
@click.option(
    "--only", multiple=True, metavar="NAME",
    help="This system or measure alone, and put it into the results that FILE has. Repeatable.",
)  # fmt: skip
@click.option(
    "--json", "path", default=RESULTS, show_default=True, metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
)  # fmt: skip
def run(*, peers: bool, rounds: int, only: tuple[str, ...], path: Path) -> None:
    """Measure all systems in turn, round after round."""
    turns = choose_turns(list_turns(peers=peers), only)
    old = load(path) if only and path.exists() else Results()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # clean up, too
    words = ["--peers"] * peers + ["--rounds", str(rounds)] * (rounds != ROUNDS)
    words += [word for name in only for word in ("--only", name)]
    command = shlex.join(["python", "-m", "benchmarks", "run", *words])

    def keep(results: Results) -> None:
        try:
            save(merge(old, results), path)
        except ValueError as error:
            raise click.ClickException(f"{path}: {error}; say --json FILE") from None

    results = run_rounds(turns, rounds, command, say=click.echo, keep=keep)
    click.echo(f"\n{make_text(merge(old, results))}\n\nAll runs are in {path}")


@main.command()
def render() -> None:
    """Write the README's figures, docs/benchmarks.md and the chart from benchmarks/results.json."""
    from benchmarks import chart  # noqa: PLC0415 - only this command draws, and Matplotlib is large

    results = load(RESULTS)
    README.write_text(render_readme(README.read_text(), results))
    PAGE.write_text(readme.insert(PAGE.read_text(), make_markdown(results)))
    CHART.write_bytes(chart.draw(results))


def render_readme(text: str, results: Results) -> str:
    """Return the README with the figures of these results."""
    text = readme.insert(text, make_claims(results), readme.CLAIMS)
    return readme.insert(text, make_lines(results))


def list_turns(*, peers: bool) -> list[Turn]:
    """Everything that can be measured here. Raises click's exception without the peers' Python."""
    measures = (START, *MEASURES)
    mine = Path(sys.executable)
    turns = [Turn(mine, DRIVE, system, measures) for system in OWN]
    if peers:
        if not PEERS_PYTHON.exists():
            raise click.ClickException("there are no peers in .bench/peers: make bench-peers")
        turns += [Turn(PEERS_PYTHON, DRIVE, system, measures) for system in PEERS]
    whole: dict[str, list[str]] = {}
    for measure, systems in list_whole_measures().items():
        for system in systems:
            whole.setdefault(system, []).append(measure)
    turns += [Turn(mine, WHOLE, one, tuple(whole[one])) for one in whole]
    return turns


def choose_turns(turns: Iterable[Turn], only: Iterable[str]) -> list[Turn]:
    """Those that any of these names of systems and measures leave. Raises click.BadParameter."""
    turns, wanted = list(turns), set(only)
    systems = {turn.system for turn in turns} & wanted
    measures = {measure for turn in turns for measure in turn.measures} & wanted
    if unknown := wanted - systems - measures:
        raise click.BadParameter(
            f"no such system or measure here (peers need --peers): {', '.join(sorted(unknown))}"
        )
    if systems:
        turns = [turn for turn in turns if turn.system in systems]
    if measures:
        turns = [turn.limit_to(measures) for turn in turns]
    return [turn for turn in turns if turn.measures]


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
