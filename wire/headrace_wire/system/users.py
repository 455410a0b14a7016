"""The system's users, by number and name. Windows has neither, and its files have no modes."""

from __future__ import annotations

import importlib
import os

from headrace_wire.system.portable import PORTABLE

#: Whether files have an owner and a mode that say who may use them.
HAS_OWNERS = hasattr(os, "geteuid")


def find_user() -> int | None:
    """Return the number of the user for whom this process works; None if users have none."""
    return os.geteuid() if hasattr(os, "geteuid") else None


def describe_user() -> str:
    """Describe this user by number, for messages."""
    number = find_user()
    return "this user" if number is None else f"user {number}"


def name_user(number: int) -> str:
    """Return the name of a user, or the number as text if there is none."""
    if PORTABLE:
        return str(number)
    try:
        users = importlib.import_module("pwd")  # only for errors
        return str(users.getpwuid(number).pw_name)
    except (ImportError, KeyError):
        return str(number)
