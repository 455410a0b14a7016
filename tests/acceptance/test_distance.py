"""A worker or a client far away: a relay delays all that passes between it and the coordinator."""

from __future__ import annotations

import importlib
import itertools
import time
from pathlib import Path
from statistics import median

import pytest

from headrace import Pool
from headrace_wire.address import Address
from support.commands import Site
from support.distance import Line
from support.probe.headrace_probe import plan

#: A round trip between continents, and tasks that last as long.
ROUND_TRIP = 0.2
NAP_SECONDS = 0.2
TASKS = 30

#: Tasks of which a single slot would have for twenty seconds.
MANY_TASKS, LONG_NAP_SECONDS = 80, 0.25

#: Seconds after which a worker knows how far its coordinator is.
KNOWN_SECONDS = 2.0

#: Values that are fetched from far away, and the bytes of each.
VALUES, VALUE_BYTES = 60, 1 << 20


def read_begun(folder: Path) -> dict[str, list[float]]:
    """When tasks began in each slot, in their order.

    Each task leaves a file when it begins, which is named after its index and its slot's process.
    """
    begun: dict[str, list[float]] = {}
    for path in folder.iterdir():
        begun.setdefault(path.name.partition("-")[2], []).append(path.stat().st_mtime)
    return {slot: sorted(moments) for slot, moments in begun.items()}


@pytest.mark.xdist_group("distance")
def test_slots_far_away_do_not_wait_for_the_coordinator(own_site: Site, tmp_path: Path) -> None:
    own_site.workers.pop().stop()
    folder = tmp_path / "begun"
    folder.mkdir()
    with Line(Address("127.0.0.1", own_site.port), ROUND_TRIP) as line:
        own_site.add_worker("--coordinator", f"127.0.0.1:{line.address.port}", "--slots", "2")
        with own_site.open_cluster() as cluster:
            job = cluster.submit("probe", plan(TASKS, folder, sleep_seconds=NAP_SECONDS))
            assert len(list(job.values(ordered=False))) == TASKS
        own_site.workers.pop().stop()
    pauses: list[float] = []
    for moments in read_begun(folder).values():
        pauses += [b - a - NAP_SECONDS for a, b in itertools.pairwise(moments)]
    # Where work is asked for when a slot is free, each pause is a round trip at least.
    assert median(pauses) < ROUND_TRIP / 4


@pytest.mark.xdist_group("distance")
def test_a_worker_far_away_returns_what_others_can_begin_earlier(
    own_site: Site, tmp_path: Path
) -> None:
    """It gets enough of an unknown job to be busy if the tasks are short, and these are long."""
    own_site.workers.pop().stop()
    folder = tmp_path / "begun"
    folder.mkdir()
    with Line(Address("127.0.0.1", own_site.port), ROUND_TRIP) as line:
        own_site.add_worker("--coordinator", f"127.0.0.1:{line.address.port}", "--slots", "1")
        with own_site.open_cluster() as cluster:
            time.sleep(KNOWN_SECONDS)
            job = cluster.submit("probe", plan(MANY_TASKS, folder, sleep_seconds=LONG_NAP_SECONDS))
            values = job.values(ordered=False)
            next(values)
            own_site.add_worker("--slots", "4")
            assert len(list(values)) == MANY_TASKS - 1
        own_site.workers.pop().stop()
        own_site.workers.pop().stop()
    begun = read_begun(folder)
    assert len(begun) == 5
    far = min(begun.values())
    others = min(moments[0] for moments in begun.values() if moments is not far)
    # A fifth of what was left, and what it kept.
    assert sum(moment > others for moment in far) < MANY_TASKS / 3


@pytest.mark.xdist_group("distance")
def test_large_values_are_all_fetched_once_from_far_away(
    own_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"def make(index):\n    return index.to_bytes(4, 'big') * {VALUE_BYTES // 4}\n"
    (tmp_path / "values_far_away.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    make = importlib.import_module("values_far_away").make
    own_site.add_worker("--slots", "2", "--path", str(tmp_path), "--allow", "values_far_away")
    with (
        Line(Address("127.0.0.1", own_site.port), ROUND_TRIP) as line,
        Pool(f"127.0.0.1:{line.address.port}", key_file=own_site.data / "key") as pool,
    ):
        for _ in range(2):  # the first time it turns out that the coordinator is far
            values = pool.imap_unordered(make, range(VALUES))
            assert sorted(values) == [make(index) for index in range(VALUES)]
        assert pool.map(make, range(VALUES)) == [make(index) for index in range(VALUES)]
