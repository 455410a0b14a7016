"""The audit log in the coordinator's data folder: who did what, one line each.

2026-11-28T16:30:00+00:00 alice (client) at 10.0.0.7:51234: cancel a951b1e33cb8
"""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from headrace_wire.log_format import LineFormatter
from headrace_wire.session import audit
from headrace_wire.system.secret_files import give_away
from headrace_wire.system.users import describe_user

log = logging.getLogger(__name__)

#: The file's name in the data folder. Earlier files end with a number, the newest with 1.
AUDIT_NAME = "audit.log"

#: The maximum size of a file in bytes, and how many earlier files are kept.
MAX_BYTES = 8 << 20
KEPT_FILES = 3


class _AuditFormatter(LineFormatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - its name there
        """Return the time in UTC."""
        del datefmt
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds")


class _AuditHandler(RotatingFileHandler):
    _is_broken = False

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", encoding="utf-8", opener=_open_for_owner)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        self._is_broken, was_broken = False, self._is_broken
        super().emit(record)
        if self._is_broken and not was_broken:
            log.error("the audit log %s cannot be written", self.baseFilename)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - its name there
        """Note that a line was not written: the disk may be full."""
        del record
        self._is_broken = True


class AuditLog:
    """Writes the audit log of a data folder until it is closed."""

    def __init__(self, data: Path) -> None:
        self._handler = _AuditHandler(
            data / AUDIT_NAME, maxBytes=MAX_BYTES, backupCount=KEPT_FILES, delay=True
        )
        self._handler.setFormatter(_AuditFormatter("%(asctime)s %(message)s"))
        audit.setLevel(logging.INFO)
        audit.addHandler(self._handler)

    def close(self) -> None:
        """Stop writing."""
        audit.removeHandler(self._handler)
        self._handler.close()


def note_offline(data: Path, what: str) -> None:
    """Add a line about what a user of this machine did to a coordinator's files.

    The coordinator may be running. Raises OSError.
    """
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    path = data / AUDIT_NAME
    with open(path, "a", encoding="utf-8", opener=_open_for_owner) as file:
        give_away(file.fileno(), path if file.tell() else path.parent)
        file.write(f"{moment} {describe_user()} of this machine: {what}\n")


def _open_for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
