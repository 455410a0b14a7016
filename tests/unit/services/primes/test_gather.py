from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from headrace_services.primes import PRIMES, plan_count, plan_find, plan_test, tasks
from headrace_services.primes.sieve import NumpySieve
from headrace_services.service import Target
from headrace_wire.errors import OutputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace_services.service import Gathered, Plan

    Gather = Callable[..., tuple[Gathered, bytes]]
    Run = Callable[[Plan], list[tuple[int, bytes]]]

FULL = Path("/dev/full")


def test_primes_are_lines_on_the_stream(gather: Gather) -> None:
    gathered, shown = gather(plan_find(0, 30, span=7))
    assert shown == b"2\n3\n5\n7\n11\n13\n17\n19\n23\n29\n"
    assert gathered.result is None
    assert gathered.text == ""
    assert gathered.written == "10 primes to standard output"


def test_primes_are_a_file_of_lines(gather: Gather, tmp_path: Path) -> None:
    path = tmp_path / "primes.txt"
    gathered, shown = gather(plan_find(0, 2_500_000, span=300_007), path)
    assert shown == b""
    assert [int(line) for line in path.read_bytes().splitlines()] == NumpySieve().generate(
        0, 2_500_000
    ).tolist()
    assert gathered.written == f"183,072 primes (1.4 MB) to {path}"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("to_file", [True, False])
