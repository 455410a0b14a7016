from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from headrace_services.images.decoding import BrokenPictureError
from headrace_services.images.formats import FORMATS, TITLES
from headrace_services.images.options import OPERATIONS, Options
from support.pictures import (
    MAKE_TAG,
    ORIENTATION_TAG,
    decode,
    encode,
    exif_with,
    make_picture,
    pixels,
    process,
)

if TYPE_CHECKING:
    from pathlib import Path

CONVERT = Options("convert")


@cache  # a profile has the second in it at which it was made
def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("came_as", FORMATS)
@pytest.mark.parametrize("leaves_as", FORMATS)
def test_every_format_becomes_every_other(came_as: str, leaves_as: str) -> None:
    result = decode(process(encode(make_picture(), came_as), leaves_as, CONVERT))
    assert result.format == TITLES[leaves_as].upper()
    assert result.size == (64, 48)
    assert np.abs(pixels(result.convert("RGB")) - pixels(make_picture())).mean() < 25


def test_quality_makes_files_smaller() -> None:
    data = encode(make_picture(), "PNG")
    for lossy in ("jpeg", "webp"):
        sizes = [len(process(data, lossy, Options("convert", quality=q))) for q in (20, 60, 95)]
        assert sizes == sorted(sizes)
        assert sizes[0] < sizes[2]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("operation", OPERATIONS)
def test_pictures_leave_upright(orientation: int, operation: str) -> None:
    image = make_picture(40, 24)
    data = encode(
        image, "TIFF" if orientation == 1 else "PNG", exif=exif_with(orientation=orientation)
    )
    stored = Image.new("RGB", image.size)
    stored.paste(image)
    stored.getexif()[ORIENTATION_TAG] = orientation
    upright = ImageOps.exif_transpose(stored)
    result = decode(process(data, "png", Options(operation, size=(12, 12))))
    assert result.getexif().get(ORIENTATION_TAG, 1) == 1
    if operation == "convert":
        assert (pixels(result) == pixels(upright)).all()
    elif operation == "thumbnail":
        assert result.size == ((7, 12) if orientation >= 5 else (12, 7))
    else:
        assert result.size == upright.size


def test_a_turned_jpeg_makes_a_thumbnail_of_its_upright_shape() -> None:
    """A JPEG is decoded reduced, and its box is turned with it."""
    data = encode(make_picture(800, 400), "JPEG", exif=exif_with(orientation=6))
    assert decode(process(data, "jpeg", Options("thumbnail", size=(50, 80)))).size == (40, 80)


@pytest.mark.parametrize("file_format", ["jpeg", "png", "webp"])
def test_exif_stays(file_format: str) -> None:
    data = encode(make_picture(), "JPEG", exif=exif_with(orientation=6, make="Plaubel"))
    kept = decode(process(data, file_format, Options("blur"))).getexif()
    assert kept[MAKE_TAG] == "Plaubel"
    assert kept.get(ORIENTATION_TAG, 1) == 1


@pytest.mark.parametrize("file_format", ["jpeg", "png", "webp", "tiff"])
def test_the_colour_profile_stays(file_format: str) -> None:
    data = encode(make_picture(), "JPEG", icc_profile=srgb_profile())
    assert decode(process(data, file_format, Options("blur"))).info["icc_profile"] == srgb_profile()


def test_a_profile_that_gif_cannot_hold_is_applied(photographs: list[Path]) -> None:
    """The rocket's profile is not sRGB: without it its colours would shift."""
    rocket = next(path for path in photographs if path.name == "rocket.jpg")
    image = decode(rocket.read_bytes())
    profile = image.info["icc_profile"]
    seen = ImageCms.profileToProfile(
        image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    )
    assert seen is not None
    result = decode(process(rocket.read_bytes(), "gif", CONVERT)).convert("RGB")
    off = np.abs(pixels(result).mean(axis=(0, 1)) - pixels(seen).mean(axis=(0, 1)))
    assert off.max() < 3
    assert np.abs(pixels(image).mean(axis=(0, 1)) - pixels(seen).mean(axis=(0, 1))).max() > 4


