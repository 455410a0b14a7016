"""Keeping the key from tasks, which run as the same user: the folder in which it lies is closed.

    key file ─► plan_guard ─► Guard.closed ─► each slot, and each Python that is started for slots:
                                              closed before it runs anything

All else is to stay open to tasks, and what they make themselves, too. So the key has to lie in a
folder that is there for it alone, and above which this user can make nothing: see ``landlock``.

The worker itself can read the key, and so can the next one. Where tasks may change the code that
these run, this one loads no more of it, and the log says what the next one may load.
"""

from __future__ import annotations

import logging
import os
import site
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from headrace_wire.errors import UsageError
from headrace_wire.key import SECRETS
from headrace_wire.landlock import explain_missing
from headrace_wire.permissions import may_use
from headrace_wire.users import describe_user, find_user
from headrace_worker.machine.places import find_aliases, find_changeable, follow
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
    """The folders, or the file, that are closed to tasks; or why tasks can read the key.

    ``loophole`` says where tasks can leave code for the next worker, to which nothing is closed.
    """

    closed: tuple[str, ...] = ()
    problem: str = ""
    loophole: str = ""


def guard_key(settings: WorkerSettings) -> Guard:
    """What slots are to close, said in one line of the log.

    Raises UsageError where the key cannot be kept from tasks, and the settings want it.
    """
    if settings.key_guard == "off":
        return Guard()
    guard = plan_guard(settings)
    if settings.key_guard == "required" and (why := guard.problem or guard.loophole):
        raise UsageError(f"--key-guard required: {why}")
    if guard.problem:
        log.info("%s", guard.problem)
    else:
        closed = " nor ".join(map(_name, guard.closed))
        log.info("tasks cannot read %s%s", closed, guard.loophole and f"; but {guard.loophole}")
    return guard


def plan_guard(settings: WorkerSettings) -> Guard:
    """Find out what has to be closed, and whether that harms no task."""
    path = str(settings.key_file.absolute())
    begin = f"tasks can read the key {path}, "
    if missing := explain_missing():
        return Guard(problem=f"{begin}as {missing}")
    if settings.start_method == "fork":
        why = "slots of the start method 'fork' are copies of the worker, which has read it"
        return Guard(problem=f"{begin}as {why}: use 'forkserver' or 'spawn'")
    try:
        target, links = follow(path)
        if os.lstat(target).st_nlink > 1:
            return Guard(problem=f"{begin}as its file has another name, too (a hard link)")
    except OSError as error:
        return Guard(problem=f"{begin}as it is not known where it lies: {error}")
    needed = list(_list_needed(settings))
    folder = os.path.dirname(target)  # noqa: PTH120 - text
    if folder in list_shared():  # whose other files may be for tasks
        if why := _explain_way(target):
            return Guard(problem=f"{begin}since {why}: {ADVICE}")
        return Guard((target,), loophole=_find_loophole(settings))
    closed = {folder}
    for alias in find_aliases(target):
        closed.add(os.path.dirname(alias))  # noqa: PTH120 - text
    closed |= find_aliases(folder)
    for one in sorted(closed):
        if why := _explain_open(one, needed):
            advice = ADVICE if find_user() else ADVICE_FOR_ROOT
            return Guard(problem=f"{begin}since {why}: {advice}")
    # Where the path is a link: what it is to point to next may come into the link's own folder.
    closed |= {one for one in links if not _explain_open(one, needed)}
    return Guard(tuple(sorted(closed)), loophole=_find_loophole(settings))


def list_shared() -> list[str]:
    """Folders in which secrets are handed to a service, the key among them."""
    found = [str(SECRETS), os.environ.get("CREDENTIALS_DIRECTORY")]
    return [os.path.realpath(one) for one in found if one]


def _name(closed: str) -> str:
    return f"what lies in {closed}" if os.path.isdir(closed) else closed  # noqa: PTH112 - text


def _explain_way(path: str) -> str:
    """Say why a path cannot be closed: its folders tell. "" if it can."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return f"the path {path!a} is no text"
    for above in reversed(Path(path).parents):
        if may_use(above, os.W_OK):
            return f"{describe_user()} may write in {above}"
        if not may_use(above, os.R_OK | os.X_OK):
            return f"{describe_user()} may not see what is in {above}"
    return ""


def _explain_open(folder: str, needed: list[tuple[str, str]]) -> str:
    """Say why a folder has to stay open to tasks; "" where it need not."""
    if why := _explain_way(folder):
        return why
    if folder in COMMON:
        return f"{folder} is there for more than a key"
    for what, path in needed:
        if path == folder or path.startswith(f"{folder}/"):
            return f"{what} lies in {folder}, too" if path != folder else f"{folder} is {what}"
    # The folder of a coordinator of this user's is private; one that is not has other purposes.
    if may_use(folder, os.W_OK) and Path(folder).stat().st_mode & 0o077:
        return f"{describe_user()} may write in {folder}, and others may look into it"
    return ""


def _find_loophole(settings: WorkerSettings) -> str:
    """Say where a task could leave code for the worker when it is started again, or ""."""
    begin = "tasks can leave code for the next worker, which can read it: "
    own = {os.path.realpath(path) for path in settings.permits.paths}
    kinds = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    for path in (sys.prefix, *map(sysconfig.get_path, kinds), *sys.path):
        real = os.path.realpath(path)
        if path and real not in own and (place := find_changeable(real)):
            where = real if place == real else f"{place}, above {real}"
            return (
                f"{begin}{describe_user()} may write in {where}, from where the worker's Python "
                "loads code; install headrace as another user, such as root"
            )
    if site.ENABLE_USER_SITE:
        user_site = Path(site.getusersitepackages())
        above = next(path for path in (user_site, *user_site.parents) if path.exists())
        if find_changeable(str(above)):
            return (
                f"{begin}{describe_user()} may make {user_site}, where Python looks for code; "
                "set PYTHONNOUSERSITE=1"
            )
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