@pytest.mark.parametrize(
    ("start", "stop", "kind"),
    [
        (0, 1_000_000, np.int64),
        (8, 10, np.int64),
        (2**63 - 2000, 2**63, np.int64),
        (2**63 - 2000, 2**63 + 2000, np.uint64),
    ],
)
def test_primes_are_a_numpy_array(
    gather: Gather,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    to_file: bool,
    start: int,
    stop: int,
    kind: type[np.generic],
) -> None:
    monkeypatch.setattr(tasks, "choose_engine", NumpySieve)
    path = tmp_path / "primes.npy"
    _, shown = gather(
        plan_find(start, stop, span=(stop - start + 2) // 3), path if to_file else None, "npy"
    )
    array = np.load(path if to_file else io.BytesIO(shown))
    assert array.dtype == kind
    assert array.tolist() == NumpySieve().generate(start, stop).tolist()


@pytest.mark.parametrize(("start", "stop"), [(0, 1000), (24, 28), (2, 3), (999_000, 2_010_000)])
def test_primes_are_one_json_array(gather: Gather, start: int, stop: int) -> None:
    _, shown = gather(plan_find(start, stop, span=500_000), None, "json")
    assert json.loads(shown) == NumpySieve().generate(start, stop).tolist()
    assert shown.endswith(b"]\n")


@pytest.mark.parametrize("word", ["text", "json", "npy"])
def test_memory_does_not_grow_with_the_primes(tmp_path: Path, word: str) -> None:
    value = PRIMES.prepare("find", plan_find(10**7, 11 * 10**6).parameters)(0, None)
    peaks: list[int] = []
    for tasks_of_job in (2, 2, 40):
        parameters = plan_find(0, tasks_of_job * 10**6, span=10**6).parameters
        target = Target(io.BytesIO(), tmp_path / "primes", word)
        tracemalloc.start()
        PRIMES.gather("find", parameters, ((i, value) for i in range(tasks_of_job)), target)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # The first round also makes the tables that last.
    assert peaks[2] < peaks[1] * 1.1


def test_an_empty_range_gathers_to_nothing(gather: Gather) -> None:
    assert gather(plan_find(5, 5))[1] == b""
    assert gather(plan_find(5, 5), None, "json")[1] == b"[]\n"
    assert len(np.load(io.BytesIO(gather(plan_find(5, 5), None, "npy")[1]))) == 0
    assert gather(plan_count(5, 5))[0].result == 0


def test_counts_are_added_in_any_order(run: Run) -> None:
    plan = plan_count(0, 10**6, span=10**5)
    values = reversed(run(plan))
    gathered = PRIMES.gather("count", plan.parameters, values, Target(io.BytesIO()))
    assert gathered.result == 78498
    assert gathered.text == "78498\n"


def test_a_missing_count_is_named(run: Run) -> None:
    plan = plan_count(0, 1000, span=100)
    values = iter(run(plan)[:3] + run(plan)[5:])
    with pytest.raises(OutputError, match=r"tasks 3 to 4 \(numbers from 300 to 500\)"):
        PRIMES.gather("count", plan.parameters, values, Target(io.BytesIO()))


@pytest.mark.parametrize("index", [0, 4, 9])
def test_missing_primes_are_named_and_no_file_is_left(run: Run, tmp_path: Path, index: int) -> None:
    plan = plan_find(0, 1000, span=100)
    values = run(plan)
    del values[index]
    path = tmp_path / "primes.txt"
    path.write_text("what was there before")
    with pytest.raises(OutputError, match=f"task {index} .numbers from {index * 100} to"):
        PRIMES.gather("find", plan.parameters, iter(values), Target(io.BytesIO(), path))
    assert path.read_text() == "what was there before"
    assert list(tmp_path.iterdir()) == [path]


def test_verdicts_are_lines_in_the_order_given(gather: Gather) -> None:
    gathered, shown = gather(plan_test([7, 0, 1, 561, 2**127 - 1, 7]))
    assert gathered.text == (
        "7 prime\n0 composite\n1 composite\n561 composite\n"
        "170141183460469231731687303715884105727 prime\n7 prime\n"
    )
    assert shown == b""
    assert gathered.result == [
        {"number": 7, "prime": True},
        {"number": 0, "prime": False},
        {"number": 1, "prime": False},
        {"number": 561, "prime": False},
        {"number": "170141183460469231731687303715884105727", "prime": True},
        {"number": 7, "prime": True},
    ]


def test_a_number_of_thousands_of_digits_is_told_in_full(gather: Gather) -> None:
    gathered, _ = gather(plan_test([10**5000]))
    assert gathered.text == "1" + "0" * 5000 + " composite\n"
    assert json.loads(json.dumps(gathered.result)) == gathered.result


@pytest.mark.parametrize("word", ["text", "json"])
def test_verdicts_go_to_a_file(gather: Gather, tmp_path: Path, word: str) -> None:
    path = tmp_path / "verdicts"
    numbers = list(range(10**6, 10**6 + 3000))
    plain, _ = gather(plan_test(numbers))
    gathered, _ = gather(plan_test(numbers), path, word)
    assert gathered.written == f"3,000 verdicts to {path}"
    if word == "text":
        assert path.read_text() == plain.text
    else:
        assert json.loads(path.read_text()) == plain.result


def test_a_missing_verdict_is_named(run: Run) -> None:
    plan = plan_test([5] * 50_000)
    parameters, values = plan.parameters, run(plan)
    assert len(values) > 2
    with pytest.raises(OutputError, match="task 1 has none"):
        PRIMES.gather("test", parameters, iter([values[0], *values[2:]]), Target(io.BytesIO()))
    with pytest.raises(OutputError, match=r"the last [\d,]+ of 50,000 numbers have none"):
        PRIMES.gather("test", parameters, iter(values[:-1]), Target(io.BytesIO()))


@pytest.mark.parametrize("plan", [plan_find(0, 10), plan_test([5])])
def test_an_unknown_format_is_refused(plan: Plan) -> None:
    with pytest.raises(UsageError, match="cannot be written as xml: use text"):
        PRIMES.gather(plan.operation, plan.parameters, iter([]), Target(io.BytesIO(), format="xml"))


def test_a_folder_that_is_not_there_is_one_clear_line(gather: Gather, tmp_path: Path) -> None:
    path = tmp_path / "absent" / "primes.txt"
    with pytest.raises(OutputError, match=f"cannot write {path}: No such file or directory"):
        gather(plan_find(0, 10), path)


def test_a_folder_is_no_file(gather: Gather, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Is a directory"):
        gather(plan_find(0, 10), tmp_path)


@pytest.mark.skipif(not FULL.exists(), reason="/dev/full stands in for a full disk")
def test_a_full_disk_is_one_clear_line(gather: Gather) -> None:
    with pytest.raises(OutputError, match="cannot write /dev/full: No space left on device"):
        gather(plan_find(0, 10**6), FULL)
    plan = plan_find(0, 10)
    with FULL.open("wb", buffering=0) as stream, pytest.raises(OutputError, match="No space left"):
        PRIMES.gather("find", plan.parameters, iter([(0, b"\x07" + bytes(7))]), Target(stream))


def test_a_disk_that_fills_up_leaves_no_file(tmp_path: Path) -> None:
    """A limit on a file's size stands in for a disk that is full after a megabyte."""
    program = (
        "import io, resource, signal, sys, pathlib;"
        "from headrace_services.primes import PRIMES, plan_find;"
        "from headrace_services.service import Target;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6));"
        "plan = plan_find(0, 10**7); run = PRIMES.prepare('find', plan.parameters);"
        "PRIMES.gather('find', plan.parameters, ((i, run(i, None)) for i in range(plan.tasks)),"
        " Target(io.BytesIO(), pathlib.Path(sys.argv[1])))"
    )
    path = tmp_path / "primes.txt"
    shown = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert f"OutputError: cannot write {path}: File too large" in shown.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_went_away_is_left_to_the_caller() -> None:
    plan = plan_find(0, 10**7)
    run = PRIMES.prepare("find", plan.parameters)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as stream, pytest.raises(BrokenPipeError):
        PRIMES.gather("find", plan.parameters, iter([(0, run(0, None))]), Target(stream))


def test_a_file_behind_a_link_is_replaced_and_the_link_stays(
    gather: Gather, tmp_path: Path
) -> None:
    place, link = tmp_path / "place.txt", tmp_path / "link.txt"
    place.write_text("old")
    link.symlink_to(place)
    gather(plan_find(0, 6), link)
    assert link.is_symlink()
    assert place.read_text() == "2\n3\n5\n"
