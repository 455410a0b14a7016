"""Where a result is written: to a file that is written completely or not at all, or to a stream."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from headrace_wire.errors import OutputError
from headrace_wire.open_files import explain_system_error
from headrace_wire.system.secret_files import put_in_place
from headrace_wire.system.unnamed_files import give_name, open_unnamed

if TYPE_CHECKING:
    from collections.abc import Generator

    from headrace_services.service import Target

#: How many bytes are collected before they are passed to the system.
_BUFFER_BYTES = 2**20


@contextmanager
def open_destination(target: Target) -> Generator[BinaryIO]:
    """Open the target for writing.

    A file gets its name when it is complete. Until then it has none, or where this is impossible, a
    temporary one. If anything goes wrong it is removed, and an older file is not changed. If the
    target exists and is not a regular file, such as /dev/null or a pipe, it is written directly.

    Raises OutputError with one line if the target cannot be written. A ConnectionError is left to
    the caller: the reader of the stream has gone (BrokenPipeError), or it comes from the source of
    the values.
    """
    # The stream is standard output, or memory, which accepts everything.
    if target.path is None:
        try:
            yield target.stream
            target.stream.flush()
        except ConnectionError:
            raise
        except OSError as error:
            raise OutputError(
                f"standard output cannot be written: {error.strerror or error}"
            ) from error
        return
    try:
        with _open_file(target.path) as file:
            yield file
    except ConnectionError:
        raise
    except OSError as error:
        reason = explain_system_error(error)
        raise OutputError(
            f"cannot write {target.path}: {reason}; nothing was left there"
        ) from error


@contextmanager
def _open_file(path: Path) -> Generator[BinaryIO]:
    # A link is kept: the file to which it points is replaced.
    place = Path(os.path.realpath(path))
    if place.exists() and not place.is_file():
        with place.open("wb", buffering=_BUFFER_BYTES) as file:
            yield file
        return
    aside = place.with_name(f".{place.name[:200]}.{secrets.token_hex(4)}.part")
    draft = open_unnamed(place.parent)
    try:
        if draft is None:
            with aside.open("xb", buffering=_BUFFER_BYTES) as file:
                yield file
        else:
            with os.fdopen(draft, "wb", buffering=_BUFFER_BYTES) as file:
                yield file
                file.flush()
                # A name that exists is replaced in a second step.
                give_name(draft, aside)
        put_in_place(aside, place)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
