"""Keeping the key from tasks, which run as the same user: the folder in which it lies is closed.

    key file ─► plan_guard ─► Guard.closed ─► each slot: close_folders, before it runs anything

All else is to stay open to tasks, and what they make themselves, too. So the key has to lie in a
folder that is there for it alone, and above which this user can make nothing: see ``landlock``.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from headrace_wire.errors import UsageError
from headrace_wire.landlock import explain_missing
from headrace_worker.machine.places import find_aliases, follow
from headrace_worker.settings import WorkerSettings

log = logging.getLogger(__name__)

#: Folders that are there for everybody, and have more in them than a key.
COMMON = frozenset(
    {
        *("/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media"),
        *("/mnt", "/opt", "/proc", "/root", "/run", "/run/lock", "/run/user", "/sbin", "/srv"),
        *("/sys", "/usr", "/usr/local", "/usr/local/etc", "/usr/local/lib", "/usr/share"),
        *("/var", "/var/cache", "/var/lib", "/var/log", "/var/run", "/var/spool"),
    }
)

ADVICE = (
    "move it into a folder of its own, such as /etc/headrace, which belongs to root, or mount that "
    "folder read-only"
)

ADVICE_FOR_ROOT = (
    "start the worker as a user of its own, or in a container whose root folder is read-only"
)


class Guard(Struct, frozen=True):
    """The folders that are closed to tasks; or why tasks can read the key."""

    closed: tuple[str, ...] = ()
    problem: str = ""


def guard_key(settings: WorkerSettings) -> tuple[str, ...]:
    """The folders that slots are to close, said in one line of the log.

    Raises UsageError where they cannot be closed, and the settings want it.
    """
    if settings.key_guard == "off":
        return ()
    guard = plan_guard(settings)
    if not guard.problem:
        log.info("tasks cannot read what lies in %s", ", ".join(guard.closed))
    elif settings.key_guard == "required":
        raise UsageError(f"--key-guard required: {guard.problem}")
    else:
        log.info("%s", guard.problem)
    return guard.closed


def plan_guard(settings: WorkerSettings) -> Guard:
    """Find out what has to be closed, and whether that harms no task."""
    path = str(settings.key_file.absolute())
    begin = f"tasks can read the key {path}, "
    if missing := explain_missing():
        return Guard(problem=f"{begin}as {missing}")
    try:
        target, links = follow(path)
        if os.lstat(target).st_nlink > 1:
            return Guard(problem=f"{begin}as its file has another name, too (a hard link)")
    except OSError as error:
        return Guard(problem=f"{begin}as it is not known where it lies: {error}")
    needed = list(_list_needed(settings))
    folder = os.path.dirname(target)  # noqa: PTH120 - text
    closed = {folder}
    for alias in find_aliases(target):
        closed.add(os.path.dirname(alias))  # noqa: PTH120 - text
    closed |= find_aliases(folder)
    for one in sorted(closed):
        if why := _explain_open(one, needed):
            advice = ADVICE if os.geteuid() else ADVICE_FOR_ROOT
            return Guard(problem=f"{begin}since {why}: {advice}")
    # Where the path is a link: what it is to point to next may come into the link's own folder.
    closed |= {one for one in links if not _explain_open(one, needed)}
    return Guard(tuple(sorted(closed)))


def _explain_open(folder: str, needed: list[tuple[str, str]]) -> str:
    """Say why a folder has to stay open to tasks; "" where it need not."""
    try:
        folder.encode()
    except UnicodeEncodeError:
        return f"the path {folder!a} is no text"
    for above in reversed(Path(folder).parents):
        if os.access(above, os.W_OK, effective_ids=True):
            return f"user {os.geteuid()} may write in {above}"
        if not os.access(above, os.R_OK | os.X_OK, effective_ids=True):
            return f"user {os.geteuid()} may not see what is in {above}"
    if folder in COMMON:
        return f"{folder} is there for more than a key"
    for what, path in needed:
        if path == folder or path.startswith(f"{folder}/"):
            return f"{what} lies in {folder}, too" if path != folder else f"{folder} is {what}"
    # The folder of a coordinator of this user's is private; one that is not has other purposes.
    if os.access(folder, os.W_OK, effective_ids=True) and Path(folder).stat().st_mode & 0o077:
        return f"user {os.geteuid()} may write in {folder}, and others may look into it"
    return ""


def _list_needed(settings: WorkerSettings) -> Iterator[tuple[str, str]]:
    """List what tasks, and what runs them, have to be able to read: what it is, and its path."""
    found: list[tuple[str, str | None]] = [
        ("the home folder", os.path.expanduser("~")),  # noqa: PTH111 - no error where there is none
        ("the present folder", _find(os.getcwd)),
        ("the folder of temporary files", _find(tempfile.gettempdir)),
        ("Python", sys.prefix),
        ("Python", sys.base_prefix),
        ("Python", os.path.realpath(sys.executable)),
        ("a certificate", settings.encryption.certificate),
        ("a certificate's key", settings.encryption.private_key),
        ("a certificate", settings.encryption.authority),
    ]
    found += [("a folder of modules", path) for path in (*settings.permits.paths, *sys.path)]
    found += [("a shared folder", path) for path in settings.permits.roots]
    for what, path in found:
        if path:
            yield what, os.path.realpath(path)


def _find(find: Callable[[], str]) -> str | None:
    try:
        return find()
    except OSError:
        return None  # it is gone
