"""The main job on this machine: primes and pictures, in one process and on all cores.

    python examples/demo.py FOLDER-OF-PICTURES [LAST-NUMBER]

Every line is one `headrace run`, with one slot and then with one for each core: the same
coordinator, worker and pool as on a cluster, started for the job and stopped afterwards.
Primes are counted up to 1e11 or LAST-NUMBER, and found up to a hundredth of it. At the end some
pictures before and after lie side by side in one file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyvips

#: What is done to the pictures.
OPERATIONS = ("blur", "edges", "thumbnail")

#: Pictures of which the best are shown before and after, how many, and pixels of each.
CANDIDATES, SHOWN, TILE = 8, 4, 320


def run(arguments: list[str], slots: str) -> dict[str, Any]:
    """Run one job. Returns what ``--json`` prints."""
    command = [sys.executable, "-m", "headrace", "run", *arguments, "--slots", slots, "--json"]
    finished = subprocess.run(command, check=False, capture_output=True, text=True)
    if finished.returncode:
        sys.exit(f"\n{finished.stderr}")
    result: dict[str, Any] = json.loads(finished.stdout)
    return result


def show(title: str, arguments: list[str]) -> None:
    """Run a job both ways and print a line about it, each time as soon as it is known."""
    print(f"{title:<28}", end="", flush=True)
    seconds: list[float] = []
    job: dict[str, Any] = {}
    for slots in ("1", "auto"):
        job = run(arguments, slots)
        seconds.append(job["wall_seconds"])
        print(f"{seconds[-1]:9.2f} s", end="", flush=True)
    result = job["result"]
    if isinstance(result, int):
        found = f"{result:,} primes"
    else:
        found = next(
            f"{result[what]:,} {what}" for what in ("primes", "pictures") if what in result
        )
    print(f"{seconds[0] / seconds[1]:10.2f}{job['tasks']:7}  {found}", flush=True)


def make_sheet(photographs: Path, sheet: Path) -> None:
    """Put a part of some pictures and what became of it into one: a row for each picture."""
    folders = [photographs, *(photographs.parent / operation for operation in OPERATIONS)]
    names = [path.name for path in sorted(photographs.iterdir()) if not path.name.startswith(".")]
    candidates = names[:: max(len(names) // CANDIDATES, 1)][:CANDIDATES]
    # A filter hardly changes an even sky, or what is out of focus: show those with most edges.
    details = [(*find_detail(photographs.parent / "edges" / name), name) for name in candidates]
    tiles: list[pyvips.Image] = []
    for _, corner, name in sorted(details, reverse=True)[:SHOWN]:
        tiles += [cut(folder / name, corner) for folder in folders]
    joined = pyvips.Image.arrayjoin(tiles, across=len(folders), shim=8, background=255)
    joined.write_to_file(str(sheet), Q=90)


def find_detail(edges: Path) -> tuple[float, tuple[int, int]]:
    """How many edges the part of a picture has that has the most, and that part's corner."""
    grey = pyvips.Image.new_from_file(str(edges)).colourspace("b-w")[0]
    strength = grey**2  # one strong edge says more than noise everywhere
    across, down = grey.width // TILE, grey.height // TILE
    if not (across and down):
        return strength.avg(), (0, 0)
    # The filter leaves the outermost pixels as they are: these are no edges.
    inner = strength.crop(1, 1, grey.width - 2, grey.height - 2)
    framed = inner.embed(1, 1, grey.width, grey.height)
    parts = framed.crop(0, 0, across * TILE, down * TILE).shrink(TILE, TILE)
    most, place = parts.max(x=True, y=True)
    return most, (TILE * place["x"], TILE * place["y"])


def cut(path: Path, corner: tuple[int, int]) -> pyvips.Image:
    """Read a part of a picture as it is, one pixel for one; a small picture is put on white."""
    picture = pyvips.Image.new_from_file(str(path)).colourspace("srgb")[:3]
    left, top = corner
    if picture.width >= left + TILE and picture.height >= top + TILE:
        return picture.crop(left, top, TILE, TILE)
    whole = picture.crop(0, 0, min(picture.width, TILE), min(picture.height, TILE))
    return whole.gravity("centre", TILE, TILE, extend="white")


def main() -> None:
    photographs = Path(sys.argv[1])
    last = float(sys.argv[2]) if sys.argv[2:] else 1e11
    counted, found = (
        f"{stop:.0e}".replace("e+0", "e").replace("e+", "e") for stop in (last, last / 100)
    )
    print(
        f"{'job':<28}{'1 slot':>11}{'all cores':>11}{'speed-up':>10}{'tasks':>7}  result",
        flush=True,
    )
    primes = photographs.parent / "primes.txt"
    show(f"primes count 0 {counted}", ["primes", "count", "0", counted])
    show(f"primes find 0 {found}", ["primes", "find", "0", found, "-o", str(primes)])
    for operation in OPERATIONS:
        output = photographs.parent / operation
        show(f"images {operation}", ["images", operation, str(photographs), str(output)])
    sheet = photographs.parent / "before-and-after.jpg"
    make_sheet(photographs, sheet)
    print(f"The primes are in {primes}, the pictures in folders beside it.")
    print(f"{sheet} shows some of them: as they were, {', '.join(OPERATIONS)}.")


if __name__ == "__main__":
    main()
