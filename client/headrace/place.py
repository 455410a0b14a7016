"""Where things lie on this machine: the data folder, and the key in it."""

from __future__ import annotations

from pathlib import Path

#: The key's name in the data folder.
KEY_NAME = "key"


def find_data_folder() -> Path:
    """The user's state folder for headrace, by the XDG base directory specification."""
    from platformdirs import user_state_path  # noqa: PLC0415 - only where nothing was said

    return user_state_path("headrace")


def find_key_file(data: Path | None = None) -> Path:
    """The key file in a data folder, or in the user's own."""
    return (data or find_data_folder()) / KEY_NAME
