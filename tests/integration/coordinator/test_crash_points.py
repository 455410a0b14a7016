"""The store keeps what was acknowledged: cut off by a kill between any two writes, or by the power.

What a kill leaves is all that was written before it: that is seen where a program is killed indeed,
and all other kills are taken from one recorded run. A spread of the points is tried;
``HEADRACE_EVERY_CRASH_POINT=1`` kills a program at every one, in some minutes.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest

from headrace_coordinator.store import loading as store_loading
from support.crash_model import (
    State,
    check_goes_on,
    derive_states,
    describe_difference,
    describe_inventions,
    read_state,
)
from support.crash_points import (
    Call,
    Place,
    Run,
    find_hindrance,
    kill_at,
    list_kinds,
    record,
    spread,
)
from support.power_cut import LOSSES, NO_LOSS, SHARED_MEMORY, SYNCS, Disk

#: Asks for every point rather than a spread of them.
EVERY = os.environ.get("HEADRACE_EVERY_CRASH_POINT") == "1"

#: Points of a spread at which a program is killed, and of one while a store recovers.
KILLS, SECOND_KILLS = 8, 3

#: Points of a spread that are taken from a recorded run.
RECORDED_KILLS, CUTS = 80, 150

#: Power cuts at one moment when every moment is tried.
CUTS_EACH = 3

#: Runs of the program at a time.
RUNS_AT_ONCE = 2

Point = TypeVar("Point")

pytestmark = [
    pytest.mark.any_python,  # SQLite decides what is written, and when
    pytest.mark.slow,
    pytest.mark.xdist_group("crash points"),  # the recorded runs are made once
    pytest.mark.timeout(3600 if EVERY else 120),
    pytest.mark.skipif(bool(HINDRANCE := find_hindrance()), reason=HINDRANCE),
]


@pytest.fixture(scope="module")
def killable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """An undisturbed run whose acknowledgements need not survive a power cut."""
    place = Place(tmp_path_factory.mktemp("run") / "process")
    yield record(place, "process")
    place.remove()


@pytest.fixture(scope="module")
def powerproof(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """An undisturbed run whose acknowledgements have to survive a power cut."""
    place = Place(tmp_path_factory.mktemp("run") / "power")
    yield record(place, "power")
    place.remove()


def test_an_undisturbed_run_goes_through_all_that_happens_to_a_store(killable: Run) -> None:
    told = {fact["fact"] for line in killable.lines for fact in line}
    assert told == {
        "submitted", "put", "sealed", "done", "failed", "lost", "results dropped", "retried",
        "replayed", "cancelled", "deleted",
    }  # fmt: skip
    states = derive_states(killable.lines)
    assert any(job["attempts"] for state in states for job in state.values())
    calls = {(call.name, call.file) for call in killable.calls}
    assert {
        ("pwrite64", "data/store-journal"),  # the making of the file
        ("pwrite64", "data/store-wal"),
        ("pwrite64", "data/store"),  # a checkpoint
        ("ftruncate", "data/store"),
        ("write", "acknowledgements"),
    } <= calls
    checkpoints = [
        index
        for index, call in enumerate(killable.calls)
        if call.name in SYNCS and call.file == "data/store"
    ]
    assert len(checkpoints) >= 4
    between = killable.calls[checkpoints[2] : checkpoints[-1]]
    assert any(call.file == "acknowledgements" for call in between), "it goes on after one"


def test_killed_between_any_two_writes_it_holds_what_was_acknowledged(
    tmp_path: Path, killable: Run
) -> None:
    states = derive_states(killable.lines)
    points = [call for call in killable.calls if call.changes]

    def try_point(call: Call) -> str:
        place = Place(tmp_path / f"{call.name}-{call.number}")
        killed = kill_at(place, call, "process")
        _expect_same_run(killed, killable, call)
        known = len(killed.lines)
        assert killed.lines == killable.lines[:known]
        _expect_nothing_else(place, killed, tmp_path / f"rebuilt-{call.number}")
        fault = _find_fault(place, states[known : known + 2])
        place.remove()
        return f"killed at {call}, {known} acknowledged: {fault}" if fault else ""

    _expect_no_fault(try_point, points if EVERY else _spread_kinds(points, KILLS))
    _expect_no_fault(
        lambda call: _cut(tmp_path, killable, (killable.calls.index(call), 0), states, NO_LOSS),
        spread(points, RECORDED_KILLS),
    )


def test_killed_once_more_while_it_recovers_it_still_holds_that(
    tmp_path: Path, killable: Run
) -> None:
    """A long log that was never folded into the file, and one that was half folded in."""
    states = derive_states(killable.lines)
    written = [it for it in killable.calls if (it.name, it.file) == ("pwrite64", "data/store")]
    for crash in (_find_longest_log(killable), written[len(written) // 2]):
        left = Place(tmp_path / f"left-{crash.number}")
        known = len(kill_at(left, crash, "process").lines)
        recovered = record(left.copy(tmp_path / f"recovered-{crash.number}"), "process", "reopen")
        points = [call for call in recovered.calls if call.changes]

        def try_point(
            call: Call, left: Place = left, known: int = known, recovered: Run = recovered
        ) -> str:
            place = left.copy(tmp_path / f"{left.folder.name}-{call.name}-{call.number}")
            killed = kill_at(place, call, "process", "reopen")
            _expect_same_run(killed, recovered, call)
            _expect_nothing_else(place, killed, tmp_path / f"rebuilt-{call.number}", left.data)
            fault = _find_fault(place, states[known : known + 2])
            place.remove()
            return f"{left.folder.name}, then killed at {call}: {fault}" if fault else ""

        def take_point(
            call: Call, left: Place = left, known: int = known, recovered: Run = recovered
        ) -> str:
            place = Place(tmp_path / f"{left.folder.name}-{call.name}-{call.number}-recorded")
            made = recovered.calls[: recovered.calls.index(call)]
            _leave(made, place, Random(call.number), NO_LOSS, left.data)
            fault = _find_fault(place, states[known : known + 2])
            place.remove()
            return f"{left.folder.name}, then killed at {call}: {fault}" if fault else ""

        _expect_no_fault(try_point, points if EVERY else _spread_kinds(points, SECOND_KILLS))
        _expect_no_fault(take_point, points)


def test_it_waits_for_the_disk_before_it_acknowledges(powerproof: Run) -> None:
    disk = Disk()
    acknowledged = 0
    for call in powerproof.calls:
        disk.apply(call)
        if call.name == "write":
            acknowledged += 1
            unsafe = disk.list_unsafe("data/store-wal")
            assert not unsafe, f"{powerproof.lines[acknowledged - 1]} waits for {unsafe[0]}"
    assert acknowledged == len(powerproof.lines)


def test_after_a_power_cut_it_holds_what_was_acknowledged(tmp_path: Path, powerproof: Run) -> None:
    states = derive_states(powerproof.lines)
    _expect_no_fault(
        lambda cut: _cut(tmp_path, powerproof, cut, states),
        _choose_cuts(powerproof),
    )


def test_without_waiting_for_the_disk_a_power_cut_leaves_less_but_nothing_wrong(
    tmp_path: Path, killable: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = derive_states(killable.lines)
    boot = tmp_path / "boot"
    boot.write_text("the machine's next start")
    monkeypatch.setattr(store_loading, "BOOT_FILE", boot)
    _expect_no_fault(
        lambda cut: _cut(tmp_path, killable, cut, states, all_kept=False), _choose_cuts(killable)
    )


def test_without_waiting_for_the_disk_a_power_cut_does_take_what_was_acknowledged(
    tmp_path: Path, killable: Run
) -> None:
    """So the cuts are hard enough to tell the one from the other."""
    states = derive_states(killable.lines)
    cuts = spread([call for call in killable.calls if call.changes], CUTS)
    faults = [
        _cut(tmp_path, killable, (killable.calls.index(call), 0), states) for call in cuts[:40]
    ]
    assert any("is not there" in fault for fault in faults)


def _find_longest_log(run: Run) -> Call:
    """The last write to the log before a checkpoint begins: there is most to recover."""
    log = [call for call in run.calls if (call.name, call.file) == ("pwrite64", "data/store-wal")]
    return max(log, key=lambda call: call.number_argument)


def _expect_same_run(killed: Run, undisturbed: Run, call: Call) -> None:
    """See that it was killed just there, and until then did what it does undisturbed."""
    assert killed.ended_by == signal.SIGKILL, f"{call}: it lived on"
    made = [it.place for it in killed.calls]
    assert made == [it.place for it in undisturbed.calls[: len(made)]], f"{call}: another run"
    assert made[-1] == call.place


def _expect_nothing_else(
    place: Place, killed: Run, folder: Path, before: Path | None = None
) -> None:
    """See that a kill left just what was written before it: so others need no program."""
    rebuilt = Place(folder)
    _leave(killed.calls[:-1], rebuilt, Random(0), NO_LOSS, before)
    left, expected = (
        {
            file.name: file.read_bytes()
            for file in each.files
            if not SHARED_MEMORY.endswith(file.name)
        }
        for each in (place, rebuilt)
    )
    assert left == expected
    rebuilt.remove()


def _leave(
    calls: Sequence[Call],
    place: Place,
    random: Random,
    losses: Sequence[float],
    before: Path | None = None,
) -> None:
    """Make these calls on a disk, and write down what a cut leaves of it."""
    disk = Disk(before)
    for call in calls:
        disk.apply(call)
    disk.leave(place.folder, random, losses)


def _spread_kinds(calls: Sequence[Call], most: int) -> list[Call]:
    """Choose up to ``most`` calls, each of another kind."""
    kinds = list_kinds(calls)
    return kinds[:: -(-len(kinds) // most)]


def _choose_cuts(run: Run) -> list[tuple[int, int]]:
    """Moments, each as the index of the call that is not made any more, and seeds."""
    if EVERY:
        return [(index, seed) for index in range(len(run.calls) + 1) for seed in range(CUTS_EACH)]
    chosen = spread([call for call in run.calls if call.changes], CUTS)
    return [(run.calls.index(call), seed) for seed, call in enumerate(chosen)]


def _cut(
    folder: Path,
    run: Run,
    cut: tuple[int, int],
    states: list[State],
    losses: Sequence[float] = LOSSES,
    *,
    all_kept: bool = True,
) -> str:
    """Cut the power, open what is left, and say what is wrong with it, or ""."""
    index, seed = cut
    place = Place(folder / f"{index}-{seed}")
    _leave(run.calls[:index], place, Random(f"{index} {seed}"), losses)
    known = sum(call.name == "write" for call in run.calls[:index])
    if all_kept:
        fault = _find_fault(place, states[known : known + 2])
    else:
        fault = _find_wrong(place, states[: known + 2])
    place.remove()
    return f"power cut {seed} before call {index}, {known} acknowledged: {fault}" if fault else ""


def _find_fault(place: Place, allowed: Sequence[State]) -> str:
    """Open a store again and say what is wrong with it; "" for nothing."""
    try:
        found = read_state(place.store)
        if found not in allowed:
            return "it holds something else:\n" + describe_difference(found, allowed[0])
        check_goes_on(place.store, found)
    except Exception as error:  # noqa: BLE001 - whatever stops it is what the test looks for
        return repr(error)
    return ""


def _find_wrong(place: Place, earlier: Sequence[State]) -> str:
    """Open a store again and say what it holds that never was; "" for nothing."""
    try:
        found = read_state(place.store)
        if wrong := describe_inventions(found, earlier):
            return "it holds what never was:\n" + wrong
        check_goes_on(place.store, found)
    except Exception as error:  # noqa: BLE001 - whatever stops it is what the test looks for
        return repr(error)
    return ""


def _expect_no_fault(find_fault: Callable[[Point], str], points: Sequence[Point]) -> None:
    with ThreadPoolExecutor(RUNS_AT_ONCE) as threads:
        faults = [fault for fault in threads.map(find_fault, points) if fault]
    assert not faults, f"{len(faults)} of {len(points)} points:\n" + "\n".join(faults[:5])
