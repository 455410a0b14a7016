"""A store that the version before has written is brought forward when it is opened."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from headrace_coordinator.checksums import DamagedError
from headrace_coordinator.store import loading as store_loading
from headrace_coordinator.store.need import LARGE_BYTES
from headrace_coordinator.store.payload_file import PAYLOAD_SUFFIX
from headrace_coordinator.store.schema import SCHEMA_VERSION
from headrace_coordinator.store.store import Store
from headrace_wire.batch import pack_batch
from headrace_wire.encoding import pack
from headrace_wire.messages.job_views import NO_TIMES
from headrace_wire.messages.jobs import JobFilter
from headrace_wire.messages.shared import EVENT
from support.queue_builders import make_spec
from support.shared_builders import SharedRig
from support.stored_rig import StoredRig

SMALL, LARGE = b"small", b"large" * LARGE_BYTES


def take_back_version_8(old: sqlite3.Connection) -> None:
    old.execute("ALTER TABLE jobs DROP COLUMN times")
    old.execute("ALTER TABLE jobs DROP COLUMN paused_seconds")
    old.execute("DROP TABLE history")


def write_version_5(path: Path, checksum: Callable[[bytes], int | None]) -> None:
    """A job with a small and a large input, as the version before kept it."""
    rig = StoredRig(path)
    rig.store.load()
    rig.submit(tasks=None, parameters=b"\x81\xa1p\x07")
    for index, content in enumerate((SMALL, LARGE)):
        rig.put("job", index, [content])
    rig.write()
    rig.store.close()
    with closing(sqlite3.connect(path)) as old, old:
        take_back_version_8(old)
        old.execute("ALTER TABLE jobs DROP COLUMN checksum")
        old.execute("ALTER TABLE jobs DROP COLUMN submitted_by")
        old.execute("ALTER TABLE shared DROP COLUMN owner")
        old.execute("UPDATE inputs SET checksum = NULL")
        old.execute(
            "UPDATE inputs SET checksum = ? WHERE place IS NOT NULL",
            (checksum(pack_batch([LARGE])),),
        )
        old.execute("PRAGMA user_version = 5")


@pytest.mark.parametrize("checksum", [zlib.crc32, lambda _: None], ids=["checked", "new"])
def test_all_is_there(tmp_path: Path, checksum: Callable[[bytes], int | None]) -> None:
    write_version_5(tmp_path / "store", checksum)
    for _ in range(2):
        with closing(Store(tmp_path / "store")) as store:
            assert store._writer.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
            ((job, _),) = store.load()
            assert job.spec.parameters == b"\x81\xa1p\x07"
            found = [store.reader.read_inputs("job", index, index + 1) for index in range(2)]
            assert found == [(pack_batch([SMALL]),), (pack_batch([LARGE]),)]


def test_a_job_of_version_6_was_submitted_by_nobody_known(tmp_path: Path) -> None:
    with closing(StoredRig(tmp_path / "store").store) as store:
        assert not store.load()
    rig = StoredRig(tmp_path / "store")
    rig.submit()
    rig.write()
    rig.store.close()
    with closing(sqlite3.connect(tmp_path / "store")) as old, old:
        take_back_version_8(old)
        old.execute("ALTER TABLE jobs DROP COLUMN submitted_by")
        old.execute("ALTER TABLE shared DROP COLUMN owner")
        old.execute("INSERT INTO shared VALUES ('x', 'event', ?)", (pack(1),))
        old.execute("PRAGMA user_version = 6")
    with closing(Store(tmp_path / "store")) as store:
        ((job, _),) = store.load()
        assert (job.spec.tasks, job.submitted_by) == (10, "")
        shared = SharedRig(store)
        assert (shared.state.objects["x"].owner, len(shared.state.objects["x"])) == ("", 1)
        shared.open("y", EVENT, key="ada")
        shared.restart()
        assert shared.state.objects["y"].owner == "ada"


def test_a_job_of_version_7_has_no_times_and_a_history_from_now_on(tmp_path: Path) -> None:
    rig = StoredRig(tmp_path / "store")
    rig.queue.intake.submit(make_spec(), rig.now, "ada")
    rig.write()
    rig.store.close()
    with closing(sqlite3.connect(tmp_path / "store")) as old, old:
        take_back_version_8(old)
        old.execute("PRAGMA user_version = 7")
    with closing(Store(tmp_path / "store")) as store:
        ((job, _),) = store.load()
        assert (job.spec.tasks, job.submitted_by) == (10, "ada")
        assert job.times.show() == NO_TIMES
        assert store.history.find("job") is None
        assert store.history.count_jobs(JobFilter(), None) == 0


def test_what_was_damaged_before_is_not_taken_for_whole(tmp_path: Path) -> None:
    write_version_5(tmp_path / "store", zlib.crc32)
    with (tmp_path / f"store{PAYLOAD_SUFFIX}").open("r+b") as file:
        file.seek(50)
        file.write(b"!")
    with closing(Store(tmp_path / "store")) as store:
        store.load()
        assert store.reader.read_inputs("job", 0, 1)
        with pytest.raises(DamagedError):
            store.reader.read_inputs("job", 1, 2)


def test_after_a_power_cut_the_newest_are_dropped_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_version_5(tmp_path / "store", lambda _: None)
    boot = tmp_path / "boot"
    boot.write_text("the machine's next start")
    monkeypatch.setattr(store_loading, "BOOT_FILE", boot)
    with closing(Store(tmp_path / "store")) as store:
        ((job, _),) = store.load()
        assert [*job.chunks.starts] == [0]


def test_a_store_that_cannot_be_brought_forward_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_version_5(tmp_path / "store", zlib.crc32)

    def fail(*_: object) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("headrace_coordinator.store.migrations.was_started_again", fail)
        with pytest.raises(Exception, match="disk is full"):
            Store(tmp_path / "store")
    with closing(Store(tmp_path / "store")) as store:
        assert store.load()
