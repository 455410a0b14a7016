"""Folders of code that are sent with a job, and imported in a slot.

    pack_folder (client) ─► a zip in the job's parameters ─► Shipments.open (slot) ─► import

In a slot, a shipment is a file, see ``shipped_file``. Its modules are only visible to the tasks of
its own jobs: at each change of the job they are put aside or restored.
"""

from __future__ import annotations

import io
import linecache
import sys
import weakref
import zipfile
import zipimport
from collections import OrderedDict
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import ClassVar

from headrace_services.calls.shipped_file import FIRST_NUMBER, ShippedFile
from headrace_wire.errors import UsageError

#: The maximum size of a packed folder in bytes, because it is part of the job's parameters.
MAX_PACKED_BYTES = 3 << 20

#: Names that are not packed.
SKIPPED = frozenset({"__pycache__", ".git", ".venv", "node_modules"})

#: How many shipments a slot keeps, in addition to those of the jobs that it keeps prepared.
SHIPMENTS_KEPT = 8


def pack_folder(folder: Path) -> bytes:
    """Pack the Python code in a folder, and the files beside it.

    Raises UsageError for a folder without modules, or one that is too large.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _walk(folder):
            archive.write(path, path.relative_to(folder))
            if packed.tell() > MAX_PACKED_BYTES:
                raise UsageError(
                    f"{folder} is too large to travel with a job (over {MAX_PACKED_BYTES} bytes "
                    "packed): put it on the workers, and start them with --path"
                )
        if not list_modules(archive):
            raise UsageError(f"{folder} holds no Python modules")
    return packed.getvalue()


def list_modules(archive: zipfile.ZipFile) -> tuple[str, ...]:
    """Return the modules and packages at the top of a shipment."""
    tops = {
        name.partition("/")[0].removesuffix(".py")
        for name in archive.namelist()
        if name.endswith(".py")
    }
    return tuple(sorted(top for top in tops if top.isidentifier()))


class Shipment:
    """One shipment in this process, freed when nothing refers to it. ``modules`` are its top names.

    It is referred to by ``Shipments`` and by the runners of its jobs that a slot keeps prepared.
    """

    def __init__(self, packed: bytes, number: int) -> None:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            self.modules = list_modules(archive)
        file = ShippedFile(packed, number)
        self.number = file.number
        self._path = file.path
        weakref.finalize(self, _free, file)
        self._loaded: dict[str, ModuleType] = {}

    def enter(self) -> None:
        """Let its modules be imported, before all others."""
        hidden = {
            name: sys.modules.pop(name)
            for name in list(sys.modules)
            if name.partition(".")[0] in self.modules and not name.startswith("headrace")
        }
        self._hidden = hidden
        sys.modules.update(self._loaded)
        sys.path.insert(0, self._path)

    def leave(self) -> None:
        """Put its modules aside, and restore what they hid."""
        sys.path.remove(self._path)
        self._loaded = {
            name: sys.modules.pop(name)
            for name in list(sys.modules)
            if name.partition(".")[0] in self.modules and not name.startswith("headrace")
        }
        sys.modules.update(self._hidden)


class Shipments:
    """The shipments of a slot, of which at most one is entered."""

    _next: ClassVar[int] = FIRST_NUMBER

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Shipment] = OrderedDict()
        self._entered: Shipment | None = None

    def open(self, packed: bytes) -> Shipment:
        """Load a shipment. Raises ValueError for invalid bytes."""
        digest = sha256(packed).digest()
        known = self._kept.get(digest)
        if known is None:
            try:
                known = self._kept[digest] = Shipment(packed, self._next)
            except zipfile.BadZipFile as error:
                raise ValueError(f"the shipment cannot be opened: {error}") from error
            Shipments._next = known.number + 1
        self._kept.move_to_end(digest)
        while len(self._kept) > SHIPMENTS_KEPT:
            self._kept.popitem(last=False)
        return known

    def enter(self, shipment: Shipment | None) -> None:
        """Make the modules of this shipment visible, and of no other."""
        if shipment is self._entered:
            return
        if self._entered is not None:
            self._entered.leave()
        self._entered = shipment
        if shipment is not None:
            shipment.enter()


def _free(file: ShippedFile) -> None:
    """Close the file, and forget what was imported from its path."""
    file.empty()
    path = file.path
    for name in [name for name in sys.path_importer_cache if _lies_in(name, path)]:
        importer = sys.path_importer_cache.pop(name)
        if isinstance(importer, zipimport.zipimporter):
            importer.invalidate_caches()  # finds no archive any more
    for name in [name for name in linecache.cache if _lies_in(name, path)]:
        del linecache.cache[name]
    file.close()


def _lies_in(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}/")


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in SKIPPED or path.is_symlink():
            continue
        if path.is_dir():
            yield from _walk(path)
        elif path.is_file() and path.suffix != ".pyc":
            yield path
