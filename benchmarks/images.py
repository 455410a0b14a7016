"""M8: 24 photographs against xargs with vips, ImageMagick's mogrify, and a Pool with Pillow.

    python -m benchmarks.images [--quick]

All read the same files and write JPEG of quality 90. headrace submits to a coordinator and a worker
that are up already, and the pictures travel through the queue; with ``--shared`` paths travel.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path

from benchmarks.commands import (
    HEADRACE,
    SCRATCH,
    Command,
    Results,
    clear,
    compare,
    make_headrace_command,
    open_cluster,
    print_table,
    read_output,
    run_once,
)
from benchmarks.measures import Figures
from benchmarks.systems.headrace_cluster import HeadraceCluster
from benchmarks.systems.processes import ROOT
from benchmarks.systems.system import SLOTS

#: Pictures: the larger ones of the Debian packages, 1.9 to 15.9 megapixels.
PICTURES, QUICK_PICTURES = 24, 4

#: The systems beside headrace, and the programs that two of them need.
SHARED = "headrace --shared"
VIPS, MOGRIFY, PILLOW = f"xargs -P{SLOTS} vips", "mogrify", f"Pool({SLOTS}) with Pillow"
PROGRAMS = {VIPS: "vips", MOGRIFY: "mogrify"}

#: Quality of all outputs: headrace's own default.
QUALITY = 90

OPERATIONS = ("blur", "sharpen", "edges", "thumbnail")

#: Kernels of Pillow's SHARPEN and FIND_EDGES in the ways of vips and ImageMagick.
VIPS_KERNELS = {
    "sharpen": "3 3 16 0\n-2 -2 -2\n-2 32 -2\n-2 -2 -2\n",
    "edges": "3 3 1 0\n-1 -1 -1\n-1 8 -1\n-1 -1 -1\n",
}
MOGRIFY_OPTIONS = {
    "blur": "-blur 0x2",
    "sharpen": "-morphology Convolve '3x3: -.125,-.125,-.125 -.125,2,-.125 -.125,-.125,-.125'",
    "edges": "-morphology Convolve '3x3: -1,-1,-1 -1,8,-1 -1,-1,-1'",
    "thumbnail": "-thumbnail 256x256",
}

#: Rounds of a measure, and seconds that its commands share.
ROUNDS, QUICK_ROUNDS = 5, 2
MOST_SECONDS, MOST_QUICK_SECONDS = 25.0, 2.0


def measure_images(*, quick: bool = False) -> Results:
    """Every measure of images. Raises AssertionError where a system leaves a picture out."""
    pictures = gather_pictures(QUICK_PICTURES if quick else PICTURES)
    how_often = (QUICK_ROUNDS, MOST_QUICK_SECONDS) if quick else (ROUNDS, MOST_SECONDS)
    results: Results = {}
    with open_cluster() as cluster:
        for operation in OPERATIONS:
            commands = _make_commands(cluster, operation, pictures)
            # The first picture of a slot loads libvips, and the files come from the disk.
            run_once(commands[HEADRACE])
            results[f"images {operation}"] = compare(commands, *how_often)
            wanted = {path.name for path in pictures.iterdir()}
            for name, command in commands.items():
                assert command.output is not None
                made = {path.name for path in command.output.iterdir()}
                assert made == wanted, f"{name} made {len(made)} of {len(wanted)} pictures"
                clear(command.output)
    return results


def list_systems() -> dict[str, Callable[[], Figures]]:
    """What does each operation once; see ``benchmarks.whole``."""
    found = [HEADRACE, SHARED, PILLOW]
    found += [name for name, program in PROGRAMS.items() if shutil.which(program)]
    systems: dict[str, Callable[[], Figures]] = {
        name: partial(_measure_once, name) for name in found
    }
    return systems


def list_versions() -> dict[str, dict[str, str]]:
    versions = {PILLOW: {"Pillow": version("pillow")}}
    if shutil.which("vips"):
        versions[VIPS] = {"vips": read_output("vips", "--version").split()[0].removeprefix("vips-")}
    if shutil.which("mogrify"):
        versions[MOGRIFY] = {"ImageMagick": read_output("mogrify", "-version").split()[2]}
    return versions


def _measure_once(system: str) -> Figures:
    pictures = gather_pictures(PICTURES)
    figures: Figures = {}
    with open_cluster() if system in (HEADRACE, SHARED) else nullcontext() as cluster:
        for operation in OPERATIONS:
            command = _make_commands(cluster, operation, pictures)[system]
            assert command.output is not None
            if cluster and not figures:
                run_once(command)  # the first picture of a slot loads libvips
            figures[f"{operation}_seconds"] = run_once(command)["seconds"]
            made = len(list(command.output.iterdir()))
            assert made == PICTURES, f"{system} made {made} of {PICTURES} pictures"
            clear(command.output)
    return figures


def gather_pictures(count: int) -> Path:
    """A folder of so many photographs, the largest there are."""
    source, folder = SCRATCH / "photographs", SCRATCH / f"pictures-{count}"
    if not folder.exists():
        script = ROOT / "tests" / "support" / "photographs.py"
        make = [sys.executable, str(script), "--debian", str(source)]
        subprocess.run(make, check=True, stdout=sys.stderr)
        chosen = sorted(source.glob("*.jpg"), key=_count_pixels)[-PICTURES:]
        aside = folder.with_suffix(".part")
        clear(aside)
        aside.mkdir(exist_ok=True)
        for path in chosen[:: len(chosen) // count]:
            shutil.copy(path, aside)
        aside.rename(folder)
    return folder


def _count_pixels(path: Path) -> int:
    from PIL import Image  # noqa: PLC0415 - not where pictures are there already

    with Image.open(path) as picture:
        return picture.width * picture.height


def _make_commands(
    cluster: HeadraceCluster | None, operation: str, pictures: Path
) -> dict[str, Command]:
    outputs = {name: SCRATCH / f"out-{name}" for name in ("headrace", "shared", "vips", "magick",
                                                          "pillow")}  # fmt: skip
    for output in outputs.values():
        output.mkdir(exist_ok=True)
    commands = {
        VIPS: Command(
            f"ls | xargs -P{SLOTS} -I{{}} {_name_vips(operation, outputs['vips'])}",
            outputs["vips"],
            folder=pictures,
        ),
        MOGRIFY: Command(
            f"mogrify -path {outputs['magick']} {MOGRIFY_OPTIONS[operation]} -quality {QUALITY} *",
            outputs["magick"],
            folder=pictures,
        ),
        PILLOW: Command(
            (sys.executable, "-m", "benchmarks.pillow_pool", operation, str(pictures),
             str(outputs["pillow"]), str(QUALITY)),
            outputs["pillow"],
        ),
    }  # fmt: skip
    if cluster:
        ours = ["submit", "images", operation, "--quality", str(QUALITY), str(pictures)]
        through, beside = outputs["headrace"], outputs["shared"]
        commands[HEADRACE] = make_headrace_command(cluster, [*ours, str(through)], through)
        commands[SHARED] = make_headrace_command(cluster, [*ours, str(beside), "--shared"], beside)
    return commands


def _name_vips(operation: str, output: Path) -> str:
    target = f"'{output}/{{}}[Q={QUALITY}]'"
    if operation == "thumbnail":
        return f"vipsthumbnail {{}} --size '256x256>' -o '{output}/%s.jpg[Q={QUALITY}]'"
    if operation == "blur":
        return f"vips gaussblur {{}} {target} 2"
    kernel = SCRATCH / f"{operation}.mat"
    kernel.write_text(VIPS_KERNELS[operation])
    return f"vips conv {{}} {target} {kernel}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Photographs against vips, ImageMagick, Pillow.")
    parser.add_argument("--quick", action="store_true", help="fewer pictures, seconds")
    arguments = parser.parse_args()
    for command, package in (("vips", "libvips-tools"), ("mogrify", "imagemagick")):
        if shutil.which(command) is None:
            parser.exit(1, f"there is no {command} here: apt install {package}\n")
    print_table(measure_images(quick=arguments.quick))


if __name__ == "__main__":
    main()
