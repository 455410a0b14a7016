"""Cuts the crash program off between any two of its system calls, and records what it did.

    record:  strace ─► crash program ─► every call on the store's files, acknowledgements among them
    kill:    strace ─► crash program ─► SIGKILL at the entry of the chosen call, which is not made

Both run one child to its end, within ``RUN_SECONDS``; strace takes the program with it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.crash_program import Fact
from support.places import REPOSITORY

#: System calls that change a store's files or make them safe, and those that acknowledge (write).
#: The marked ones are not there on every processor.
CALLS = "pwrite64,write,ftruncate,fdatasync,fsync,openat,unlinkat,?unlink"

#: Files of a store beside the database itself.
SUFFIXES = ("", "-wal", "-journal", "-shm", "-payloads")

#: Seconds after which a run of the program has hung.
RUN_SECONDS = 60.0

#: One call as strace writes it: its name, what it was given, what it answered.
LINE = re.compile(r"^\d+ +(\w+)\((.*)\) += (\?|-?\d+)")

#: A descriptor with the file it stands for, and a string: both in hexadecimal.
DESCRIPTOR = re.compile(r"^\d+<([^>]*)>")
STRING = re.compile(r'"([^"]*)"(\.\.\.)?')


@dataclass(frozen=True, slots=True)
class Call:
    """A system call on a file: the ``number``-th of its name, from 1.

    ``data`` is empty where it was not recorded. ``number_argument`` is the place of a write, the
    size of a truncation. ``creates`` tells that an open may make the file.
    """

    name: str
    number: int
    file: str
    data: bytes = b""
    number_argument: int = 0
    creates: bool = False

    @property
    def changes(self) -> bool:
        """Tell whether the disk, or the client, knows more after it."""
        return self.name != "openat" or self.creates

    @property
    def place(self) -> tuple[str, int, str, int]:
        return self.name, self.number, self.file, self.number_argument

    def __str__(self) -> str:
        return f"{self.name} {self.number} ({self.file} at {self.number_argument})"


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of the program did, and how it ended."""

    calls: list[Call]
    lines: list[list[Fact]]
    ended_by: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where runs have their files. The store's folder is there from the beginning."""

    folder: Path

    def __post_init__(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def store(self) -> Path:
        return self.data / "store"

    @property
    def files(self) -> list[Path]:
        """Those of a store's files that are there."""
        paths = [self.store.with_name(self.store.name + suffix) for suffix in SUFFIXES]
        return [path for path in paths if path.exists()]

    @property
    def acknowledgements(self) -> Path:
        return self.folder / "acknowledgements"

    @property
    def trace(self) -> Path:
        return self.folder / "trace"

    def copy(self, folder: Path) -> Place:
        shutil.copytree(self.folder, folder)
        return Place(folder)

    def remove(self) -> None:
        shutil.rmtree(self.folder)


def find_hindrance() -> str:
    """Say why programs cannot be traced here; "" when they can."""
    strace = shutil.which("strace")
    if strace is None:
        return "needs strace (Debian package strace)"
    tried = subprocess.run(
        [strace, "-f", "-o", os.devnull, sys.executable, "-c", ""],
        capture_output=True, text=True, check=False, timeout=RUN_SECONDS,
    )  # fmt: skip
    return f"strace cannot trace here: {tried.stderr.strip()}" if tried.returncode else ""


def record(place: Place, durability: str, what: str = "run") -> Run:
    """Let the program do what it is told to its end, and keep every byte that it writes."""
    return _run(place, durability, what)


def kill_at(place: Place, call: Call, durability: str, what: str = "run") -> Run:
    """Let the program do what it is told up to this call, and kill it before it is made."""
    injection = f"inject={call.name}:signal=KILL:when={call.number}"
    return _run(place, durability, what, "-e", injection)


def spread(calls: Sequence[Call], most: int) -> list[Call]:
    """Choose up to ``most`` calls: one of each kind on each file, the rest spread over the run."""
    chosen = dict.fromkeys(list_kinds(calls))
    rest = [call for call in calls if call not in chosen]
    step = max(1, -(-len(rest) // max(1, most - len(chosen))))
    chosen |= dict.fromkeys(rest[step // 2 :: step])
    return list(chosen)[:most]


def list_kinds(calls: Sequence[Call]) -> list[Call]:
    """List one call of each kind on each file: that in the middle of the run's."""
    kinds: dict[tuple[str, str], list[Call]] = {}
    for call in calls:
        kinds.setdefault((call.name, call.file), []).append(call)
    return [group[len(group) // 2] for group in kinds.values()]


def _run(place: Place, durability: str, what: str, *options: str) -> Run:
    paths = [place.data, place.acknowledgements]
    paths += [place.store.with_name(place.store.name + suffix) for suffix in SUFFIXES]
    command = ["strace", "-f", "-qq", "-y", "-xx", "-o", str(place.trace)]
    command += ["--string-limit=1048576", "-e", f"trace={CALLS}", *options]
    for path in paths:
        command += ["-P", str(path)]
    command += [sys.executable, "-m", "support.crash_program"]
    command += [str(place.store), str(place.acknowledgements), durability, what]
    kept = os.environ.get("PYTHONPATH", "")
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'tests'}{os.pathsep}{kept}"}
    returned = _wait_for(command, environment)
    return Run(_read_trace(place), _read_acknowledgements(place), -returned)


def _wait_for(command: list[str], environment: dict[str, str]) -> int:
    """Run a command that ends well or by a kill, and say which. Nothing of it stays behind."""
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as traced:
        try:
            _, problem = traced.communicate(timeout=RUN_SECONDS)
        except BaseException:
            os.killpg(traced.pid, signal.SIGKILL)  # strace alone would let the program go on
            raise
    if traced.returncode not in (0, -signal.SIGKILL):
        raise AssertionError(f"the crash program ended with {traced.returncode}:\n{problem}")
    return traced.returncode


def _read_acknowledgements(place: Place) -> list[list[Fact]]:
    if not place.acknowledgements.exists():
        return []
    text = place.acknowledgements.read_text()
    assert text.endswith("\n") or not text, "half a line: it is written in one call"
    return [json.loads(line) for line in text.splitlines()]


def _read_trace(place: Place) -> list[Call]:
    counts: Counter[str] = Counter()
    calls: list[Call] = []
    for line in place.trace.read_text().splitlines():
        found = LINE.match(line)
        if found:
            name, arguments, answer = found.groups()
            counts[name] += 1
            if not answer.startswith("-"):  # one that failed has changed nothing
                calls.append(_read_call(name, counts[name], arguments, place))
    return calls


def _read_call(name: str, number: int, arguments: str, place: Place) -> Call:
    strings = STRING.findall(arguments)
    if name in ("openat", "unlink", "unlinkat"):
        file = _name_file(strings[0][0], place)
        return Call(name, number, file, creates="O_CREAT" in arguments)
    descriptor = DESCRIPTOR.match(arguments)
    assert descriptor, arguments[:500]
    file = _name_file(descriptor[1], place)
    data, last = b"", 0
    if strings and not strings[0][1]:
        data = _read_hexadecimal(strings[0][0])
    if name in ("pwrite64", "ftruncate"):
        last = int(arguments.rpartition(", ")[2])
    return Call(name, number, file, data, last)


def _name_file(hexadecimal: str, place: Place) -> str:
    """A file's name in the run's folder: the same in every run."""
    return os.fsdecode(_read_hexadecimal(hexadecimal)).removeprefix(f"{place.folder}/")


def _read_hexadecimal(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
