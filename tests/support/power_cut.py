"""Rebuilds a store's folder as a power cut or a kill leaves it, from the recorded calls of a run.

    calls before the cut ─► what was synced: is there
                       └──► what was not: any part of it, each write whole, torn, or not at all

A kill takes nothing of what was written: it is a cut with no loss.

Stricter than the usual file systems: a new name, or a removed one, is safe only once its folder was
synced; syncing the file is not enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from support.crash_points import Call

#: What a disk writes as a whole.
SECTOR_BYTES = 512

#: How likely an unsynced change is lost: one of these for each cut, so that all and nothing occur.
LOSSES = (0.0, 0.1, 0.5, 0.9, 1.0)
NO_LOSS = (0.0,)

#: The store's folder, as calls name it; and the file that carries nothing over a power cut, which
#: is mapped into memory: it may hold anything.
FOLDER = "data"
SHARED_MEMORY = "data/store-shm"

SYNCS = ("fdatasync", "fsync")


@dataclass(slots=True)
class _File:
    """What is safe of a file, and the calls on it since."""

    safe: bytearray = field(default_factory=bytearray)
    unsafe: list[Call] = field(default_factory=list[Call])

    def sync(self) -> None:
        for call in self.unsafe:
            _change(self.safe, call)
        self.unsafe.clear()


#: A name that came to mean a file, or that means none any more.
_Naming = tuple[str, "_File | None"]


class Disk:
    """A disk under the recorded calls, of which the power may be cut at any moment.

    In the beginning it has the files of a store's folder, if one is given, and they are safe.
    """

    def __init__(self, before: Path | None = None) -> None:
        files = sorted(before.iterdir()) if before else []
        self._names = {
            f"{FOLDER}/{file.name}": _File(bytearray(file.read_bytes()))
            for file in files
            if f"{FOLDER}/{file.name}" != SHARED_MEMORY
        }
        self._safe_names = dict(self._names)
        self._namings: list[_Naming] = []

    def apply(self, call: Call) -> None:
        """Make one call. Those on files that need no disk are passed over."""
        if not call.file.startswith(FOLDER) or call.file == SHARED_MEMORY:
            return
        if call.file == FOLDER:
            if call.name in SYNCS:
                self._name(self._safe_names, self._namings)
                self._namings.clear()
        elif call.name == "openat":
            if call.creates and call.file not in self._names:
                self._rename(call.file, _File())
        elif call.name in ("unlink", "unlinkat"):
            self._rename(call.file, None)
        elif call.name in SYNCS:
            self._names[call.file].sync()
        else:
            assert len(call.data) or call.name == "ftruncate", f"{call}: not recorded"
            self._names[call.file].unsafe.append(call)

    def list_unsafe(self, file: str) -> list[Call]:
        """The calls on a file that a power cut could take."""
        return list(self._names[file].unsafe) if file in self._names else []

    def leave(self, folder: Path, random: Random, losses: Sequence[float] = LOSSES) -> None:
        """Write down what a power cut at this moment leaves."""
        loss = random.choice(losses)
        names = dict(self._safe_names)
        self._name(names, [it for it in self._namings if random.random() >= loss])
        for name, file in names.items():
            content = bytearray(file.safe)
            for call in file.unsafe:
                if random.random() >= loss:
                    _change(content, call)
                elif call.name == "pwrite64" and random.random() < loss / 2:
                    _tear(content, call, random)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
        if random.random() < 0.5:
            (folder / SHARED_MEMORY).write_bytes(random.randbytes(1 << 15))

    def _rename(self, name: str, file: _File | None) -> None:
        self._namings.append((name, file))
        self._name(self._names, [(name, file)])

    @staticmethod
    def _name(names: dict[str, _File], namings: Sequence[_Naming]) -> None:
        for name, file in namings:
            names.pop(name, None)
            if file is not None:
                names[name] = file


def _change(content: bytearray, call: Call) -> None:
    """Write or truncate. What lies between the old end and the new one is zeros."""
    if call.name == "ftruncate":
        size = call.number_argument
        del content[size:]
        content.extend(bytes(size - len(content)))
    else:
        _write(content, call.number_argument, call.data)


def _tear(content: bytearray, call: Call, random: Random) -> None:
    """Write a beginning of what was to be written, or some of its sectors."""
    start, data = call.number_argument, call.data
    if random.random() < 0.5:
        _write(content, start, data[: random.randrange(len(data))])
        return
    for left in range(0, len(data), SECTOR_BYTES):
        if random.random() < 0.5:
            _write(content, start + left, data[left : left + SECTOR_BYTES])


def _write(content: bytearray, start: int, data: bytes) -> None:
    if data:
        content.extend(bytes(max(0, start - len(content))))
        content[start : start + len(data)] = data
