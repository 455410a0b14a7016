"""Keeps the key from tasks, which run as the same user, by closing the folder that contains it.

    key file ─► plan_guard ─► Guard.closed ─► each slot, and each Python that is started for slots:
                                              closed before it runs anything

Everything else has to stay open to tasks, including what they create themselves. So the key has to
be in a folder that has no other purpose, and this user must not be able to create anything in the
folders above it: see ``landlock``.

The worker itself can read the key, and so can the next worker. If tasks may change the code that
these run, this worker imports no more of it, and the log says what the next one may import.
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
from headrace_wire.permissions import may_use
from headrace_wire.system.landlock import explain_missing
from headrace_wire.system.users import describe_user, find_user
from headrace_worker.machine.real_paths import find_aliases, find_changeable, follow
from headrace_worker.settings import WorkerSettings

log = logging.getLogger(__name__)

#: Folders that everybody uses, and that contain more than a key.
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
    """The folders, or the file, that are closed to tasks, or the reason why tasks can read the key.

    ``loophole`` describes where tasks can leave code for the next worker, which can read the key.
    """

    closed: tuple[str, ...] = ()
    problem: str = ""
    loophole: str = ""


def guard_key(settings: WorkerSettings) -> Guard:
    """Return what slots have to close, and log it in one line.

    Raises UsageError if the key cannot be kept from tasks, and the settings require it.
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
    """Find out what has to be closed, and whether tasks would be affected."""
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
    if folder in list_shared():  # other files in it may be for tasks
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
    # If the path is a link, what it points to next may appear in the link's own folder.
    closed |= {one for one in links if not _explain_open(one, needed)}
    return Guard(tuple(sorted(closed)), loophole=_find_loophole(settings))


def list_shared() -> list[str]:
    """Return the folders in which a service receives its secrets, such as the key."""
    found = [str(SECRETS), os.environ.get("CREDENTIALS_DIRECTORY")]
    return [os.path.realpath(one) for one in found if one]


def _name(closed: str) -> str:
    return f"what lies in {closed}" if os.path.isdir(closed) else closed  # noqa: PTH112 - text


def _explain_way(path: str) -> str:
    """Return why a path cannot be closed because of its folders; "" if it can."""
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
    """Return why a folder has to stay open to tasks; "" if it need not."""
    if why := _explain_way(folder):
        return why
    if folder in COMMON:
        return f"{folder} is there for more than a key"
    for what, path in needed:
        if path == folder or path.startswith(f"{folder}/"):
            return f"{what} lies in {folder}, too" if path != folder else f"{folder} is {what}"
    # The data folder of a coordinator of this user is private. A folder that is not private has
    # other purposes.
    if may_use(folder, os.W_OK) and Path(folder).stat().st_mode & 0o077:
        return f"{describe_user()} may write in {folder}, and others may look into it"
    return ""


def _find_loophole(settings: WorkerSettings) -> str:
    """Return where a task could leave code for the worker's next start, or ""."""
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
    """Iterate over what tasks, and the code that runs them, have to be able to read, with its
    path.
    """
    found: list[tuple[str, str | None]] = [
        ("the home folder", os.path.expanduser("~")),  # noqa: PTH111 - no error if there is none
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
        return None  # the folder was removed
