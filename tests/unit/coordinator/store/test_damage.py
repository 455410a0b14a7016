"""What the disk has changed is never taken for what was kept: its tasks fail, and say why."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headrace_coordinator.checksums import DamagedError
from headrace_coordinator.store.need import LARGE_BYTES
from headrace_coordinator.store.payload_file import PAYLOAD_SUFFIX, UNIT_BYTES
from headrace_coordinator.store.store import Store
from headrace_wire.batch import unpack_batch
from headrace_wire.errors import JobStateError
from headrace_wire.messages.jobs import FAILED, QUEUED, RUNNING
from headrace_wire.messages.reports import DoneSpan
from headrace_wire.messages.spans import Span
from support.queue_builders import make_spec
from support.queue_invariants import check_invariants
from support.stored_rig import StoredRig

LARGE = 2 * LARGE_BYTES


class DamagedRig(StoredRig):
    """``damage`` changes a byte of a content, wherever it lies."""

    @property
    def payloads(self) -> Path:
        return self.path.with_name(self.path.name + PAYLOAD_SUFFIX)

    def damage(self, content: bytes) -> None:
        changed = bytes([content[0] ^ 1]) + content[1:]
        if len(content) >= LARGE_BYTES:
            whole = self.payloads.read_bytes()
            place = whole.index(content)
            with self.payloads.open("r+b") as file:
                file.seek(place)
                file.write(changed[:1])
            return
        with closing(sqlite3.connect(self.path)) as other, other:
            for table in ("inputs", "results"):
                for number, batch in other.execute(f"SELECT rowid, batch FROM {table}").fetchall():
                    if batch and content in batch:
                        other.execute(
                            f"UPDATE {table} SET batch = ? WHERE rowid = ?",
                            (batch.replace(content, changed), number),
                        )

    def report_values(self, *values: bytes) -> None:
        """Do the job's tasks, one lease and one run each."""
        for value in values:
            (lease,) = self.lease(slots=1)
            batch = b"\x91\xc6" + len(value).to_bytes(4, "big") + value
            run = DoneSpan(lease.id, lease.job, lease.start, lease.stop, batch, 1.0, 1.0)
            self.report(lease.worker, done=(run,))
        self.write()

    def read_values(self, job: str = "job") -> list[bytes]:
        found: list[bytes] = []
        runs, number = self.store.reader.read_results_after(job, 0, 1 << 30)
        while runs:
            found += [item for run in runs for item in unpack_batch(run.values)]
            runs, number = self.store.reader.read_results_after(job, number, 1 << 30)
        return found

    def lose(self, job: str = "job") -> None:
        """Read results until nothing of them is damaged, as those who fetch do."""
        while True:
            try:
                self.read_values(job)
            except DamagedError as error:
                self.queue.outcomes.lose_results(job, error, self.now)
                check_invariants(self.queue.state)
                self.write()
            else:
                return


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[DamagedRig]:
    made = DamagedRig(tmp_path / "store")
    made.join()
    yield made
    made.store.close()


@pytest.mark.parametrize("size", [2000, LARGE], ids=["in the database", "in the payload file"])
def test_a_changed_bit_of_an_input_is_found_and_nothing_of_the_input_is_told(
    rig: DamagedRig, size: int
) -> None:
    rig.store.reader.recent.inputs.drop_job("job")
    rig.submit(tasks=None)
    rig.put("job", 0, [b"secret" * size])
    rig.write()
    rig.store.reader.recent.inputs.drop_job("job")
    rig.damage(b"secret" * size)
    with pytest.raises(DamagedError, match="its checksum does not match") as caught:
        rig.store.reader.read_inputs("job", 0, 1)
    assert len(str(caught.value)) < 200
    assert "secret" not in str(caught.value)


def test_a_payload_file_that_was_cut_is_found(rig: DamagedRig) -> None:
    rig.submit(tasks=None)
    rig.put("job", 0, [bytes(LARGE)])
    rig.write()
    with rig.payloads.open("r+b") as file:
        file.truncate(100)
    with pytest.raises(DamagedError, match="ends after 100 of"):
        rig.store.reader.read_inputs("job", 0, 1)


