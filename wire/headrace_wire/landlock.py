"""Closing folders to this process for good, and to all that it starts: Linux's Landlock.

A process gives up rights by rules that say what stays allowed beneath which folders or files; what
no rule allows is refused, to root as well. So that all but a few folders stays open, there is a
rule for each entry of each folder on the way to them, but none for the way itself:

    /  ├─ bin, home, usr, …   a rule for each
       └─ etc ├─ hosts, ssl, …   a rule for each
              └─ headrace   none: what lies in it, now or later, cannot be read

What is made later in a folder on the way is not covered by any rule either.

Only reading is given up, since what is not named in a ruleset stays as it is; files can be moved
and linked between what is allowed. A process in such a domain can neither trace one outside of it
nor read its memory, environment or open files in /proc; and it can mount nothing. See the kernel's
"Landlock: unprivileged access control" (userspace-api/landlock).
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Collection, Iterator
from functools import cache

#: System calls, with the same numbers on all machines that Python runs on but Alpha.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446

#: Of ``landlock_create_ruleset``: tell which version there is.
_CREATE_RULESET_VERSION = 1

#: Of ``landlock_add_rule``: what may be done beneath a folder, or with a file.
_RULE_PATH_BENEATH = 1

#: Rights: to open a file for reading, and to move or link one between folders. The latter is the
#: one right that is given up even where it is not named.
_READ_FILE, _REFER = 1 << 2, 1 << 13

#: The first version in which files can be moved between folders.
_VERSION_WITH_REFER = 2

#: Of prctl: set-user-ID programs give no more rights (linux/prctl.h).
_PR_SET_NO_NEW_PRIVS = 38

#: Of prctl: no core dumps, and nothing of this process in /proc for others.
_PR_SET_DUMPABLE = 4

#: struct landlock_ruleset_attr (its first field), and struct landlock_path_beneath_attr.
_RULESET = struct.Struct("=Q")
_RULE = struct.Struct("=Qi")


def explain_missing() -> str:
    """Say why nothing can be closed here, or ""."""
    if sys.platform != "linux":  # other systems mean something else by these numbers
        return "this system has no Landlock"
    try:
        version = _call(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return "Landlock is switched off in this kernel (lsm= on its command line)"
        return f"this kernel or container has no Landlock ({error.strerror})"
    if version < _VERSION_WITH_REFER:
        return "this kernel's Landlock is too old: it comes with Linux 5.19"
    return ""


def close_folders(folders: Collection[str]) -> None:
    """Close these folders to this thread, and to all that it starts.

    They are absolute paths without links; that of a file closes it alone. Raises OSError where
    that cannot be had.
    """
    domain = make_domain(folders)
    try:
        enter_domain(domain)
    finally:
        os.close(domain)


def make_domain(folders: Collection[str]) -> int:
    """Make ready to close folders: returns a descriptor for ``enter_domain``. Raises OSError."""
    if missing := explain_missing():
        raise OSError(errno.ENOSYS, missing)
    ruleset = _call(_CREATE_RULESET, _RULESET.pack(_READ_FILE | _REFER), _RULESET.size, 0)
    try:
        for entry in _list_open("/", set(folders)):
            _allow(ruleset, entry)
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


def enter_domain(domain: int) -> None:
    """Close the folders of ``make_domain`` to this thread, and to all that it starts.

    It asks the system, and does nothing else: it can be called in a process that was just forked
    beside other threads. Raises OSError.
    """
    try:
        _call(_RESTRICT_SELF, domain, 0)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        # Needed by whoever may not do everything, so that no program is misled by this.
        if _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise _make_error() from None
        _call(_RESTRICT_SELF, domain, 0)


def hide_memory() -> None:
    """Let no other process of this user look into this one, and no core be dumped of it."""
    _libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _list_open(folder: str, closed: Collection[str]) -> Iterator[str]:
    """List what stays open in a folder on the way to those that are closed."""
    for name in os.listdir(folder):  # noqa: PTH208 - names alone
        path = f"{folder.rstrip('/')}/{name}"
        if path in closed:
            continue
        if any(one.startswith(f"{path}/") for one in closed):
            yield from _list_open(path, closed)
        else:
            yield path


def _allow(ruleset: int, path: str) -> None:
    try:
        entry = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return  # it is gone, or may not be used anyway
    try:
        mode = os.fstat(entry).st_mode
        if stat.S_ISLNK(mode):
            return  # what it points to counts
        rights = _READ_FILE | _REFER if stat.S_ISDIR(mode) else _READ_FILE
        _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, _RULE.pack(rights, entry), 0)
    finally:
        os.close(entry)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: int | bytes | None) -> int:
    # Zeros for what is missing: the system looks at no more than it takes.
    words = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result: int = _libc().syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise _make_error()
    return result


def _make_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
