"""A disk that fills: what brings work waits, what makes room is written, and then all goes on."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.events import Event, RoomAppeared
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.store import disk
from headrace_coordinator.store.disk import PIECE_BYTES, RESERVE_SUFFIX, Disk, is_want_of_room
from headrace_coordinator.store.need import RELIEF, measure_intake, measure_outcomes
from headrace_coordinator.store.payload_file import UNIT_BYTES, PayloadFile
from headrace_coordinator.store.store import Store
from headrace_wire.batch import pack_batch
from headrace_wire.errors import StoreError
from headrace_wire.messages.jobs import CANCELLED
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.reports import DoneSpan, Report
from headrace_wire.messages.spans import Span
from support.queue_builders import make_spec, make_worker

FULL = sqlite3.OperationalError("database or disk is full")
FULL.sqlite_errorcode = disk.FULL_CODE


class Rig:
    """A ledger over a store, and a disk of which the test says what is free.

    ``keep_out(times)`` makes so many writes fail as on a full disk.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.path = folder / "store"
        self.free = 1 << 40
        self.refusals = 0
        self.heard: list[Event] = []
        patch.setattr(Disk, "measure_free", lambda _: self.free)
        self.store = Store(self.path)
        write = self.store._write

        def write_if_there_is_room(*arguments: object) -> None:
            if self.refusals:
                self.refusals -= 1
                raise FULL
            write(*arguments)  # type: ignore[arg-type] # as they came

        patch.setattr(self.store, "_write", write_if_there_is_room)
        self.ledger = Ledger(self.store, Rules(), lambda _: None)
        self.ledger.listen(self.heard.extend)
        self.ledger.mend()

    @property
    def reserve_bytes(self) -> int:
        return self.path.with_name(self.path.name + RESERVE_SUFFIX).stat().st_size

    def submit(self, job: str, tasks: int | None = 3, **fields: object) -> None:
        spec = make_spec(job, tasks, **fields)
        self.ledger.commit_now(lambda queue, now: queue.intake.submit(spec, now), measure_intake(0))

    def put(self, job: str, start: int, data: bytes) -> None:
        batch = pack_batch([data])
        self.ledger.commit_now(
            lambda queue, now: queue.intake.put(job, start, batch, now), measure_intake(len(batch))
        )

    def cancel(self, job: str) -> None:
        self.ledger.commit_now(lambda queue, now: queue.intake.cancel(job, now), RELIEF)

    def delete(self, job: str) -> None:
        self.ledger.commit_now(lambda queue, _: queue.intake.delete(job), RELIEF)

    def find_state(self, job: str) -> str:
        state: str = self.ledger.observe(lambda queue, _: queue.state.find(job).state)
        return state


def take_report(report: Report, queue: Queue, now: Now) -> None:
    queue.outcomes.report(report, now)


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    made = Rig(tmp_path, monkeypatch)
    yield made
    made.store.close()


def test_on_a_disk_that_is_nearly_full_work_is_refused_before_it_is_written(rig: Rig) -> None:
    rig.submit("a", None)
    rig.free = 1 << 20
    with pytest.raises(StoreError, match=r"its disk is full: 1048576 bytes are free.*make room"):
        rig.put("a", 0, bytes(100))
    with pytest.raises(StoreError, match="its disk is full"):
        rig.submit("b")
    rig.ledger.mend()
    assert "its disk is full" in rig.ledger.problem
    rig.free = 1 << 40
    rig.ledger.mend()
    assert rig.ledger.problem == ""
    assert RoomAppeared() in rig.heard
    rig.put("a", 0, bytes(100))


def test_outcomes_are_taken_in_when_new_work_is_not(rig: Rig) -> None:
    floor = rig.store._disk.floor_bytes
    rig.free = floor + (floor >> 1)
    assert rig.store.find_shortage(measure_intake(0))
    assert not rig.store.find_shortage(measure_outcomes(100))
    assert not rig.store.find_shortage(measure_outcomes(floor >> 2))
    assert rig.store.find_shortage(measure_outcomes(floor))


def test_what_makes_room_is_written_from_the_reserve(rig: Rig) -> None:
    rig.submit("a")
    rig.submit("b")
    before = rig.reserve_bytes
    assert before >= 2 * PIECE_BYTES
    rig.free, rig.refusals = 0, 3
    rig.cancel("a")
    assert rig.reserve_bytes == before - 2 * PIECE_BYTES
    rig.delete("b")
    assert rig.find_state("a") == CANCELLED
    assert rig.ledger.observe(lambda queue, _: list(queue.state.jobs)) == ["a"]
    with pytest.raises(StoreError, match="its disk is full"):
        rig.submit("c")
    rig.free = 1 << 40
    rig.ledger.mend()
    assert rig.reserve_bytes == before
    rig.submit("c")


def test_without_a_reserve_it_says_so_and_goes_on_when_there_is_room(rig: Rig) -> None:
    rig.submit("a")
    rig.free, rig.refusals = 0, 1000
    with pytest.raises(StoreError, match=r"cannot be written .*make room on the disk"):
        rig.cancel("a")
    assert rig.reserve_bytes == 0
    rig.ledger.mend()
    rig.refusals = 0
    rig.cancel("a")  # the next one is tried all the same
    rig.free = 1 << 40
    rig.ledger.mend()
    assert rig.ledger.problem == ""
    assert rig.find_state("a") == CANCELLED


