"""Where the data folder is on this machine, and the key in it."""

from __future__ import annotations

import os
from pathlib import Path

from headrace_wire.key import KEY_NAME, load_key


def find_data_folder() -> Path:
    """Return the user's state folder for headrace, by the XDG base directory specification."""
    from platformdirs import user_state_path  # noqa: PLC0415 - only if no folder is given

    return user_state_path("headrace")


def find_key_file(data: Path) -> Path:
    """Return the key file in a data folder."""
    return data / KEY_NAME


def list_key_files() -> list[Path]:
    """Return where workers and clients look for a key if no file is named.

    First comes the data folder that ``HEADRACE_DATA`` names for the coordinator, then the user's.
    """
    named = os.environ.get("HEADRACE_DATA")
    folders = [Path(named)] if named else []
    return [find_key_file(folder) for folder in (*folders, find_data_folder())]


def read_key(key: bytes | None, key_file: str | Path | None) -> bytes:
    """Return the key of a coordinator.

    It is ``key``, or is read from ``key_file``, from the file that ``HEADRACE_KEY_FILE`` names, or
    from the first of ``list_key_files``. Raises KeyRefusedError.
    """
    if key is not None:
        return key
    named = key_file or os.environ.get("HEADRACE_KEY_FILE")
    return load_key(*([Path(named)] if named else list_key_files()))
