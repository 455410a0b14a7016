"""Starts another Python interpreter, to which folders are closed before it runs anything.

    this process ── fork ──► closes the folders ── exec ──► Python: site, .pth files, our program

When Python starts, it runs files in folders that the worker's user may be able to change: ``.pth``
files, ``sitecustomize``, ``usercustomize``. A task could have left something there, or have
replaced Python itself. With the folders closed, such code can read no more than the task could.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Collection, Sequence

from headrace_wire.system.landlock import enter_domain, make_domain
from headrace_worker.link.program import list_safe_flags
from headrace_worker.slot.slot import ONE_THREAD_EACH


def start_interpreter(
    program: str, fds: Sequence[int], closed_folders: Collection[str]
) -> subprocess.Popen[bytes]:
    """Run a program that finds modules as this process does, and inherits these descriptors.

    Raises OSError if it cannot be started, or if the folders cannot be closed to it.
    """
    command = [
        *(sys.executable, *list_safe_flags()),
        *("-c", f"import sys; sys.path[:] = {sys.path!r}; {program}"),
    ]
    environment = ONE_THREAD_EACH | os.environ
    if not closed_folders:
        return subprocess.Popen(  # noqa: S603 - our own command line
            command, stdin=subprocess.DEVNULL, env=environment, pass_fds=fds
        )
    domain = make_domain(closed_folders)
    try:
        return subprocess.Popen(  # noqa: S603 - as above
            command,
            stdin=subprocess.DEVNULL,
            env=environment,
            pass_fds=fds,
            preexec_fn=lambda: enter_domain(domain),  # noqa: PLW1509 - it is safe after a fork
        )
    except subprocess.SubprocessError as error:
        raise OSError(errno.EPERM, "folders cannot be closed to a new process") from error
    finally:
        os.close(domain)
