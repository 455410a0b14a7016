"""Outcomes that a worker could not report before it went, kept in a folder for the next one.

    reporter ─ what is left ─► save ─► FOLDER/<name>.outcomes ─► take ─► the next worker's reporter

`docker compose up --build` replaces coordinator and workers at a time: when workers are told to go
the old coordinator has gone, and the new one starts after they have. A task whose outcome is taken
from here need not run again.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from headrace_wire.messages import DoneSpan
from headrace_wire.version import PROTOCOL
from headrace_wire.words import count

log = logging.getLogger(__name__)

#: The end of the names of files with outcomes.
SUFFIX = ".outcomes"


class Unreported(msgspec.Struct, frozen=True, array_like=True):
    """What a file holds; one of another protocol is not opened."""

    protocol: int
    done: tuple[DoneSpan, ...]


def save(folder: Path, done: Iterable[DoneSpan]) -> None:
    """Keep outcomes for the next worker. What cannot be written is told and runs again."""
    spans = tuple(done)
    if not spans:
        return
    tasks = count(sum(span.stop - span.start for span in spans), "task")
    name = os.urandom(8).hex()
    path = folder / f"{name}{SUFFIX}"
    partial = folder / f"{name}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.touch(mode=0o600)  # results are nobody else's business
        partial.write_bytes(msgspec.msgpack.encode(Unreported(PROTOCOL, spans)))
        partial.replace(path)
    except OSError as error:
        log.warning("the outcomes of %s cannot be kept in %s: %s", tasks, folder, error)
        with contextlib.suppress(OSError):
            partial.unlink()
    else:
        log.info("the outcomes of %s are kept in %s: the next worker reports them", tasks, folder)


def take(folder: Path) -> list[DoneSpan]:
    """Remove and return what earlier workers kept. What cannot be read is told and runs again."""
    found: list[DoneSpan] = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        mine = path.with_suffix(".taken")
        try:
            path.replace(mine)  # so that of several workers only one reports them
            content = mine.read_bytes()
            mine.unlink()
            kept = msgspec.msgpack.decode(content, type=Unreported)
        except FileNotFoundError:
            continue
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("outcomes in %s cannot be read: %s; those tasks run again", path, error)
            continue
        if kept.protocol == PROTOCOL:
            found += kept.done
    return found