def test_a_payload_in_the_place_of_another_is_found(rig: DamagedRig) -> None:
    """The same size, the same job, even a whole content: but not this task's."""
    rig.submit(tasks=None)
    for index, byte in enumerate((b"a", b"b")):
        rig.put("job", index, [byte * LARGE])
    rig.write()
    whole = rig.payloads.read_bytes()
    places = [whole.index(byte * LARGE) // UNIT_BYTES * UNIT_BYTES for byte in (b"a", b"b")]
    with rig.payloads.open("r+b") as file:
        file.seek(places[0])
        file.write(whole[places[1] : places[1] + LARGE + UNIT_BYTES])
    with pytest.raises(DamagedError):
        rig.store.reader.read_inputs("job", 0, 1)
    batches = rig.store.reader.read_inputs("job", 1, 2)
    assert batches
    assert unpack_batch(batches[0]) == [b"b" * LARGE]


def test_a_folder_copied_while_places_are_used_again_answers_with_no_other_jobs_values(
    rig: DamagedRig, tmp_path: Path
) -> None:
    rig.store.load()  # which notes the machine's start
    rig.submit(tasks=1)
    rig.report_values(b"first" * LARGE)
    copy = tmp_path / "copy"
    copy.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{rig.path}{suffix}", copy / f"store{suffix}")
    rig.queue.intake.delete("job")
    rig.write()
    rig.submit("other", tasks=1)
    rig.report_values(b"other" * LARGE)
    shutil.copy(rig.payloads, copy / f"store{PAYLOAD_SUFFIX}")
    with closing(Store(copy / "store")) as restored:
        ((job, _),) = restored.load()
        assert job.done.count == 1
        with pytest.raises(DamagedError):
            restored.reader.read_results_after("job", 0, 1 << 30)


def test_tasks_with_a_damaged_input_fail_and_the_rest_of_their_lease_waits_again(
    rig: DamagedRig,
) -> None:
    rig.submit(tasks=None)
    rig.put("job", 0, [b"a" * LARGE])
    rig.put("job", 1, [b"b" * LARGE, b"b"])
    rig.put("job", 3, [b"c" * LARGE])
    rig.write()
    rig.damage(b"b" * LARGE)
    rig.queue.state.jobs["job"].mean_seconds = 0.001
    (lease,) = rig.lease(slots=2)
    lost = DamagedError("job", 1, 3, "is damaged", LARGE)
    rig.queue.outcomes.lose_inputs(lease.id, lost, rig.now)
    check_invariants(rig.queue.state)
    rig.write()
    status = rig.status()
    assert (status.failed, status.waiting, status.leased) == (min(lease.stop, 3) - 1, 3 if
        lease.stop < 3 else 2, 0)  # fmt: skip
    (failure, *_) = rig.store.reader.read_failures("job", 0, 10)
    assert failure.message == "its input in the coordinator's store is damaged"


def test_a_damaged_result_fails_its_task_and_the_others_are_there(rig: DamagedRig) -> None:
    rig.submit(tasks=3)
    rig.report_values(b"a" * LARGE, b"b" * LARGE, b"c" * 10)
    rig.damage(b"b" * LARGE)
    rig.lose()
    assert rig.read_values() == [b"a" * LARGE, b"c" * 10]
    status = rig.status()
    assert (status.state, status.done, status.failed) == (FAILED, 2, 1)
    (failure,) = rig.store.reader.read_failures("job", 0, 10)
    assert (failure.index, failure.reason) == (1, "error")
    assert "its value in the coordinator's store is damaged" in failure.message
    with closing(Store(rig.path)) as again:
        ((job, _),) = again.load()
        assert (job.state, list(job.dead)) == (FAILED, [(1, 2)])


def test_a_task_whose_result_was_damaged_can_be_replayed(rig: DamagedRig) -> None:
    rig.submit(tasks=2)
    rig.report_values(b"a" * LARGE, b"b" * LARGE)
    rig.damage(b"a" * LARGE)
    rig.lose()
    assert rig.replay("job", ()).state == QUEUED
    rig.report_values(b"again")
    assert sorted(rig.read_values()) == [b"again", b"b" * LARGE]
    assert rig.status().failed == 0


def test_a_task_whose_input_is_gone_too_says_so(rig: DamagedRig) -> None:
    rig.submit(tasks=None)
    for index in range(2):
        rig.put("job", index, [b"x"])
    rig.queue.intake.seal("job", 2, rig.now)
    rig.report_values(b"a" * LARGE, b"b" * LARGE)
    rig.damage(b"a" * LARGE)
    rig.lose()
    for indices in ((0,), ()):
        with pytest.raises(JobStateError, match="its input is not kept any more"):
            rig.replay("job", indices)
    with pytest.raises(JobStateError, match="its input is not kept any more"):
        rig.retry("job")
    rig.seconds += 10
    rig.write()
    with closing(Store(rig.path)) as again:
        ((job, _),) = again.load()
        assert (job.state, list(job.inputless)) == (FAILED, [(0, 1)])
        assert not job.ended_because


def test_a_job_that_runs_goes_on_without_a_result_that_was_damaged(rig: DamagedRig) -> None:
    rig.submit(tasks=None)
    for index in range(3):
        rig.put("job", index, [b"x"])
    rig.queue.intake.seal("job", 3, rig.now)
    rig.report_values(b"a" * LARGE)
    rig.damage(b"a" * LARGE)
    rig.lose()
    assert rig.status().state == RUNNING
    with closing(Store(rig.path)) as again:
        ((job, _),) = again.load()
        assert job.state in (QUEUED, RUNNING)
    rig.report_values(b"b", b"c")
    assert (rig.status().state, rig.status().failed) == (FAILED, 1)


def test_a_delivered_result_that_is_damaged_harms_nothing(rig: DamagedRig) -> None:
    rig.submit(tasks=2, owned=True)
    rig.report_values(b"a" * LARGE, b"b" * LARGE)
    rig.queue.intake.deliver("job", [Span(0, 1)], rig.now)
    rig.damage(b"a" * LARGE)
    rig.lose()
    assert rig.status().failed == 0
    assert rig.read_values() == [b"b" * LARGE]


@pytest.mark.parametrize("decodes", [True, False])
def test_a_job_with_damaged_parameters_fails_and_the_others_are_there(
    rig: DamagedRig, decodes: bool
) -> None:
    rig.submit("first", parameters=b"\x81\xa1p\x07")
    rig.submit("second")
    rig.write()
    (spec,) = rig.read("SELECT spec FROM jobs WHERE id = 'first'")
    changed = spec.replace(b"\xa1p\x07", b"\xa1p\x08") if decodes else spec[:-9]
    assert changed != spec
    with closing(sqlite3.connect(rig.path)) as other, other:
        other.execute("UPDATE jobs SET spec = ? WHERE id = 'first'", (changed,))
    with closing(Store(rig.path)) as again:
        (first, _), (second, _) = again.load()
    assert (first.state, second.state) == (FAILED, QUEUED)
    assert "its parameters are damaged" in first.ended_because
    assert first.spec.parameters == b"\x80"
    assert second.spec == make_spec("second")
