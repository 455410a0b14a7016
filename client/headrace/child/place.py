"""Where an embedded cluster's coordinator listens, and the folders of the cluster."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

from headrace.child.orders import Order
from headrace_wire.address import Address
from headrace_wire.system.unix_sockets import HAS_UNIX_SOCKETS, fits

#: The socket's name in its folder.
SOCKET_NAME = "socket"

#: Folders with short paths, whatever TMPDIR is.
SHORT_PLACES = ("/tmp", "/var/tmp")  # noqa: S108 - mkdtemp makes a folder of one's own there


def choose_address(folder: Path) -> Address:
    """Return where to listen: on a Unix socket in the cluster's folder, if that is possible.

    If its path is too long, the socket gets a folder of its own. If there are no Unix sockets, it
    is a port.
    """
    if HAS_UNIX_SOCKETS:
        path = folder / SOCKET_NAME
        if fits(str(path)):
            return Address(str(path), 0)
        for place in SHORT_PLACES:
            with contextlib.suppress(OSError):
                made = Path(tempfile.mkdtemp(prefix="headrace-", dir=place))
                return Address(str(made / SOCKET_NAME), 0)
    return Address("127.0.0.1", 0)


def remove_folders(order: Order) -> None:
    """Remove everything that the cluster has on the disk."""
    shutil.rmtree(order.folder, ignore_errors=True)
    if order.short_folder:
        shutil.rmtree(order.short_folder, ignore_errors=True)
