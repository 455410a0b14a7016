"""Commands that run as in a container: the key is mounted read-only, and so is the root folder."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

#: Where the key's folder is mounted.
KEY_FOLDER = Path("/mnt/headrace")

#: Mounts, and begins a command that has no capabilities. An ordinary user may write in no folder
#: above anyway, and root in none that is mounted read-only.
_SCRIPT = """
set -e
home=$1 key=$2
shift 2
mount -t tmpfs -o mode=755 none /mnt
mkdir /mnt/headrace
cp "$key" /mnt/headrace/key
chmod 600 /mnt/headrace/key
mount -o remount,ro /mnt
if [ "$(cat /proc/self/uid_map | tr -s ' ' | cut -d' ' -f4)" != 1 ]; then
    mount --bind "$home" "$home"
    mount -o remount,bind,ro /
fi
exec setpriv --bounding-set=-all --inh-caps=-all "$@"
"""


def contain(home: Path, key: Path, *command: str) -> list[str]:
    """A command that runs another one so; it may write beneath ``home``, and has a copy of a key
    in ``KEY_FOLDER``.
    """
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    how = ["unshare", *user, "--mount", "--propagation", "private"]
    return [*how, "sh", "-c", _SCRIPT, "sh", str(home), str(key), *command]


@cache
def explain_uncontained() -> str:
    """Say why nothing can be run so here, or ""."""
    try:
        done = subprocess.run(
            contain(Path.cwd(), Path("/dev/null"), "true"),
            check=False, capture_output=True, text=True, timeout=30,
        )  # fmt: skip
    except OSError as error:
        return f"commands cannot be contained here: {error}"
    return f"commands cannot be contained here: {done.stderr}" if done.returncode else ""
