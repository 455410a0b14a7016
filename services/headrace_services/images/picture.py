"""Processes one picture: decodes it strictly, edits it and encodes it. Errors say what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from headrace_services.images.colours import (
    fit_to_format,
    to_colours_with_alpha,
    to_plain_space,
)
from headrace_services.images.decoding import (
    BrokenPictureError,
    decode_frames,
    open_checked,
    recognise,
    reduce,
    upright,
    upright_size,
)
from headrace_services.images.filters import apply_operation, fit
from headrace_services.images.formats import TITLES
from headrace_services.images.frames import (
    HOLDS_FRAMES,
    count_frames,
    find_cut,
    read_timing,
    save_animation,
)
from headrace_services.images.libvips import load_libvips
from headrace_services.images.previews import drop_previews
from headrace_services.images.resolution import drop_resolution, states_resolution
from headrace_services.images.tiff import join_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyvips import Image

    from headrace_services.images.options import Options

#: The default quality, 1 to 100: nobody sees what is lost.
_DEFAULT_QUALITY = {"jpeg": 90, "webp": 85}

#: Parts of libvips' messages, in lower case, which mean that data are missing or wrong.
_DAMAGE_SIGNS = (
    "premature end",
    "unexpected end",
    "bad huffman code",
    "read error",
    "unable to parse image",
)


class Processed(Struct, frozen=True):
    """An encoded picture, and how many of the input's frames it does not contain."""

    data: bytes
    frames_dropped: int = 0


def process(data: bytes, file_format: str, options: Options) -> Processed:
    """Decode a picture, do what the options say and encode it as ``file_format``.

    The picture is turned upright according to its EXIF orientation. EXIF, XMP, IPTC and the colour
    profile are kept (but TIFF keeps no EXIF), and previews in them are removed. Frames and pages
    are kept, with their times, if the output's format can hold them; otherwise only the first is
    kept. Raises BrokenPictureError, which says why, for anything that is not a complete picture.
    """
    kind = recognise(data)
    pyvips = load_libvips()
    try:
        return _process(kind, data, file_format, options, "warning" if kind == "jpeg" else "error")
    except pyvips.Error as error:
        message = str(error)
        if kind != "jpeg" or _is_damage(message):
            raise BrokenPictureError(_explain(kind, file_format, message)) from error
    # Cameras and editors write JPEGs that are complete although libjpeg warns about them.
    try:
        return _process(kind, data, file_format, options, "error")
    except pyvips.Error as error:
        raise BrokenPictureError(_explain(kind, file_format, str(error))) from error


def _process(kind: str, data: bytes, file_format: str, options: Options, fail_on: str) -> Processed:
    header = open_checked(kind, data, options, fail_on)
    has_resolution = states_resolution(kind, data, header)
    count = count_frames(kind, data, header)
    cut = find_cut(kind, data)
    if cut:
        raise BrokenPictureError(f"truncated or damaged {TITLES[kind]} ({cut})")
    if count > 1 and {kind, file_format} <= HOLDS_FRAMES:
        frames = decode_frames(kind, data, header, count, options, fail_on)
        if file_format == "tiff":
            return Processed(join_pages([_save_page(frame, options) for frame in frames]))
        if kind != "tiff" or _are_of_one_size(
            decode_frames(kind, data, header, count, options, fail_on), options
        ):
            worked = (_work(frame, frame, file_format, options) for frame in frames)
            if kind == "tiff":
                worked = (to_colours_with_alpha(page) for page in worked)
            timing = read_timing(kind, data, header, count)
            how = _how_to_save(file_format, options)
            return Processed(save_animation(worked, file_format, timing, how))
    image = reduce(kind, data, header, options, fail_on)
    encoded = _save(_work(image, header, file_format, options), file_format, options)
    if not has_resolution:
        encoded = drop_resolution(file_format, encoded)
    return Processed(encoded, count - 1)


def _work(image: Image, header: Image, file_format: str, options: Options) -> Image:
    """Edit a picture whose full size is in ``header``."""
    plain = to_plain_space(drop_previews(upright(image)))
    return fit_to_format(apply_operation(plain, options, upright_size(header)), file_format)


def _save_page(page: Image, options: Options) -> bytes:
    encoded = _save(_work(page, page, "tiff", options), "tiff", options)
    return encoded if states_resolution("tiff", b"", page) else drop_resolution("tiff", encoded)


def _are_of_one_size(pages: Iterable[Image], options: Options) -> bool:
    """Return whether pages can be the frames of one animation after they were edited."""
    sizes = {upright_size(page) for page in pages}
    if options.operation == "thumbnail":
        sizes = {fit(*size, options.size) for size in sizes}
    return len(sizes) == 1


def _save(image: Image, file_format: str, options: Options) -> bytes:
    how = _how_to_save(file_format, options)
    if file_format == "tiff":
        how["predictor"] = "float" if image.format in ("float", "double") else "horizontal"
    encode: Callable[..., bytes] = getattr(image, f"{file_format}save_buffer")
    return encode(**how)


def _how_to_save(file_format: str, options: Options) -> dict[str, int | str]:
    how: dict[str, int | str] = {}
    if file_format in _DEFAULT_QUALITY:
        how["Q"] = options.quality or _DEFAULT_QUALITY[file_format]
    if file_format == "png":
        # libvips' default, which is no filter, makes photographs nearly twice as large.
        how["filter"] = "all"
    if file_format == "tiff":
        how["compression"] = "deflate"
    if file_format == "gif":
        # libvips' default of 7 takes several times as long and makes files only a little smaller.
        how["effort"] = 3
    return how


def _is_damage(message: str) -> bool:
    return any(sign in message.lower() for sign in _DAMAGE_SIGNS)


def _explain(kind: str, file_format: str, message: str) -> str:
    """Turn libvips' message into one line that says what is wrong with the file or the output."""
    call, *lines = [line.strip() for line in message.splitlines() if line.strip()]
    detail = lines[0].rpartition(": ")[2] if lines else call
    if "out of memory" in message.lower():
        return "there is not enough memory for it"
    if _is_damage(message):
        return f"truncated or damaged {TITLES[kind]} ({detail})"
    if f"{file_format}save" in message:
        return f"cannot be written as {TITLES[file_format]}: {detail}"
    return f"damaged {TITLES[kind]} ({detail})"
