"""Files of a data folder: reading, writing and syncing them on every system."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from contextlib import closing
from pathlib import Path

from headrace_wire.system.portable import PORTABLE

#: Without this flag, Windows would change line ends.
BINARY: int = getattr(os, "O_BINARY", 0)

#: Windows cannot sync a folder; NTFS keeps a journal of the entries of folders.
SYNCS_FOLDERS = os.name != "nt"

#: The request of Linux's ioctl(2) that makes one file share the content of another.
FICLONE = 0x40049409

#: No descriptor: reading or writing it raises OSError.
CLOSED = -1


class DataFile:
    """A file that only its owner can access, and that is made if it is missing. Methods raise
    OSError.

    Other threads may read and write at any position at the same time.
    """

    def __init__(self, path: Path) -> None:
        #: For systems where a position has to be sought first, which all threads share.
        self._going = threading.Lock()
        self._folder = path.parent
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | BINARY, 0o600)

    def close(self) -> None:
        file, self._file = self._file, CLOSED
        if file != CLOSED:
            os.close(file)

    def fileno(self) -> int:
        return self._file

    def measure(self) -> int:
        return os.fstat(self._file).st_size

    def measure_disk(self) -> tuple[int, int]:
        """Return the size of the file's disk, and how many bytes may be written now."""
        where = self._file if hasattr(os, "fstatvfs") and not PORTABLE else self._folder
        usage = shutil.disk_usage(where)
        return usage.total, usage.free

    def read(self, place: int, size: int) -> bytes:
        """Return the bytes at a position; fewer if the file ends before."""
        if hasattr(os, "pread") and not PORTABLE:
            return bytes(os.pread(self._file, size, place))
        with self._going:
            os.lseek(self._file, place, os.SEEK_SET)
            return os.read(self._file, size)

    def write(self, place: int, content: bytes) -> None:
        written = 0
        with memoryview(content) as view:
            while written < len(content):
                written += self._write_some(place + written, view[written:])

    def _write_some(self, place: int, content: memoryview) -> int:
        if hasattr(os, "pwrite") and not PORTABLE:
            return int(os.pwrite(self._file, content, place))
        with self._going:
            os.lseek(self._file, place, os.SEEK_SET)
            return os.write(self._file, content)

    def resize(self, size: int) -> None:
        os.ftruncate(self._file, size)

    def extend(self, size: int) -> None:
        """Enlarge the file to this size, and allocate the space on the disk now."""
        if hasattr(os, "posix_fallocate") and not PORTABLE:
            os.posix_fallocate(self._file, 0, size)
        else:
            self.write(self.measure(), bytes(size - self.measure()))

    def sync(self) -> None:
        """Wait until the content is on the disk."""
        if hasattr(os, "fdatasync") and not PORTABLE:
            os.fdatasync(self._file)
        else:
            os.fsync(self._file)


def clone(source: Path, target: Path) -> bool:
    """Make a file that shares its content with another until either is changed, which takes neither
    time nor space. Returns False, and makes none, if the file system cannot do that.
    """
    if sys.platform != "linux" or PORTABLE:  # FICLONE means something else on other systems
        return False
    import fcntl  # noqa: PLC0415 - not on every system

    with closing(DataFile(source)) as original, closing(DataFile(target)) as copy:
        try:
            fcntl.ioctl(copy.fileno(), FICLONE, original.fileno())
        except OSError:
            pass
        else:
            return True
    target.unlink()
    return False


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's entries, are on the disk. Raises OSError."""
    if path.is_dir() and not SYNCS_FOLDERS:
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
