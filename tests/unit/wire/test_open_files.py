"""A process that may open too few files is told so, in one line with the number."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from headrace_wire.errors import EXIT_USAGE, UsageError
from headrace_wire.greeting import explain_silence
from headrace_wire.open_files import (
    explain_limit,
    explain_system_error,
    is_limit_reached,
    read_limit,
    require_files,
    require_files_of_child,
)
from headrace_wire.permissions import explain_error


@contextlib.contextmanager
def limit_files(soft: int) -> Iterator[None]:
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


@pytest.fixture
def soft() -> Iterator[int]:
    """A limit that is lower than the one that nobody may exceed."""
    with limit_files(512):
        yield 512


def test_a_limit_that_may_be_raised_is_raised_as_far_as_needed(soft: int) -> None:
    require_files(soft, "this")
    assert read_limit() == soft
    require_files(soft + 1, "this")
    assert read_limit() == soft + 1


def test_another_one_is_told_with_what_is_needed() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with limit_files(512), pytest.raises(UsageError) as caught:
        require_files(hard + 1, "a worker with 9 slots")
    assert caught.value.message == (
        f"this process may open only {hard} files at once: raise the limit (`ulimit -n`); "
        f"a worker with 9 slots needs {hard + 1}"
    )
    assert caught.value.exit_code == EXIT_USAGE


def test_the_limit_of_a_program_whose_child_needs_more_stays(soft: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    require_files_of_child(hard, "a worker")
    assert read_limit() == soft
    with pytest.raises(
        UsageError, match=f"may open only {hard} files .* a worker needs {hard + 1}"
    ):
        require_files_of_child(hard + 1, "a worker")


def test_it_is_known_whether_hardly_any_file_can_be_opened(soft: int) -> None:
    assert not is_limit_reached()
    with ExitStack() as opened:
        with contextlib.suppress(OSError):
            while True:
                opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        assert is_limit_reached()
    assert not is_limit_reached()


def test_the_systems_message_names_no_number_and_ours_does(soft: int) -> None:
    told = f"this process may open only {soft} files at once: raise the limit (`ulimit -n`)"
    error = OSError(errno.EMFILE, os.strerror(errno.EMFILE), "/some/file")
    assert explain_limit() == told
    assert explain_system_error(error) == told
    assert explain_error(error, "/some/file") == told
    assert str(explain_silence(("host", 7333), error)) == (
        f"no connection to host:7333 can be opened: {told}"
    )
    other = OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    assert explain_system_error(other) == os.strerror(errno.EISDIR)
