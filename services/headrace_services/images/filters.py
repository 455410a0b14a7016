"""The operations on a decoded picture, which are close to what Pillow makes of the same pixels.

For 8-bit pictures without transparency, compared with Pillow 13 on the same pixels:

    sharpen, edges   equal in every pixel, including the outermost rows and columns, which Pillow
                     does not change
    blur             radius under 32: no sample differs by more than 3 (of 255), from radius 2 to
                     32 by more than 2; the mean difference stays under 0.6. From 32 on: 8, and
                     a mean under 1.2 in pictures larger than the radius
    grayscale        ``convert("L")``, within 1, of the colours in sRGB: a profile other than sRGB
                     is applied first, because a grey picture cannot keep it

16-bit pictures give the same within that scale. If there is transparency, blur and thumbnail weight
colours by it (Pillow on ``RGBa``), and sharpen and edges do not change it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headrace_services.images import kernels
from headrace_services.images.colours import to_srgb
from headrace_services.images.libvips import load_libvips

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyvips import Image

    from headrace_services.images.options import Options

#: Up to this radius in pixels, a blur is three passes of a box; beyond, one kernel is faster.
_PASSES_UP_TO_RADIUS = 5.0

#: From this radius in pixels on, a picture is halved as often as necessary before it is blurred.
_HALVE_FROM_RADIUS = 32.0

#: Weights for samples of 16 bits and more, for which libvips has no vector convolution.
_WIDE_LARGEST_WEIGHT = 4096

#: The weights of red, green and blue in the luma of ITU-R 601, as in Pillow's ``convert("L")``.
_LUMA = [0.299, 0.587, 0.114]


def apply_operation(image: Image, options: Options, size: tuple[int, int]) -> Image:
    """Apply the operation to an upright picture, which keeps its metadata.

    ``size`` is the whole picture's (width, height); for a thumbnail it may have been decoded
    smaller.
    """
    match options.operation:
        case "blur":
            return blur(image, options.radius)
        case "sharpen":
            return convolve_colours(image, *kernels.SHARPEN)
        case "edges":
            # Edges between amounts of ink would come out as a negative.
            return convolve_colours(to_srgb_if_cmyk(image), *kernels.FIND_EDGES)
        case "grayscale":
            return to_grayscale(image)
        case "thumbnail":
            return shrink(image, *fit(*size, options.size))
        case _:
            return image


def blur(image: Image, radius: float) -> Image:
    if radius == 0:
        return image
    return _weighed_by_alpha(image, lambda colours: _blur_bands(colours, radius))


def convolve_colours(image: Image, rows: list[list[int]], divisor: int) -> Image:
    if image.width < 3 or image.height < 3:
        return image
    pyvips = load_libvips()
    kernel: Image = pyvips.Image.new_from_array(rows, scale=divisor)
    colours, alpha = _split(image)
    filtered = colours.conv(kernel, precision=_precision(colours))
    inside = filtered.crop(1, 1, image.width - 2, image.height - 2)
    bordered = colours.insert(inside, 1, 1)
    return bordered if alpha is None else bordered.bandjoin(alpha)


def to_grayscale(image: Image) -> Image:
    colours, alpha = _split(image)
    if colours.bands < 3:
        return image
    pyvips = load_libvips()
    colours = to_srgb(colours)
    is_wide = colours.format == "ushort"
    weights: Image = pyvips.Image.new_from_array([_LUMA])
    luma = colours.recomb(weights)
    if colours.format in ("uchar", "ushort"):
        luma = luma.rint().cast(colours.format)
    grey = luma.copy(interpretation="grey16" if is_wide else "b-w")
    # An RGB profile would make a one-channel picture invalid.
    grey = _without(grey, "icc-profile-data")
    return grey if alpha is None else grey.bandjoin(alpha.cast(grey.format))


def shrink(image: Image, width: int, height: int) -> Image:
    if (width, height) == (image.width, image.height):
        return image
    return _weighed_by_alpha(
        image,
        lambda colours: colours.resize(width / colours.width, vscale=height / colours.height),
    )


def fit(width: int, height: int, size: tuple[int, int]) -> tuple[int, int]:
    """Return the (width, height) of a thumbnail in the box ``size``, never larger, as Pillow does.

    The side that does not fill the box is one of the two whole numbers around its true length: the
    one that is nearer to the picture's shape.
    """
    if width <= size[0] and height <= size[1]:
        return width, height
    shape = width / height
    if size[0] / size[1] >= shape:
        return _round(size[1] * shape, lambda side: abs(shape - side / size[1])), size[1]
    return size[0], _round(size[0] / shape, lambda side: abs(shape - size[0] / side))


def _round(length: float, is_off_by: Callable[[int], float]) -> int:
    """Return the whole number below or above ``length``, from 1 on, whose error is less."""
    below = math.floor(length)
    return min(below, math.ceil(length), key=is_off_by) if below else 1


def to_srgb_if_cmyk(image: Image) -> Image:
    return to_srgb(image) if image.interpretation == "cmyk" else image


def _blur_bands(image: Image, radius: float) -> Image:
    if radius >= _HALVE_FROM_RADIUS:
        return _blur_reduced(image, radius)
    box = kernels.box_weights(radius)
    reach = kernels.PASSES * (len(box) // 2)
    if radius <= _PASSES_UP_TO_RADIUS or min(image.width, image.height) <= 4 * reach:
        return _blur_in_passes(image, box)
    # Distant rows are needed at once, which a picture that is still being decoded cannot provide.
    return _blur_at_once(image.copy_memory(), box, reach)


def _blur_in_passes(image: Image, box: list[float]) -> Image:
    """Blur along the rows in three passes, then along the columns.

    Passes along the columns compute rows beyond a strip again, which is faster the fewer passes
    precede them.
    """
    pyvips = load_libvips()
    passes = kernels.to_integer_passes(box, _largest_weight(image))
    for integers, total in passes:
        row: Image = pyvips.Image.new_from_array([integers], scale=total)
        image = image.conv(row, precision=_precision(image))
    for integers, total in passes:
        column: Image = pyvips.Image.new_from_array([[weight] for weight in integers], scale=total)
        image = image.conv(column, precision=_precision(image))
    return image


def _blur_at_once(image: Image, box: list[float], reach: int) -> Image:
    """Blur with one kernel, and in passes along the border, where the two are not the same.

    Beyond the border, a picture is continued with its outermost pixels: with passes, with those of
    the previous pass; with one kernel, with those of the picture. This is visible within ``reach``
    pixels.
    """
    integers, total = kernels.to_integers(kernels.three_passes(box), _largest_weight(image))
    blurred = _convolve_separably(image, integers, total)
    width, height, wide = image.width, image.height, 2 * reach
    for strip, kept in (
        ((0, 0, width, wide), (0, 0, width, reach)),
        ((0, height - wide, width, wide), (0, height - reach, width, reach)),
        ((0, 0, wide, height), (0, 0, reach, height)),
        ((width - wide, 0, wide, height), (width - reach, 0, reach, height)),
    ):
        passed = _blur_in_passes(image.crop(*strip), box)
        # The strip's inner half depends on the cut and is left out.
        left, top = kept[0] - strip[0], kept[1] - strip[1]
        blurred = blurred.insert(passed.crop(left, top, *kept[2:]), kept[0], kept[1])
    return blurred


def _blur_reduced(image: Image, radius: float) -> Image:
    """Blur a reduced copy and enlarge it: no detail is left that the copy could lack."""
    factor = 2 ** (math.floor(math.log2(radius / _HALVE_FROM_RADIUS)) + 1)
    columns, rows = -(-image.width // factor), -(-image.height // factor)
    padded = image.embed(0, 0, columns * factor, rows * factor, extend="copy")
    reduced = padded.shrink(factor, factor).copy_memory()
    # Averaging and interpolating blur, too; their variances are 1/12 and 1/6 of factor².
    rest = math.sqrt(radius**2 - (factor**2 - 1) / 12 - factor**2 / 6) / factor
    enlarged = _blur_bands(reduced, rest).resize(factor, kernel="linear")
    return enlarged.crop(0, 0, image.width, image.height)


def _convolve_separably(image: Image, weights: list[int], total: int) -> Image:
    kernel: Image = load_libvips().Image.new_from_array([weights], scale=total)
    return image.convsep(kernel, precision=_precision(image))


def _largest_weight(image: Image) -> int:
    return kernels.VECTOR_LARGEST_WEIGHT if image.format == "uchar" else _WIDE_LARGEST_WEIGHT


def _weighed_by_alpha(image: Image, work: Callable[[Image], Image]) -> Image:
    """Process colours multiplied by their opacity, so that hidden colours do not bleed out."""
    if not image.hasalpha():
        return work(image)
    whole_numbers = image.format in ("uchar", "ushort")
    weighed = image.premultiply()
    weighed = weighed.rint().cast(image.format) if whole_numbers else weighed
    weighed = weighed.copy(interpretation=image.interpretation)
    worked = work(weighed).unpremultiply()
    worked = worked.rint().cast(image.format) if whole_numbers else worked
    return worked.copy(interpretation=image.interpretation)


def _split(image: Image) -> tuple[Image, Image | None]:
    if not image.hasalpha():
        return image, None
    last = image.bands - 1
    return image.extract_band(0, n=last), image.extract_band(last)


def _precision(image: Image) -> str:
    return "float" if image.format in ("float", "double") else "integer"


def _without(image: Image, field: str) -> Image:
    if field not in image.get_fields():
        return image
    changed = image.copy()
    changed.remove(field)
    return changed
