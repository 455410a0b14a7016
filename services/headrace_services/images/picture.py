"""One picture: decoded strictly, worked on, encoded. Whatever is wrong with it is said in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace_services.images.colours import fit_to_format, to_plain_space
from headrace_services.images.filters import apply_operation, fit
from headrace_services.images.formats import TITLES, sniff_format
from headrace_services.images.libvips import load_libvips
from headrace_services.images.previews import drop_previews
from headrace_services.images.resolution import drop_resolution, states_resolution

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyvips import Image

    from headrace_services.images.options import Options

#: Quality, 1 to 100, where none is asked for: losses that nobody sees.
_DEFAULT_QUALITY = {"jpeg": 90, "webp": 85}

#: EXIF orientations in which stored rows are columns of the upright picture.
_TURNED = frozenset({5, 6, 7, 8})

#: Factors by which a JPEG decodes to a smaller picture at a fraction of the cost.
_JPEG_SHRINKS = (8, 4, 2)

#: What the messages hold, in lower case, when picture data are missing or wrong.
_DAMAGE_SIGNS = (
    "premature end",
    "unexpected end",
    "bad huffman code",
    "read error",
    "unable to parse image",
)


class BrokenPictureError(ValueError):
    """The picture cannot be decoded or encoded."""


def process(data: bytes, file_format: str, options: Options) -> bytes:
    """Decode a picture, do what the options ask and encode it as ``file_format``.

    The picture is turned upright by its EXIF orientation; EXIF, XMP, IPTC and colour profile stay
    (TIFF keeps no EXIF); previews in them are dropped. Of animations and pages the first counts.
    Raises BrokenPictureError, saying why, for anything that is not a whole picture.
    """
    kind = recognise(data)
    pyvips = load_libvips()
    try:
        return _process(kind, data, file_format, options, "warning" if kind == "jpeg" else "error")
    except pyvips.Error as error:
        message = str(error)
        if kind != "jpeg" or _is_damage(message):
            raise BrokenPictureError(_explain(kind, file_format, message)) from error
    # Cameras and editors write JPEGs that libjpeg warns of and that lack nothing.
    try:
        return _process(kind, data, file_format, options, "error")
    except pyvips.Error as error:
        raise BrokenPictureError(_explain(kind, file_format, str(error))) from error


def _process(kind: str, data: bytes, file_format: str, options: Options, fail_on: str) -> bytes:
    header = _open_checked(kind, data, options, fail_on)
    image = _upright(_reduce(kind, data, header, options, fail_on))
    image = to_plain_space(drop_previews(image))
    image = apply_operation(image, options, _upright_size(header))
    encoded = _save(fit_to_format(image, file_format), file_format, options)
    if states_resolution(kind, data, header):
        return encoded
    return drop_resolution(file_format, encoded)


def recognise(data: bytes) -> str:
    """Tell the picture's format. Raises BrokenPictureError where it is none of ours."""
    if not data:
        raise BrokenPictureError("the file is empty")
    kind = sniff_format(data)
    if kind is None:
        raise BrokenPictureError(f"this is not a {', '.join(TITLES.values())} picture")
    return kind


def _open_checked(kind: str, data: bytes, options: Options, fail_on: str) -> Image:
    header = _open(kind, data, fail_on)
    megapixels = header.width * header.height / 1e6
    if megapixels > options.max_megapixels:
        raise BrokenPictureError(
            f"{header.width} x {header.height} pixels are {megapixels:,.0f} megapixels, "
            f"more than the limit of {options.max_megapixels:g}"
        )
    return header


def _reduce(kind: str, data: bytes, header: Image, options: Options, fail_on: str) -> Image:
    """The picture as small as it can be decoded for its thumbnail."""
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
    """The factor that leaves at least twice the thumbnail's pixels, for the final filter."""
    width, height = _turn(header, fit(*_upright_size(header), size))
    for factor in _JPEG_SHRINKS:
        if header.width >= 2 * factor * width and header.height >= 2 * factor * height:
            return factor
    return 1


def _orientation(image: Image) -> int:
    value = image.get("orientation") if "orientation" in image.get_fields() else 1
    return value if isinstance(value, int) else 1


def _turn(image: Image, size: tuple[int, int]) -> tuple[int, int]:
    """From a size as stored to that of the upright picture, and back."""
    return (size[1], size[0]) if _orientation(image) in _TURNED else size


def _upright_size(image: Image) -> tuple[int, int]:
    return _turn(image, (image.width, image.height))


def _upright(image: Image) -> Image:
    # Turning and flipping need all rows at once; decoding hands them out from the top only.
    return image if _orientation(image) == 1 else image.copy_memory().autorot()


def _save(image: Image, file_format: str, options: Options) -> bytes:
    how: dict[str, int | str] = {}
    if file_format in _DEFAULT_QUALITY:
        how["Q"] = options.quality or _DEFAULT_QUALITY[file_format]
    if file_format == "png":
        # libvips' own choice, no filter, makes photographs nearly twice as large.
        how["filter"] = "all"
    if file_format == "tiff":
        how["compression"] = "deflate"
        how["predictor"] = "float" if image.format in ("float", "double") else "horizontal"
    encode: Callable[..., bytes] = getattr(image, f"{file_format}save_buffer")
    return encode(**how)


def _is_damage(message: str) -> bool:
    return any(sign in message.lower() for sign in _DAMAGE_SIGNS)


def _explain(kind: str, file_format: str, message: str) -> str:
    """Turn libvips' several lines into one that says what is wrong, with the file or the output."""
    call, *lines = [line.strip() for line in message.splitlines() if line.strip()]
    detail = lines[0].rpartition(": ")[2] if lines else call
    if _is_damage(message):
        return f"truncated or damaged {TITLES[kind]} ({detail})"
    if f"{file_format}save" in message:
        return f"cannot be written as {TITLES[file_format]}: {detail}"
    return f"damaged {TITLES[kind]} ({detail})"