def test_an_old_preview_does_not_leave_with_a_blurred_picture() -> None:
    """The preview in EXIF would still show the faces that the blur hides."""
    preview = encode(make_picture(16, 12, seed=1), "JPEG")
    data = encode(make_picture(), "JPEG", exif=_exif_with_preview(preview))
    assert preview[20:] in data
    assert preview[20:] not in process(data, "jpeg", Options("blur"))


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("file_format", ["jpeg", "png", "tiff"])
def test_greyscale_stays_greyscale(operation: str, file_format: str) -> None:
    data = encode(make_picture().convert("L"), "PNG")
    assert decode(process(data, file_format, Options(operation))).mode == "L"


def test_black_and_white_becomes_grey() -> None:
    data = encode(make_picture().convert("1"), "PNG")
    assert decode(process(data, "png", CONVERT)).mode == "L"


@pytest.mark.parametrize("operation", ["blur", "sharpen", "thumbnail", "convert"])
@pytest.mark.parametrize("file_format", ["jpeg", "tiff"])
def test_cmyk_stays_where_the_format_holds_it(operation: str, file_format: str) -> None:
    data = encode(make_picture().convert("CMYK"), "JPEG", quality=95)
    result = decode(process(data, file_format, Options(operation, size=(200, 200))))
    assert result.mode == "CMYK"
    if operation == "convert":
        assert np.abs(pixels(result) - pixels(decode(data))).mean() < 3


@pytest.mark.parametrize("file_format", ["png", "webp", "gif"])
def test_cmyk_becomes_rgb_elsewhere(file_format: str) -> None:
    image = Image.new("CMYK", (32, 32), (0, 0, 0, 0))
    image.paste((0, 255, 255, 0), (16, 0, 32, 32))
    result = decode(process(encode(image, "JPEG"), file_format, CONVERT)).convert("RGB")
    paper, red = pixels(result)[16, 4], pixels(result)[16, 28]
    assert paper.min() > 245
    assert red[0] > 180
    assert red[1:].max() < 90


def test_edges_of_a_cmyk_picture_are_light_on_black() -> None:
    data = encode(make_picture().convert("CMYK"), "JPEG")
    assert decode(process(data, "jpeg", Options("edges"))).mode == "RGB"


@pytest.mark.parametrize("file_format", ["png", "tiff"])
def test_sixteen_bits_stay(file_format: str) -> None:
    wide = Image.fromarray(pixels(make_picture().convert("L")).astype(np.uint16) * 257)
    result = decode(process(encode(wide, "PNG"), file_format, CONVERT))
    assert result.mode == "I;16"
    assert (pixels(result) == pixels(wide)).all()


def test_sixteen_bits_become_eight_where_they_must() -> None:
    grey = make_picture().convert("L")
    wide = Image.fromarray(pixels(grey).astype(np.uint16) * 257)
    result = decode(process(encode(wide, "PNG"), "jpeg", Options("convert", quality=100)))
    assert result.mode == "L"
    assert np.abs(pixels(result) - pixels(grey)).mean() < 2


def test_transparency_becomes_paper_in_a_jpeg() -> None:
    image = Image.new("RGBA", (32, 32), (10, 200, 10, 0))
    assert pixels(decode(process(encode(image, "PNG"), "jpeg", CONVERT))).min() == 255


@pytest.mark.parametrize("file_format", ["png", "webp", "tiff", "gif"])
def test_transparency_stays_elsewhere(file_format: str) -> None:
    image = make_picture().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 32, 48))
    result = decode(process(encode(image, "PNG"), file_format, CONVERT)).convert("RGBA")
    alpha = pixels(result.getchannel("A"))
    assert alpha[:, :32].max() == 0
    assert alpha[:, 32:].min() == 255


def test_a_palette_becomes_its_colours() -> None:
    image = make_picture().quantize(16)
    result = decode(process(encode(image, "PNG"), "png", CONVERT))
    assert (pixels(result.convert("RGB")) == pixels(image.convert("RGB"))).all()


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_truncated_picture_says_so(file_format: str, operation: str) -> None:
    data = encode(make_picture(400, 300), file_format)
    for share in (0.1, 0.5, 0.9):
        with pytest.raises(BrokenPictureError, match="damaged") as caught:
            process(data[: int(len(data) * share)], file_format, Options(operation))
        assert "\n" not in str(caught.value)
        assert TITLES[file_format] in str(caught.value)


