"""A store in a process that can open no more files says so, and not that its files are at fault."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from headrace_coordinator.store.store import Store
from headrace_wire.errors import StoreError
from headrace_wire.messages.jobs import JobFilter


@contextlib.contextmanager
def leave_files(number: int) -> Iterator[None]:
    """In here, this process can open only so many more files."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    with ExitStack() as opened:
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (before, hard))
        taken: list[int] = []
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for descriptor in taken[:number]:
            os.close(descriptor)
        for descriptor in taken[number:]:
            opened.callback(os.close, descriptor)
        yield


@pytest.mark.parametrize("left", range(8))
@pytest.mark.parametrize("is_new", [True, False])
def test_a_store_is_not_opened(tmp_path: Path, left: int, is_new: bool) -> None:
    path = tmp_path / "store"
    if not is_new:
        Store(path).close()
    with leave_files(left):
        try:
            store = Store(path)
        except StoreError as error:
            told = error.message
        else:
            store.close()
            assert left > 3
            return
    assert told == (
        f"the store {path} cannot be opened: this process may open only 256 files at once: raise "
        "the limit (`ulimit -n`)"
    )
    with closing(Store(path)) as store:
        assert store.load() == []


@pytest.mark.parametrize("left", range(2))
def test_a_store_is_not_read_and_is_not_called_damaged(tmp_path: Path, left: int) -> None:
    with closing(Store(tmp_path / "store")) as store:
        with leave_files(left):
            for read in (
                lambda: store.history.count_jobs(JobFilter(), None),
                lambda: store.reader.read_inputs("job", 0, 1),
                store.fold_log,
            ):
                with pytest.raises(StoreError, match="this process may open only 256 files at onc"):
                    read()
        assert store.load() == []
