"""What people write without headrace: a Pool with Pillow.

    python -m benchmarks.pillow_pool OPERATION IN OUT QUALITY

Started by ``benchmarks.images``; ends when all pictures are written.
"""

from __future__ import annotations

import multiprocessing
import sys
from functools import partial
from pathlib import Path

from PIL import Image, ImageFilter

from benchmarks.systems.system import SLOTS

FILTERS: dict[str, ImageFilter.Filter | type[ImageFilter.Filter]] = {
    "blur": ImageFilter.GaussianBlur(2),
    "sharpen": ImageFilter.SHARPEN,
    "edges": ImageFilter.FIND_EDGES,
}

#: The box in pixels that a thumbnail fits into.
BOX = (256, 256)


def work(operation: str, output: Path, quality: int, path: Path) -> None:
    with Image.open(path) as picture:
        if operation == "thumbnail":
            picture.thumbnail(BOX)
            made: Image.Image = picture
        else:
            made = picture.filter(FILTERS[operation])
        made.save(output / path.name, quality=quality)


def main() -> None:
    operation, source, output, quality = sys.argv[1:]
    with multiprocessing.Pool(SLOTS) as pool:
        job = partial(work, operation, Path(output), int(quality))
        pool.map(job, sorted(Path(source).iterdir()))


if __name__ == "__main__":
    main()