def test_what_makes_room_is_not_lost_with_what_takes_some(rig: Rig) -> None:
    """Both were in one commit, for which the disk had too little room after all."""
    rig.submit("old")
    rig.submit("a", None)
    batch = pack_batch([bytes(1 << 20)])
    rig.refusals = 1

    async def put_and_delete() -> tuple[object, object]:
        return await asyncio.gather(
            rig.ledger.commit(
                lambda queue, now: queue.intake.put("a", 0, batch, now), measure_intake(len(batch))
            ),
            rig.ledger.commit(lambda queue, _: queue.intake.delete("old"), RELIEF),
            return_exceptions=True,
        )

    put, deleted = asyncio.run(put_and_delete())
    assert isinstance(put, StoreError)
    assert deleted is None
    assert rig.ledger.observe(lambda queue, _: list(queue.state.jobs)) == ["a"]


def test_what_was_delivered_while_the_disk_was_full_stays_delivered(rig: Rig) -> None:
    rig.submit("a", 2, owned=True)
    rig.ledger.observe(lambda queue, now: queue.leasing.register(make_worker("w"), (), now))
    request = LeaseRequest("w", 1, 2, 0.0, ())
    for lease in rig.ledger.observe(lambda queue, now: queue.leasing.lease(request, now)):
        for index in range(lease.start, lease.stop):
            run = DoneSpan(lease.id, "a", index, index + 1, pack_batch([b"value"]), 0.1, 0.1)
            report = Report("w", index + 1, (run,), (), (), ())
            rig.ledger.commit_now(partial(take_report, report))
    rig.ledger.observe(lambda queue, now: queue.intake.deliver("a", [Span(0, 1)], now))
    rig.refusals = 1
    with pytest.raises(StoreError):
        rig.submit("b")
    kept = rig.ledger.observe(lambda queue, _: dict(queue.state.find("a").undelivered))
    assert list(kept) == [1]


def test_a_reserve_that_was_given_up_makes_a_store_that_can_be_opened(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when the coordinator starts: it does, with room from the reserve."""
    rig.submit("a")
    before = rig.reserve_bytes
    rig.store.close()
    opened = Store._open
    refusals = [FULL, OSError(errno.ENOSPC, "No space left on device")]

    def open_if_there_is_room(store: Store) -> ExitStack:
        if refusals:
            raise refusals.pop()
        return opened(store)

    monkeypatch.setattr(Store, "_open", open_if_there_is_room)
    with closing(Store(rig.path)) as store:
        assert [job.spec.id for job, _ in store.load()] == ["a"]
    assert rig.reserve_bytes < before


def test_a_disk_without_room_for_a_store_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Store) -> None:
        raise FULL

    monkeypatch.setattr(Store, "_open", refuse)
    with pytest.raises(StoreError, match=r"its disk is full: make room on the disk of") as caught:
        Store(tmp_path / "data" / "store")
    assert "\n" not in str(caught.value)


def test_a_store_that_was_taken_away_takes_nothing_in_any_more(rig: Rig, tmp_path: Path) -> None:
    rig.submit("a")
    shutil.move(rig.path, tmp_path / "elsewhere")
    rig.ledger.mend()
    assert "was removed or replaced" in rig.ledger.problem
    for ask in (rig.submit, rig.cancel):
        with pytest.raises(StoreError, match="was removed or replaced"):
            ask("a")


def test_a_store_that_another_process_has_locked_says_so(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    rig.store._writer.execute("PRAGMA busy_timeout = 10")
    with closing(sqlite3.connect(rig.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process has locked it"):
            rig.submit("a")
        other.execute("ROLLBACK")
    rig.ledger.mend()
    rig.submit("a")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_every_way_to_say_that_there_is_no_room_is_known(number: int) -> None:
    assert is_want_of_room(OSError(number, "no"))
    assert is_want_of_room(FULL)
    assert not is_want_of_room(OSError(errno.EIO, "no"))
    assert not is_want_of_room(sqlite3.OperationalError("no"))


def test_the_middle_of_the_payload_file_is_given_back(tmp_path: Path) -> None:
    file = PayloadFile(tmp_path / "payloads")
    first, second = file.put(bytes([1]) * (8 << 20)), file.put(b"kept" * UNIT_BYTES)
    os.fsync(file._file)
    before = (tmp_path / "payloads").stat().st_blocks
    file.free([first])
    file.trim(0)
    after = (tmp_path / "payloads").stat().st_blocks
    if after == before:
        pytest.skip("this file system gives nothing back from the middle of a file")
    assert (before - after) * 512 >= 7 << 20
    again = file.put(b"x" * UNIT_BYTES)
    file.trim(0)
    assert file.read(again) == b"x" * UNIT_BYTES
    assert file.read(second) == b"kept" * UNIT_BYTES
    file.close()
