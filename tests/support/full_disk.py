"""A disk on which nothing new can be written."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system refuse to make files and folders for want of room, until the test ends."""
    opened = os.open

    def refuse(path: Any, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    def open_only(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & os.O_CREAT:
            refuse(path)
        return opened(path, flags, *rest, **more)

    monkeypatch.setattr(os, "mkdir", refuse)
    monkeypatch.setattr(os, "open", open_only)
