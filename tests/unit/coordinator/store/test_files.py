"""Files and locks of a data folder, with and without what only some systems have."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import psutil
import pytest

from headrace_coordinator.store import files
from headrace_coordinator.store import loading as store_loading
from headrace_coordinator.store.files import DataFile, sync
from headrace_coordinator.store.locks import hold_payloads, lock_data
from headrace_coordinator.store.need import LARGE_BYTES
from headrace_wire.batch import pack_batch
from headrace_wire.errors import StoreError, UsageError
from headrace_wire.system import file_lock
from headrace_wire.system.file_lock import open_lock
from support.full_disk import fill_disk
from support.stored_rig import StoredRig

#: What Windows lacks, and macOS in part.
MISSING = ("pread", "pwrite", "fdatasync", "posix_fallocate", "fstatvfs")


@pytest.fixture(params=["all of it", "what every system has"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A system with everything, or one that lacks what is not everywhere."""
    if request.param != "all of it":
        for name in MISSING:
            monkeypatch.delattr(os, name)
        monkeypatch.setattr(file_lock, "LOCKS_OPEN_FILES", False)
        monkeypatch.setattr(files, "SYNCS_FOLDERS", False)
    return str(request.param)


@pytest.fixture
def path(tmp_path: Path, system: str) -> Path:
    assert system
    return tmp_path / "file"


@pytest.fixture
def file(path: Path) -> Iterator[DataFile]:
    with closing(DataFile(path)) as made:
        yield made


def test_what_is_written_is_read(file: DataFile, path: Path) -> None:
    file.write(5, b"content")
    file.sync()
    sync(path)
    sync(path.parent)
    assert file.read(5, 7) == b"content"
    assert file.read(10, 7) == b"nt"
    assert path.read_bytes() == bytes(5) + b"content"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_is_extended_and_cut_off(file: DataFile, path: Path) -> None:
    file.write(0, b"content")
    file.extend(1 << 16)
    assert file.measure() == 1 << 16
    assert path.stat().st_blocks * 512 >= 1 << 16
    file.resize(3)
    assert path.read_bytes() == b"con"


def test_threads_read_and_write_at_places_of_their_own(file: DataFile) -> None:
    """The place that a file is at is the same for all threads."""
    with ThreadPoolExecutor(4) as threads:
        for _ in range(200):
            parts = [bytes([65 + number]) * 512 for number in range(8)]
            list(threads.map(file.write, range(0, 4096, 512), parts))
            assert list(threads.map(file.read, range(0, 4096, 512), [512] * 8)) == parts


def test_the_disk_is_measured(file: DataFile, path: Path) -> None:
    total, free = file.measure_disk()
    figures = os.statvfs(path)
    assert total == figures.f_blocks * figures.f_frsize
    assert 0 <= free <= total


def test_a_closed_file_is_not_another_one_by_mistake(file: DataFile) -> None:
    file.close()
    for use in (lambda: file.read(0, 1), lambda: file.write(0, b"x"), file.measure):
        with pytest.raises(OSError, match="Bad file descriptor"):
            use()


def test_a_lock_is_one_owners_or_shared_by_several(path: Path) -> None:
    with closing(open_lock(path)) as first, closing(open_lock(path)) as second:
        assert first.acquire()
        assert not second.acquire()
        assert not second.acquire(shared=True)
        assert second.is_held()
        first.release()
        assert not second.is_held()
        assert first.acquire(shared=True)
        assert second.acquire(shared=True)
        second.release()
        assert second.is_held()
        first.close()
        assert second.acquire()


HOLDER = """
import os, sys
from pathlib import Path
if sys.argv[2] != "all of it":
    sys.modules["fcntl"] = None
from headrace_wire.system.file_lock import open_lock
print(open_lock(Path(sys.argv[1])).acquire(), flush=True)
sys.stdin.read()
"""


def test_a_lock_ends_with_its_process(path: Path, system: str) -> None:
    command = [sys.executable, "-c", HOLDER, str(path), system]
    with (
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as holder,
        closing(open_lock(path)) as lock,
    ):
        try:
            assert holder.stdout
            assert holder.stdout.readline() == "True\n"
            assert lock.is_held()
        finally:
            holder.kill()
        holder.wait()
        assert not lock.is_held()


def test_a_data_folder_is_one_coordinators(path: Path) -> None:
    for _ in range(2):
        with lock_data(path):
            with pytest.raises(StoreError, match="another coordinator uses"), lock_data(path):
                pass
            assert path.is_dir()


def test_backups_share_their_lock(path: Path) -> None:
    with closing(open_lock(path)) as lock:
        with hold_payloads(path), hold_payloads(path):
            assert lock.is_held()
        assert not lock.is_held()


def test_a_store_works_on_every_system(path: Path) -> None:
    rig = StoredRig(path, "power")
    rig.submit(tasks=None)
    batches = [pack_batch([bytes([index]) * LARGE_BYTES]) for index in range(3)]
    for index in range(3):
        rig.put("job", index, [bytes([index]) * LARGE_BYTES])
        rig.write()
    rig.store.mend(failed=True)
    rig.store.compact()
    rig.store.close()
    with closing(StoredRig(path).store) as store:
        assert len(store.load()) == 1
        assert store.reader.read_inputs("job", 0, 3) == tuple(batches)


def test_payloads_are_checked_after_a_start_of_the_machine_on_every_system(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_loading, "BOOT_FILE", path / "missing")
    for seconds in (1.0, 1.0, 2.0):
        monkeypatch.setattr(psutil, "boot_time", partial(float, seconds))
        with closing(StoredRig(path).store) as store:
            store.load()
            found = store._writer.execute("SELECT boot FROM clock").fetchone()
            assert found == (str(int(seconds)),)


@pytest.mark.parametrize("place", ["file", "file/data"])
def test_a_data_folder_that_is_a_file_is_called_that(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    data = tmp_path / place
    with pytest.raises(UsageError, match=f"folder {data}: {tmp_path}/file is not a folder; or"):
        lock_data(data).__enter__()


@pytest.mark.parametrize("place", ["", "data"])
def test_a_data_folder_on_a_full_disk_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    data = tmp_path / place
    fill_disk(monkeypatch)
    with (
        pytest.raises(StoreError, match=rf"cannot use data folder {data}, as its disk is full"),
        lock_data(data),
    ):
        pass
