"""Closes folders to this process for good, and to all that it starts, with Linux's Landlock.

A process gives up rights with rules that say what stays allowed beneath which folders or files.
What no rule allows is refused, even to root. To keep everything but a few folders open, there is a
rule for each entry of each folder on the way to them, but none for the way itself:

    /  ├─ bin, home, usr, …   a rule for each
       └─ etc ├─ hosts, ssl, …   a rule for each
              └─ headrace   none: its contents, now or later, can be neither read nor changed

Entries that are created later in a folder on the way are not covered by any rule either, and
nothing can be created there.

The rights that are given up are reading and writing, creating, removing and moving. Listing a
folder, running a program and changing a file's mode, owner and times are not affected: Landlock has
no right for the latter. Files can be moved and linked between allowed folders. A process in such a
domain can neither trace one outside of it nor read its memory, environment or open files in /proc,
and it cannot mount anything. See the kernel's "Landlock: unprivileged access control"
(userspace-api/landlock).
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

from headrace_wire.system.open_flags import CLOEXEC, NOFOLLOW, PATH
from headrace_wire.system.portable import PORTABLE

#: Whether this may be a system with Landlock, which can also hide a process's memory.
IS_LINUX = sys.platform == "linux" and not PORTABLE

#: System calls, with the same numbers on all machines that Python runs on, except Alpha.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446

#: Flag of ``landlock_create_ruleset``: return the version.
_CREATE_RULESET_VERSION = 1

#: Rule type of ``landlock_add_rule``: what is allowed beneath a folder, or with a file.
_RULE_PATH_BENEATH = 1

#: Rights for a file: to open it for writing, and for reading.
_WRITE_FILE, _READ_FILE = 1 << 1, 1 << 2

#: Rights for a folder: to remove folders (bit 4) and files (5), and to create devices (6, 11),
#: folders (7), files (8), sockets (9), pipes (10) and links (12).
_CHANGE_FOLDER = sum(1 << bit for bit in range(4, 13))

#: The right to move a file into another folder, or to link it there, and the first version that has
#: it. A process in a domain cannot do so if this right is not named.
_REFER, _VERSION_WITH_REFER = 1 << 13, 2

#: The right to truncate a file, and the first version that has it. Before, ``truncate`` is not
#: refused.
_TRUNCATE, VERSION_WITH_TRUNCATE = 1 << 14, 3

#: Option of prctl: set-user-ID programs give no more rights (linux/prctl.h).
_PR_SET_NO_NEW_PRIVS = 38

#: Option of prctl: no core dumps, and no access of others to this process in /proc.
_PR_SET_DUMPABLE = 4

#: struct landlock_ruleset_attr (its first field), and struct landlock_path_beneath_attr.
_RULESET = struct.Struct("=Q")
_RULE = struct.Struct("=Qi")


def explain_missing() -> str:
    """Return why nothing can be closed here, or ""."""
    if not IS_LINUX:  # these numbers mean something else on other systems
        return "this system has no Landlock"
    try:
        version = find_version()
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return "Landlock is switched off in this kernel (lsm= on its command line)"
        return f"this kernel or container has no Landlock ({error.strerror})"
    if version < _VERSION_WITH_REFER:
        return "this kernel's Landlock is too old: it comes with Linux 5.19"
    return ""


def close_folders(folders: Collection[str]) -> None:
    """Close these folders to this thread, and to all that it starts: their contents can be neither
    read nor changed.

    They are absolute paths without links; the path of a file closes only that file. Raises OSError
    if this is not possible.
    """
    domain = make_domain(folders)
    try:
        enter_domain(domain)
    finally:
        os.close(domain)


def make_domain(folders: Collection[str]) -> int:
    """Prepare to close folders. Returns a descriptor for ``enter_domain``. Raises OSError."""
    if missing := explain_missing():
        raise OSError(errno.ENOSYS, missing)
    of_file = _READ_FILE | _WRITE_FILE
    if find_version() >= VERSION_WITH_TRUNCATE:
        of_file |= _TRUNCATE
    of_folder = of_file | _CHANGE_FOLDER | _REFER
    ruleset = _call(_CREATE_RULESET, _RULESET.pack(of_folder), _RULESET.size, 0)
    try:
        for entry in _list_open("/", set(folders)):
            _allow(ruleset, entry, of_file, of_folder)
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


def enter_domain(domain: int) -> None:
    """Close the folders of ``make_domain`` to this thread, and to all that it starts.

    This only makes a system call, so it can be called in a process that was just forked while there
    were other threads. Raises OSError.
    """
    try:
        _call(_RESTRICT_SELF, domain, 0)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        # Unprivileged processes need this, so that set-user-ID programs cannot be deceived.
        if _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise _make_error() from None
        _call(_RESTRICT_SELF, domain, 0)


def hide_memory() -> None:
    """Prevent other processes of this user from reading this one's memory, and prevent core dumps.

    This does nothing on systems that cannot do it.
    """
    if not IS_LINUX:
        return
    _libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _list_open(folder: str, closed: Collection[str]) -> Iterator[str]:
    """Iterate over what stays open in a folder on the way to those that are closed."""
    for name in os.listdir(folder):  # noqa: PTH208 - only names
        path = f"{folder.rstrip('/')}/{name}"
        if path in closed:
            continue
        if any(one.startswith(f"{path}/") for one in closed):
            yield from _list_open(path, closed)
        else:
            yield path


def find_version() -> int:
    """Return the version of Landlock. Raises OSError if there is none."""
    return _call(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)


def _allow(ruleset: int, path: str, of_file: int, of_folder: int) -> None:
    try:
        entry = os.open(path, (PATH or os.O_RDONLY) | NOFOLLOW | CLOEXEC)
    except OSError:
        return  # it is gone, or may not be used anyway
    try:
        mode = os.fstat(entry).st_mode
        if stat.S_ISLNK(mode):
            return  # its target is what matters
        rights = of_folder if stat.S_ISDIR(mode) else of_file
        _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, _RULE.pack(rights, entry), 0)
    finally:
        os.close(entry)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: int | bytes | None) -> int:
    # Missing arguments are zeros: the system reads no more than it needs.
    words = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result: int = _libc().syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise _make_error()
    return result


def _make_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
