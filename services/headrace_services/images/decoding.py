"""Decodes pictures: recognizes them, checks their headers, decodes them small enough and
upright.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace_services.images.filters import fit
from headrace_services.images.formats import TITLES, sniff_format
from headrace_services.images.frames import cut_frames
from headrace_services.images.libvips import load_libvips

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyvips import Image

    from headrace_services.images.options import Options

#: EXIF orientations in which stored rows are columns of the upright picture.
_TURNED = frozenset({5, 6, 7, 8})

#: Factors by which a JPEG can be decoded to a smaller picture at a fraction of the cost.
_JPEG_SHRINKS = (8, 4, 2)


class BrokenPictureError(ValueError):
    """The picture cannot be decoded or encoded."""


def recognise(data: bytes) -> str:
    """Return the picture's format. Raises BrokenPictureError if it is not one of ours."""
    if not data:
        raise BrokenPictureError("the file is empty")
    kind = sniff_format(data)
    if kind is None:
        raise BrokenPictureError(f"this is not a {', '.join(TITLES.values())} picture")
    return kind


def open_checked(kind: str, data: bytes, options: Options, fail_on: str) -> Image:
    """Open a picture; of several, the first. Raises BrokenPictureError if it is too large."""
    header = _open(kind, data, fail_on)
    size = f"{header.width} x {header.height} pixels are"
    _check_pixels(header.width * header.height, size, options)
    return header


def decode_frames(
    kind: str, data: bytes, header: Image, count: int, options: Options, fail_on: str
) -> Iterator[Image]:
    """Yield the frames of an animation, or the pages of a TIFF, one after the other.

    Raises BrokenPictureError if all together are too large.
    """
    if kind == "tiff":
        yield from _open_pages(data, count, options, fail_on)
    else:
        size = f"{count} frames of {header.width} x {header.height} pixels are"
        _check_pixels(count * header.width * header.height, size, options)
        yield from cut_frames(_open(kind, data, fail_on, n=-1), count)


def _open_pages(data: bytes, count: int, options: Options, fail_on: str) -> Iterator[Image]:
    """Yield a TIFF's pages, which may be of any size, before they are decoded."""
    pixels = 0
    for number in range(count):
        page = _open("tiff", data, fail_on, page=number)
        pixels += page.width * page.height
        _check_pixels(pixels, f"its first {number + 1} pages are", options)
        yield page


def _check_pixels(pixels: int, what: str, options: Options) -> None:
    limit = options.max_megapixels * 1e6
    if pixels <= min(limit, options.ceiling_pixels):
        return
    shown = f"{what} {pixels / 1e6:,.0f} megapixels"
    if limit <= options.ceiling_pixels:
        raise BrokenPictureError(f"{shown}, more than the limit of {options.max_megapixels:g}")
    raise BrokenPictureError(
        f"{shown}, and the worker takes {options.ceiling_pixels / 1e6:g} at most (--max-pixels)"
    )


def reduce(kind: str, data: bytes, header: Image, options: Options, fail_on: str) -> Image:
    """Return the picture decoded as small as possible for its thumbnail."""
    if options.operation == "thumbnail" and kind == "jpeg":
        shrink = _jpeg_shrink(header, options.size)
        if shrink > 1:
            return _open(kind, data, fail_on, shrink=shrink)
    return header


def _open(kind: str, data: bytes, fail_on: str, **how: int) -> Image:
    pyvips = load_libvips()
    loader = getattr(pyvips.Image, f"{kind}load_buffer")
    image: Image = loader(data, access="sequential", fail_on=fail_on, **how)
    return image


def _jpeg_shrink(header: Image, size: tuple[int, int]) -> int:
    """Return the factor that leaves at least twice the thumbnail's pixels, for the final filter."""
    width, height = _turn(header, fit(*upright_size(header), size))
    for factor in _JPEG_SHRINKS:
        if header.width >= 2 * factor * width and header.height >= 2 * factor * height:
            return factor
    return 1


def _orientation(image: Image) -> int:
    value = image.get("orientation") if "orientation" in image.get_fields() else 1
    return value if isinstance(value, int) else 1


def _turn(image: Image, size: tuple[int, int]) -> tuple[int, int]:
    """Convert a stored size to that of the upright picture, or the reverse."""
    return (size[1], size[0]) if _orientation(image) in _TURNED else size


def upright_size(image: Image) -> tuple[int, int]:
    return _turn(image, (image.width, image.height))


def upright(image: Image) -> Image:
    # Turning and flipping need all rows at once, but decoding only provides them from the top.
    return image if _orientation(image) == 1 else image.copy_memory().autorot()
