"""The copy that is kept of a store before it is migrated, and what a crash leaves meanwhile."""

from __future__ import annotations

import errno
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from headrace_coordinator.store import kept_copy, migrations
from headrace_coordinator.store.store import Store
from headrace_wire.errors import StoreError
from support.first_store import FIRST_SCHEMA, find_copies, read_schema

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


def test_the_copy_is_whole_and_nobody_elses(data: Path) -> None:
    Store(data / "headrace.db").close()
    (copy,) = find_copies(data)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o700
    kept = sorted(path.name for path in copy.iterdir())
    assert kept == ["headrace.db", "headrace.db-payloads"]
    for store in (copy / "headrace.db", data / "headrace.db"):
        with closing(Store(store)) as opened:
            jobs = {job.spec.name: job.spec.id for job, _ in opened.load()}
            assert opened.reader.read_inputs(jobs["measured"], 3, 4)
            assert opened.reader.read_inputs(jobs["measured"], 2, 3)
    Store(data / "headrace.db").close()
    assert find_copies(data) == [copy]


def test_without_room_for_a_copy_the_store_stays_as_it_is(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(data)
    monkeypatch.setattr(kept_copy, "clone", lambda *_: False)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=300_000))
        with pytest.raises(StoreError, match=r"no room for a copy of it: .* needed and .* free"):
            Store(data / "headrace.db")
    assert read_schema(data / "headrace.db") == FIRST_SCHEMA
    assert find_copies(data) == []
    Store(data / "headrace.db").close()
    assert len(find_copies(data)) == 1


def test_a_copy_that_cannot_be_written_is_told_and_the_store_stays(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(kept_copy, "clone", refuse)
        with pytest.raises(StoreError, match="no copy of it can be made beside it") as caught:
            Store(data / "headrace.db")
    assert "The store is as it was" in str(caught.value)
    assert find_copies(data) == []
    assert read_schema(data / "headrace.db") == FIRST_SCHEMA


#: Opens a store, and kills itself when so many statements were run or a function is reached.
DYING = """
import os, signal, sys
from pathlib import Path
from headrace_coordinator.store import kept_copy, migrations, opening, store
place, path = sys.argv[1:]
module, _, name = place.partition(".")
modules = {"opening": opening, "migrations": migrations, "kept_copy": kept_copy}
setattr(modules[module], name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
store.Store(Path(path))
"""


@pytest.mark.parametrize(
    "place",
    [
        "kept_copy._copy_payloads",
        "opening.migrate",
        "migrations.compute_checksum",
        "migrations.note_maker",
        "opening.finish_copy",
        "kept_copy.format_bytes",
    ],
)
def test_whatever_a_crash_leaves_is_whole(data: Path, place: str) -> None:
    path = data / "headrace.db"
    died = subprocess.run([sys.executable, "-c", DYING, place, path], check=False)
    assert died.returncode == -signal.SIGKILL
    with closing(Store(path)) as store:
        names = {job.spec.name for job, _ in store.load()}
        assert names == {"counted", "divided", "measured", "repeated"}
    (copy,) = find_copies(data)
    assert not copy.name.endswith("unfinished")
    assert read_schema(copy / "headrace.db") == FIRST_SCHEMA


@pytest.mark.parametrize("place", [(kept_copy, "_copy_payloads"), (migrations, "note_maker")])
def test_what_cannot_be_migrated_leaves_no_copy(
    data: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[ModuleType, str]
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(kept_copy, "clone", lambda *_: False)
        patch.setattr(*place, fail)
        with pytest.raises(StoreError, match="disk I/O error"):
            Store(data / "headrace.db")
    assert find_copies(data) == []
    assert read_schema(data / "headrace.db") == FIRST_SCHEMA
