"""Fuzzing, for as long as one likes: ``python -m support.fuzzing --seconds 60 [TARGET...]``.

    one process a target ─► atheris ─┬─► any bytes, changed by libFuzzer ────────► Target.check
                                     └─► bytes that hypothesis draws inputs from ─┘

What Python code they come through is instrumented, so that inputs which reach further are kept. An
input that is a fault (an exception, a crash, a hang, too much memory) is put into the corpus, with
which the tests begin from then on. Without atheris hypothesis draws the inputs, and nothing guides
it.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib.util
import mmap
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from support.fuzzing.target import Target

#: Seconds that an input may take, and the memory in MiB that the process may.
MOST_SECONDS = 10
MOST_MIB = 1024

#: Bytes of an input that libFuzzer makes.
LONGEST = 8192

#: What is instrumented.
PACKAGES = ["headrace_wire", "headrace_services", "headrace_coordinator"]

_EVERYTHING = settings(
    max_examples=10**9, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


class Witness:
    """The input that is tried just now, in a file that outlives the process."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._file.truncate(1 << 20)
        self._map = mmap.mmap(self._file.fileno(), 1 << 20)

    def note(self, data: bytes) -> None:
        """Say what is tried now."""
        self._map[:4] = len(data).to_bytes(4)
        self._map[4 : 4 + len(data)] = data

    @staticmethod
    def read(path: Path) -> bytes:
        """The input that was tried last."""
        kept = path.read_bytes()
        return kept[4 : 4 + int.from_bytes(kept[:4])]


def main() -> int:
    """Try every target, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m support.fuzzing")
    parser.add_argument("targets", nargs="*", help="some of them; all when none is named")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"), help="for what is kept")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        (name,) = options.targets
        _try_inside(name, options.seconds, options.folder)
        return 0
    from support.fuzzing.targets import TARGETS  # noqa: PLC0415 - inside, it is instrumented

    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    if not _has_atheris():
        print("atheris is not here: hypothesis draws the inputs, unguided")
    found = 0
    for name in options.targets or TARGETS:
        found += _try_target(TARGETS[name], options.seconds, options.folder)
    print(f"{found} of the targets are at fault" if found else "no faults were found")
    return 1 if found else 0


def _try_target(target: Target, seconds: float, folder: Path) -> bool:
    """Try one in a process of its own, and keep the input that was a fault."""
    from support.fuzzing.targets import CORPUS  # noqa: PLC0415 - as above

    kept = folder / target.name
    kept.mkdir(parents=True, exist_ok=True)
    known = [path.read_bytes() for path in sorted((CORPUS / target.name).glob("*"))]
    for seed in [*target.seeds, *known]:
        (kept / sha256(seed).hexdigest()[:16]).write_bytes(b"\x00" + seed)
    started = time.monotonic()
    with (folder / f"{target.name}.log").open("wb") as log:
        done = subprocess.run(
            [sys.executable, "-m", "support.fuzzing", "--inside", target.name,
             "--seconds", str(seconds), "--folder", str(folder)],
            stdout=log, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    lines = (folder / f"{target.name}.log").read_text(errors="replace").splitlines()
    runs = next((line for line in reversed(lines) if line.startswith(("Done ", "#"))), "")
    took = f"{target.name}: {time.monotonic() - started:.0f} s, {runs}"
    if done.returncode == 0:
        print(f"{took}: ok", flush=True)
        return False
    data = Witness.read(folder / f"{target.name}.input")
    place = CORPUS / target.name / sha256(data).hexdigest()[:16]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    print(f"{took}: FAULT\n  {place}", *lines[-30:], sep="\n  ", flush=True)
    return True


def _try_inside(name: str, seconds: float, folder: Path) -> None:
    """Try a target until the time is over, or until it is at fault: then the process dies."""
    faulthandler.enable()
    witness = Witness(folder / f"{name}.input")
    if _has_atheris():
        _run_atheris(name, seconds, folder, witness)
        return
    from support.fuzzing.targets import TARGETS  # noqa: PLC0415 - as above

    deadline = time.monotonic() + seconds
    draw = _draw_for(TARGETS[name], witness)
    while time.monotonic() < deadline:
        settings(_EVERYTHING, max_examples=1000)(draw)()


def _run_atheris(name: str, seconds: float, folder: Path, witness: Witness) -> None:
    import atheris  # noqa: PLC0415 - in an environment of its own

    with atheris.instrument_imports(include=PACKAGES):
        from support.fuzzing.targets import TARGETS  # noqa: PLC0415 - instrumented
    target = TARGETS[name]
    draw = _draw_for(target, witness)

    def try_one(data: bytes) -> None:
        if data[:1] == b"\x00":
            witness.note(data[1:])
            target.check(data[1:])
        else:
            draw.hypothesis.fuzz_one_input(data[1:])

    arguments = [
        f"-max_total_time={max(1, round(seconds))}", f"-timeout={MOST_SECONDS}",
        f"-rss_limit_mb={MOST_MIB}", f"-max_len={LONGEST}", "-verbosity=1", "-print_final_stats=0",
        f"-artifact_prefix={folder}/{name}-", str(folder / name),
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *arguments], try_one)
    atheris.Fuzz()


def _draw_for(target: Target, witness: Witness) -> Any:
    """A test of hypothesis that tries what the target's own strategy draws."""

    @_EVERYTHING
    @given(st.deferred(lambda: target.inputs))
    def draw(data: bytes) -> None:
        witness.note(data)
        target.check(data)

    return draw


def _has_atheris() -> bool:
    return importlib.util.find_spec("atheris") is not None


if __name__ == "__main__":
    sys.exit(main())
