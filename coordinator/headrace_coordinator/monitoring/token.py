"""The token for the metrics, in a file for a Prometheus that runs as another user."""

from __future__ import annotations

import logging
from pathlib import Path

from headrace_wire.open_files import explain_system_error
from headrace_wire.system.secret_files import replace_file

log = logging.getLogger(__name__)

#: Everybody may read the file. Access is controlled by its folder, and the token only permits
#: reading.
MODE = 0o644


def write_token(path: Path, token: bytes) -> None:
    """Write the token for others to read, unless it is there already.

    If it cannot be written, this is logged in one line, because the coordinator does not need it.
    """
    try:
        if path.exists() and path.read_bytes().strip() == token:
            return
        replace_file(path, token + b"\n", MODE)
    except OSError as error:
        log.warning(
            "the token for /metrics cannot be written to %s: %s", path, explain_system_error(error)
        )
