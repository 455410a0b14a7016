"""One system's turn in a round: a process that measures it, its lines, and its end.

A measure that overruns, or takes its process with it, ends with an error; what is left to measure
then begins anew in another process. Whatever the turn started is gone when it is over.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.line import Line
from benchmarks.measures import START
from benchmarks.process_tree import end_children, list_children
from benchmarks.systems.processes import ROOT

#: The program that starts a system and measures it, and the one that measures whole commands.
DRIVE, WHOLE = "benchmarks.drive", "benchmarks.whole"

#: Seconds that a measure may take, and what comes before the first line or after the last.
MEASURE_SECONDS = 90.0


@dataclass(frozen=True)
class Turn:
    """Which program measures which system, in which Python."""

    python: Path
    #: ``DRIVE`` or ``WHOLE``.
    program: str
    system: str
    #: In the order in which they are taken. ``DRIVE`` takes the start in any case.
    measures: tuple[str, ...]

    def limit_to(self, measures: Iterable[str]) -> Turn:
        wanted = set(measures)
        kept = tuple(measure for measure in self.measures if measure in wanted)
        return Turn(self.python, self.program, self.system, kept)


def take_turn(
    turn: Turn, tell: Callable[[Line], None], measure_seconds: float = MEASURE_SECONDS
) -> None:
    """Tell a line of each of the turn's measures."""
    left = list(turn.measures)
    while left:
        said, problem = _run(turn, left, measure_seconds)
        start = next((line for line in said if line.measure == START), None)
        for line in said:
            if line.measure in left:
                left.remove(line.measure)
                tell(line)
        if not left:
            return
        if start.error if start else turn.program == DRIVE:
            error = (start and start.error) or problem
            for measure in left:
                tell(Line(measure, {}, error=f"did not start: {error}"))
            return
        tell(Line(left.pop(0), {}, error=problem))


def _run(turn: Turn, measures: list[str], measure_seconds: float) -> tuple[list[Line], str]:
    """The lines that a process said, and what there is to say of its end."""
    said: list[Line] = []
    spared = list_children()
    overran = threading.Event()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [turn.python, "-m", turn.program, turn.system, *measures],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )

        def give_up() -> None:
            overran.set()
            end_children(spared)

        assert process.stdout is not None
        timer = threading.Timer(measure_seconds, give_up)
        try:
            timer.start()
            for text in process.stdout:
                timer.cancel()
                said.append(Line.read(text))
                timer = threading.Timer(measure_seconds, give_up)
                timer.start()
            code = process.wait()
        finally:
            timer.cancel()
            if overran.is_set():
                timer.join()
            end_children(spared)
            process.stdout.close()
            process.wait()
        errors.seek(0)
        last = errors.read().decode(errors="replace").strip().rpartition("\n")[2]
    if overran.is_set():
        return said, f"took longer than {measure_seconds:g} s"
    return said, last or f"ended with code {code}"
