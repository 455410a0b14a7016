"""A backup is the store as of one moment, whatever is written meanwhile."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.store import backup
from headrace_coordinator.store.backup import STORE_NAME, back_up
from headrace_coordinator.store.locks import INCOMPLETE, LOCK_SUFFIX, hold_payloads
from headrace_coordinator.store.need import LARGE_BYTES
from headrace_coordinator.store.payload_file import PAYLOAD_SUFFIX
from headrace_coordinator.store.reader import connect
from headrace_coordinator.store.store import Store
from headrace_wire.batch import pack_batch, unpack_batch
from headrace_wire.errors import OutputError, UsageError
from support.queue_builders import make_spec

#: Large inputs of a job, and jobs that are there from the beginning.
INPUTS, JOBS = 6, 3


def make_input(job: str, index: int) -> bytes:
    size = (LARGE_BYTES >> 2) * (1 + index % 3) if index % 2 else 20
    return f"{job} {index} ".encode() * size


class Rig:
    """A store in use."""

    def __init__(self, data: Path) -> None:
        data.mkdir()
        self.data = data
        self.store = Store(data / STORE_NAME)
        self.ledger = Ledger(self.store, Rules(), lambda _: None)

    def submit(self, job: str) -> None:
        def put(index: int) -> None:
            batch = pack_batch([make_input(job, index)])
            self.ledger.commit_now(lambda queue, now: queue.intake.put(job, index, batch, now))

        self.ledger.commit_now(lambda queue, now: queue.intake.submit(make_spec(job, None), now))
        for index in range(INPUTS):
            put(index)

    def delete(self, job: str) -> None:
        self.ledger.commit_now(lambda queue, _: queue.intake.delete(job))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "data")
    yield made
    made.store.close()


def read_inputs(data: Path) -> dict[str, list[bytes]]:
    """Every input of every job of a data folder that nobody uses."""
    found: dict[str, list[bytes]] = {}
    with closing(Store(data / STORE_NAME)) as store:
        for job, _ in store.load():
            batches = store.reader.read_inputs(job.spec.id, 0, job.tasks) if job.tasks else ()
            assert batches is not None
            found[job.spec.id] = [item for batch in batches for item in unpack_batch(batch)]
    return found


def ignore(done: int, of: int) -> None:
    assert 0 <= done <= of


def test_while_jobs_come_and_go_a_backup_has_all_that_was_there_and_nothing_wrong(
    rig: Rig, tmp_path: Path
) -> None:
    for number in range(JOBS):
        rig.submit(f"stays {number}")
    stopping = threading.Event()
    rounds = 0

    def work() -> None:
        nonlocal rounds
        while not stopping.is_set():
            rig.submit(f"goes {rounds}")
            if rounds:
                rig.delete(f"goes {rounds - 1}")
            rounds += 1

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for number in range(5):
            begun = rounds
            made = back_up(rig.data, tmp_path / f"backup {number}", ignore)
            assert made.damaged == 0
            assert made.jobs >= JOBS
            while rounds < begun + 3:
                stopping.wait(0.001)
    finally:
        stopping.set()
        worker.join()
    for number in range(5):
        found = read_inputs(tmp_path / f"backup {number}")
        assert {f"stays {stays}" for stays in range(JOBS)} <= found.keys()
        for job, inputs in found.items():
            assert inputs == [make_input(job, index) for index in range(len(inputs))]
            assert len(inputs) == INPUTS or job.startswith("goes")


def test_places_are_not_used_again_while_a_backup_is_under_way(rig: Rig) -> None:
    rig.submit("first")
    payloads = rig.data / f"{STORE_NAME}{PAYLOAD_SUFFIX}"
    size = payloads.stat().st_size
    with hold_payloads(rig.data / f"{STORE_NAME}{LOCK_SUFFIX}"):
        before = payloads.read_bytes()
        rig.delete("first")
        rig.submit("second")
        rig.store.compact()
        assert payloads.read_bytes().startswith(before)
    rig.delete("second")
    for number in range(5):
        rig.submit(f"more {number}")
        rig.delete(f"more {number}")
    assert payloads.stat().st_size <= 3 * size


def test_a_backup_without_a_coordinator_can_be_made_and_used_again(
    rig: Rig, tmp_path: Path
) -> None:
    rig.submit("a")
    rig.store.close()
    back_up(rig.data, tmp_path / "backup", ignore)
    back_up(tmp_path / "backup", tmp_path / "again", ignore)
    for folder in ("backup", "again"):
        assert read_inputs(tmp_path / folder) == {"a": [make_input("a", n) for n in range(INPUTS)]}
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o700
    for place in (rig.data, tmp_path / "backup", tmp_path / "again"):
        for file in place.iterdir():
            assert file.stat().st_mode & 0o077 == 0, file


def test_numbers_go_on_beyond_those_that_anybody_has_seen(rig: Rig, tmp_path: Path) -> None:
    rig.store._writer.execute("INSERT INTO sqlite_sequence VALUES ('results', 7)")
    back_up(rig.data, tmp_path / "backup", ignore)
    with closing(Store(tmp_path / "backup" / STORE_NAME)) as store:
        query = "SELECT seq FROM sqlite_sequence WHERE name = 'results'"
        assert store._writer.execute(query).fetchone()[0] > 1 << 32


def test_what_is_damaged_is_counted_and_the_rest_is_there(rig: Rig, tmp_path: Path) -> None:
    rig.submit("a")
    with (rig.data / f"{STORE_NAME}{PAYLOAD_SUFFIX}").open("r+b") as file:
        file.seek(100)
        file.write(b"\xff")
    made = back_up(rig.data, tmp_path / "backup", ignore)
    assert made.damaged == 1
    assert made.payloads > 1


def test_a_folder_that_is_in_use_is_refused(rig: Rig, tmp_path: Path) -> None:
    used = tmp_path / "used"
    used.mkdir()
    (used / "letter").write_text("dear")
    with pytest.raises(UsageError, match="is not empty"):
        back_up(rig.data, used, ignore)
    assert [file.name for file in used.iterdir()] == ["letter"]
    with pytest.raises(UsageError, match="is not empty"):
        back_up(rig.data, rig.data, ignore)
    with pytest.raises(UsageError, match="cannot hold a backup"):
        back_up(rig.data, used / "letter" / "below", ignore)
    with pytest.raises(UsageError, match="no data folder"):
        back_up(used, tmp_path / "backup", ignore)
    (used / "letter").unlink()
    (used / INCOMPLETE).touch()
    with pytest.raises(UsageError, match="was not finished"):
        back_up(rig.data, used, ignore)


@pytest.mark.parametrize("existed", [True, False])
def test_a_backup_that_fails_leaves_nothing(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existed: bool
) -> None:
    rig.submit("a")
    folder = tmp_path / "backup"
    if existed:
        folder.mkdir()

    def fail(*_: object) -> tuple[int, int]:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(backup, "_copy_payloads", fail)
        with pytest.raises(OutputError, match="No space left on device"):
            back_up(rig.data, folder, ignore)
    assert folder.exists() == existed
    assert not existed or not list(folder.iterdir())
    back_up(rig.data, folder, ignore)


def test_a_disk_that_is_full_before_the_database_is_copied_is_no_fault_of_the_store(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.submit("a")
    folder = tmp_path / "backup"

    def limit(path: Path, **options: bool) -> sqlite3.Connection:
        connection = connect(path, **options)
        if path.parent == folder:
            connection.execute("PRAGMA max_page_count = 2")
        return connection

    monkeypatch.setattr(backup, "connect", limit)
    why = "its disk is full (database or disk is full)"
    told = f"the backup cannot be written, as {why}: make room on the disk of {folder}"
    with pytest.raises(OutputError, match=f"^{re.escape(told)}$"):
        back_up(rig.data, folder, ignore)
    assert not folder.exists()
