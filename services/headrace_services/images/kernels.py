"""The numbers of the filters: convolution kernels with the same results as Pillow's filters.

Pillow's GaussianBlur consists of three passes of an extended box blur (Gwosdek et al., "Theoretical
foundations of Gaussian convolution by extended box filtering", 2011): a box of 2l + 1 pixels with a
fractional pixel at each end. Three times its variance is the radius squared.

libvips convolves 8-bit pixels with vector instructions if the kernel consists of small integers: it
keeps 6 bits of the largest weight and rounds the others to that grid. Weights that are already on
the grid, and whose sum is a power of two, lose nothing, so the brightness stays exact.
"""

from __future__ import annotations

import math
from itertools import accumulate, pairwise

#: ImageFilter.SHARPEN: rows of weights, and their divisor.
SHARPEN = ([[-2, -2, -2], [-2, 32, -2], [-2, -2, -2]], 16)

#: ImageFilter.FIND_EDGES: likewise.
FIND_EDGES = ([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], 1)

#: How many passes of the box make up one blur.
PASSES = 3

#: The length of the shortest box, which has one whole pixel and two fractional ones.
_NARROWEST_BOX = 3

#: The largest weight that libvips' vector convolution keeps exactly.
VECTOR_LARGEST_WEIGHT = 64


def box_weights(radius: float) -> list[float]:
    """Return the weights of the box that blurs by ``radius`` pixels in three passes (sum: 1)."""
    variance = radius * radius / PASSES
    inner = math.floor((math.sqrt(12 * variance + 1) - 1) / 2)
    width = 2 * inner + 1
    end = width * (inner * (inner + 1) - 3 * variance) / (6 * (variance - (inner + 1) ** 2))
    total = width + 2 * end
    return [end / total, *([1 / total] * width), end / total]


def three_passes(box: list[float]) -> list[float]:
    """Return one kernel that has the same effect as three passes of the box."""
    return _convolve(_convolve(box, box), box)


def to_integer_passes(box: list[float], largest: int) -> list[tuple[list[int], int]]:
    """Return the integer kernels, each with its sum, for the three passes of a box.

    They are made by ``to_integers``. But the result of a small radius depends on one weight, that
    of the ends, which the grid represents poorly; so each pass corrects the rounding of the one
    before.
    """
    if len(box) > _NARROWEST_BOX:
        return [to_integers(box, largest)] * PASSES
    total = _largest_total(box, largest)
    targets = [round(total * box[0] * done) for done in range(PASSES + 1)]
    ends = [after - before for before, after in pairwise(targets)]
    return [([end, total - 2 * end, end], total) for end in ends]


def to_integers(weights: list[float], largest: int) -> tuple[list[int], int]:
    """Turn symmetric weights, whose sum is 1, into integers of at most ``largest``; return their
    sum, too.

    The sum is a power of two. Rounding errors are carried from the ends to the middle, so that they
    do not add up.
    """
    total = _largest_total(weights, largest)
    half = len(weights) // 2
    edges = [
        round(position) for position in accumulate(total * weight for weight in weights[:half])
    ]
    side = [edge - before for edge, before in zip(edges, [0, *edges], strict=False)]
    return [*side, total - 2 * sum(side), *reversed(side)], total


def _largest_total(weights: list[float], largest: int) -> int:
    total = 1
    while 2 * total * max(weights) <= largest:
        total *= 2
    return total


def _convolve(left: list[float], right: list[float]) -> list[float]:
    product = [0.0] * (len(left) + len(right) - 1)
    for i, x in enumerate(left):
        for j, y in enumerate(right):
            product[i + j] += x * y
    return product