def test_a_jpeg_damaged_in_the_middle_is_not_passed_on_as_whole() -> None:
    data = bytearray(encode(make_picture(400, 300), "JPEG"))
    middle = len(data) // 2
    data[middle : middle + 400] = np.random.default_rng(2).integers(0, 256, 400, np.uint8).tobytes()
    with pytest.raises(BrokenPictureError, match="damaged JPEG"):
        process(bytes(data), "jpeg", CONVERT)


def test_a_jpeg_that_only_draws_a_warning_is_whole() -> None:
    """Some cameras leave padding between the segments."""
    data = encode(make_picture(), "JPEG")
    tables = data.index(b"\xff\xdb")
    padded = data[:tables] + b"\0\0\0" + data[tables:]
    assert decode(process(padded, "jpeg", CONVERT)).size == (64, 48)


@pytest.mark.parametrize("file_format", FORMATS)
def test_first_bytes_alone_are_no_picture(file_format: str) -> None:
    with pytest.raises(BrokenPictureError):
        process(encode(make_picture(), file_format)[:40], file_format, CONVERT)


def test_an_empty_file_says_so() -> None:
    with pytest.raises(BrokenPictureError, match="the file is empty"):
        process(b"", "jpeg", CONVERT)


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        b"%PDF-1.7\n",
        b"BM" + bytes(60),
        b"P6 1 1 255 abc",
        b"hello",
        b"\xff\xd8",
    ],
)
def test_no_other_kind_of_file_is_opened(data: bytes) -> None:
    with pytest.raises(BrokenPictureError, match="not a JPEG, PNG, WebP, TIFF, GIF picture"):
        process(data, "png", CONVERT)


def test_a_bomb_is_refused_by_its_header() -> None:
    """A PNG whose header claims 60000 x 60000 pixels; the data that follow would be 10 GB."""
    data = bytearray(encode(make_picture(), "PNG"))
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(BrokenPictureError, match=r"3,600 megapixels, more than the limit of 400"):
        process(bytes(data), "png", Options("thumbnail"))


def test_the_limit_is_the_users() -> None:
    data = encode(make_picture(200, 100), "PNG")
    process(data, "png", Options("convert", max_megapixels=0.02))
    with pytest.raises(BrokenPictureError, match="megapixels"):
        process(data, "png", Options("convert", max_megapixels=0.019))


def test_no_job_lifts_the_workers_limit_and_frames_count() -> None:
    data = encode(make_picture(200, 100), "PNG")
    frames = [make_picture(200, 100, seed=seed) for seed in range(3)]
    moving = encode(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    options = Options("convert", max_megapixels=1e9, ceiling_pixels=40_000)
    process(data, "png", options)
    process(moving, "png", options)
    with pytest.raises(BrokenPictureError, match=r"0 megapixels, and the worker takes 0\.04 at"):
        process(moving, "webp", options)
    with pytest.raises(BrokenPictureError, match="--max-pixels"):
        process(data, "png", Options("convert", ceiling_pixels=19_999))


def test_what_a_format_cannot_hold_is_said() -> None:
    data = encode(Image.new("L", (17_000, 2)), "PNG")
    with pytest.raises(BrokenPictureError, match="cannot be written as WebP"):
        process(data, "webp", CONVERT)
    with pytest.raises(ValueError, match="fit in TIFF only"):
        process(encode(make_picture().convert("F"), "TIFF"), "png", CONVERT)


def _exif_with_preview(preview: bytes) -> bytes:
    """EXIF whose second directory holds a JPEG preview, as cameras write it."""
    first = struct.pack("<H", 1) + struct.pack("<HHI4s", MAKE_TAG, 2, 4, b"abc\0")
    second_at = 8 + len(first) + 4
    entries = 3
    preview_at = second_at + 2 + entries * 12 + 4
    second = struct.pack("<H", entries)
    second += struct.pack("<HHII", 0x0103, 3, 1, 6)
    second += struct.pack("<HHII", 0x0201, 4, 1, preview_at)
    second += struct.pack("<HHII", 0x0202, 4, 1, len(preview))
    body = b"II*\0" + struct.pack("<I", 8) + first + struct.pack("<I", second_at)
    return b"Exif\0\0" + body + second + bytes(4) + preview
