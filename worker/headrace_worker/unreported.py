"""Outcomes that a worker could not report before it stopped, kept in a folder for the next one.

    reporter ─ what is left ─► save ─► FOLDER/<name>.outcomes ─► take ─► the next worker's reporter

`docker compose up --build` replaces coordinator and workers at the same time: when workers are told
to stop, the old coordinator has gone, and the new one starts only after they have ended. A task
whose outcome is taken from here need not run again.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from headrace_wire.messages.reports import DoneSpan
from headrace_wire.messages.spans import HeldSpan
from headrace_wire.permissions import explain_error
from headrace_wire.system.file_lock import LOCKS_OPEN_FILES, try_lock
from headrace_wire.version import PROTOCOL
from headrace_wire.words import count

log = logging.getLogger(__name__)

#: The suffix of files with outcomes.
SUFFIX = ".outcomes"

#: A file that is incomplete, or being read, and older than this was left behind by a killed worker.
LEFTOVER_SECONDS = 3600.0


class Unreported(msgspec.Struct, frozen=True, array_like=True):
    """The contents of a file. A file of another protocol version is ignored.

    ``worker`` is the id of the worker to which the tasks were leased, and ``held`` its leases; the
    outcomes are reported as its own.
    """

    protocol: int
    done: tuple[DoneSpan, ...]
    worker: str = ""
    held: tuple[HeldSpan, ...] = ()


def save(
    folder: Path, done: Iterable[DoneSpan], worker: str = "", held: Iterable[HeldSpan] = ()
) -> None:
    """Keep a worker's outcomes for the next one. If they cannot be written, this is logged, and the
    tasks run again.
    """
    spans = tuple(done)
    if not spans:
        return
    tasks = count(sum(span.stop - span.start for span in spans), "task")
    name = os.urandom(8).hex()
    path = folder / f"{name}{SUFFIX}"
    partial = folder / f"{name}.partial"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.touch(mode=0o600)  # only this user may read results
        kept = Unreported(PROTOCOL, spans, worker, tuple(held))
        partial.write_bytes(msgspec.msgpack.encode(kept))
        partial.replace(path)
    except OSError as error:
        log.warning("the outcomes of %s cannot be kept in %s: %s", tasks, folder, error)
        with contextlib.suppress(OSError):
            partial.unlink()
    else:
        log.info("the outcomes of %s are kept in %s: the next worker reports them", tasks, folder)


def take(folder: Path) -> list[Unreported]:
    """Remove and return what earlier workers kept. If a file cannot be read, this is logged, and
    its tasks run again.
    """
    paths = _list(folder)
    _remove_leftovers(paths)
    found: list[Unreported] = []
    for path in paths:
        if path.suffix != SUFFIX:
            continue
        try:
            content = _take_file(path)
            kept = None if content is None else msgspec.msgpack.decode(content, type=Unreported)
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("outcomes in %s cannot be read: %s; those tasks run again", path, error)
            _remove(path)  # otherwise every worker would log this
            continue
        if kept is not None and kept.protocol == PROTOCOL:
            found.append(kept)
    return found


def _list(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        log.warning("outcomes in %s cannot be read: %s", folder, explain_error(error, folder))
        return []


def _take_file(path: Path) -> bytes | None:
    """Read a file and remove it; None if another worker does so."""
    try:
        if not LOCKS_OPEN_FILES:
            # If this worker is killed now, the file is lost, and the tasks run again.
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            taken = path.replace(path.with_suffix(".taken"))
            content: bytes | None = taken.read_bytes()
            taken.unlink()
            return content
        with path.open("rb") as file:
            # If this worker is killed now, the file is left to the next one.
            if not try_lock(file.fileno()):
                return None
            content = file.read() if os.fstat(file.fileno()).st_nlink else None
            path.unlink(missing_ok=True)
            return content
    except FileNotFoundError:
        return None


def _remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove files that killed workers had half written, or half read in earlier versions."""
    old = time.time() - LEFTOVER_SECONDS
    for path in paths:
        if path.suffix not in {".partial", ".taken"}:
            continue
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < old:
                path.unlink()


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s cannot be removed: %s; remove it yourself", path, error.strerror)
