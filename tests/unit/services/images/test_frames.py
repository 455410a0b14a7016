"""Animations and pages, compared with Pillow frame by frame."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageSequence

from headrace_services.images.decoding import BrokenPictureError
from headrace_services.images.options import OPERATIONS, Options
from headrace_services.images.picture import process
from support.pictures import encode, exif_with, make_picture, pixels

if TYPE_CHECKING:
    from collections.abc import Sequence

HOLD_FRAMES = ("gif", "webp", "tiff")

#: Milliseconds, which GIF counts in tens: among them those that browsers and encoders change.
TIMES = [0, 10, 20, 100, 500, 70_000]

THUMBNAIL = Options("thumbnail", size=(30, 30))


def make_frames(count: int = 6) -> list[Image.Image]:
    return [make_picture(64, 48, seed) for seed in range(count)]


def encode_all(frames: Sequence[Image.Image], file_format: str, **how: object) -> bytes:
    return encode(frames[0], file_format, save_all=True, append_images=list(frames[1:]), **how)


def decode_all(data: bytes) -> list[Image.Image]:
    return [frame.copy() for frame in ImageSequence.Iterator(Image.open(io.BytesIO(data)))]


def times(data: bytes) -> list[int]:
    image: Any = Image.open(io.BytesIO(data))
    found: list[int] = []
    for frame in range(image.n_frames):
        image.seek(frame)
        image.load()
        found.append(image.info.get("duration") or 0)
    return found


def loops(data: bytes) -> int | None:
    return Image.open(io.BytesIO(data)).info.get("loop")


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("came_as", HOLD_FRAMES)
@pytest.mark.parametrize("leaves_as", HOLD_FRAMES)
def test_all_frames_stay_through_every_operation(
    operation: str, came_as: str, leaves_as: str
) -> None:
    data = encode_all(make_frames(), came_as)
    result = process(data, leaves_as, Options(operation, size=(30, 30)))
    assert result.frames_dropped == 0
    frames = decode_all(result.data)
    assert len(frames) == 6
    assert {frame.size for frame in frames} == {(30, 23) if operation == "thumbnail" else (64, 48)}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("came_as", ["gif", "webp"])
@pytest.mark.parametrize("leaves_as", ["gif", "webp"])
def test_frames_keep_their_times(operation: str, came_as: str, leaves_as: str) -> None:
    data = encode_all(make_frames(), came_as, duration=TIMES, loop=0)
    result = process(data, leaves_as, Options(operation, size=(30, 30))).data
    assert times(result) == TIMES
    assert loops(result) == 0


@pytest.mark.parametrize("came_as", ["gif", "webp"])
@pytest.mark.parametrize("leaves_as", ["gif", "webp"])
@pytest.mark.parametrize("plain", ["all", "the last", "the first"])
def test_frames_that_become_equal_stay_and_keep_their_times(
    came_as: str, leaves_as: str, plain: str
) -> None:
    """One pixel that is a little off is lost in a thumbnail."""
    walls = [Image.new("RGB", (64, 48), (40, 9, 0)) for _ in range(4)]
    for number, wall in enumerate(walls):
        wall.putpixel((number, 0), (43, 9, 0))
    frames = {"all": walls, "the last": make_frames(2) + walls, "the first": walls + make_frames(2)}
    given = frames[plain]
    shown = [50 + 10 * number for number in range(len(given))]
    how: dict[str, object] = {"lossless": True} if came_as == "webp" else {}
    data = encode_all(given, came_as, duration=shown, loop=3, **how)
    result = process(data, leaves_as, Options("thumbnail", size=(8, 8))).data
    assert times(result) == shown
    shades = [pixels(frame.convert("RGB")) for frame in decode_all(result)]
    for before, after in zip(given, shades, strict=True):
        small = before.copy()
        small.thumbnail((8, 8))
        assert np.abs(after - pixels(small)).mean() < 20
    # GIF says how often a loop is run through again, WebP how often it is run through.
    again = 3 if came_as == leaves_as else (4 if came_as == "gif" else 2)
    assert loops(result) == again


def test_equal_frames_of_a_transparent_animation_show_what_they_showed() -> None:
    frames = [Image.new("RGBA", (64, 48), (0, 0, 0, 0)) for _ in range(5)]
    frames[0].paste((255, 0, 0, 255), (4, 4, 20, 20))
    frames[1].paste((0, 0, 255, 128), (30, 20, 50, 40))
    frames[2].paste((0, 0, 255, 128), (30, 20, 50, 40))
    frames[3].paste((0, 0, 255, 128), (30, 20, 50, 40))
    data = process(encode_all(frames, "TIFF"), "webp", Options("convert", quality=100)).data
    shown = [frame.convert("RGBA") for frame in decode_all(data)]
    assert sum(times(data)) == 500
    for frame, number in ((shown[0], 0), (shown[1], 1), (shown[-2], 3), (shown[-1], 4)):
        alpha = pixels(frames[number].getchannel("A"))
        assert np.abs(pixels(frame.getchannel("A")) - alpha).max() <= 2


def test_times_that_gif_rounds_do_not_add_up() -> None:
    data = encode_all(make_frames(), "webp", duration=[33] * 6)
    assert times(process(data, "gif", THUMBNAIL).data) == [30, 40, 30, 30, 30, 40]


def test_a_gif_that_is_shown_once_is_shown_once() -> None:
    data = encode_all(make_frames(), "gif", duration=40)
    assert loops(process(data, "gif", THUMBNAIL).data) is None
    assert loops(process(data, "webp", THUMBNAIL).data) == 1


@pytest.mark.parametrize("came_as", HOLD_FRAMES)
@pytest.mark.parametrize(
    ("operation", "oracle", "largest"),
    [
        ("convert", None, 0),
        ("sharpen", ImageFilter.SHARPEN, 0),
        ("edges", ImageFilter.FIND_EDGES, 0),
        ("blur", ImageFilter.GaussianBlur(2), 2),
    ],
)
def test_each_frame_is_what_pillow_makes_of_it(
    came_as: str, operation: str, oracle: ImageFilter.Filter | None, largest: int
) -> None:
    """No frame bleeds into the next, and none is another's neighbour."""
    how: dict[str, object] = {"lossless": True} if came_as == "webp" else {}
    data = encode_all(make_frames(4), came_as, **how)
    results = decode_all(process(data, "tiff", Options(operation)).data)
    for frame, result in zip(decode_all(data), results, strict=True):
        wanted = frame.convert("RGB") if oracle is None else frame.convert("RGB").filter(oracle)
        assert np.abs(pixels(result.convert("RGB")) - pixels(wanted)).max() <= largest


def test_a_large_blur_stays_in_its_frame() -> None:
    walls = [Image.new("RGB", (90, 70), colour) for colour in ((200, 100, 31), (9, 250, 7))]
    for radius in (3, 12, 40):
        results = decode_all(process(encode_all(walls, "tiff"), "tiff", _blur(radius)).data)
        for wall, result in zip(walls, results, strict=True):
            assert np.abs(pixels(result) - pixels(wall)).max() <= 1


def test_frames_that_change_a_part_are_whole_afterwards() -> None:
    """Animations hold what changes; what a filter sees is what a viewer shows."""
    base = make_picture(64, 48)
    frames = [base.copy() for _ in range(4)]
    for number, frame in enumerate(frames):
        frame.paste((250, 0, 0), (8 * number, 8, 8 * number + 8, 16))
    data = encode_all([frame.quantize(64) for frame in frames], "gif", duration=50)
    results = decode_all(process(data, "tiff", Options("edges")).data)
    for frame, result in zip(decode_all(data), results, strict=True):
        wanted = frame.convert("RGB").filter(ImageFilter.FIND_EDGES)
        assert (pixels(result.convert("RGB")) == pixels(wanted)).all()


def test_transparency_stays_in_every_frame() -> None:
    frames = [frame.convert("RGBA") for frame in make_frames(3)]
    for frame in frames:
        frame.paste((0, 0, 0, 0), (0, 0, 32, 48))
    data = encode_all(frames, "webp", lossless=True)
    for file_format in HOLD_FRAMES:
        results = decode_all(process(data, file_format, Options("sharpen")).data)
        assert len(results) == len(frames)
        for frame in results:
            alpha = pixels(frame.convert("RGBA").getchannel("A"))
            assert alpha[:, :32].max() == 0
            assert alpha[:, 32:].min() == 255


def test_animations_leave_upright() -> None:
    data = encode_all(make_frames(3), "webp", exif=exif_with(orientation=6))
    result = process(data, "webp", THUMBNAIL).data
    assert {frame.size for frame in decode_all(result)} == {(22, 30)}
    assert Image.open(io.BytesIO(result)).getexif().get(0x0112, 1) == 1


def test_pages_of_a_tiff_keep_their_own_size_kind_and_resolution() -> None:
    pages = [make_picture(64, 48), make_picture(30, 90).convert("L"), make_picture(200, 10)]
    wide = Image.fromarray(pixels(make_picture().convert("L")).astype(np.uint16) * 257)
    pages = [*pages, wide]
    pages[1].encoderinfo = {"dpi": (300, 300)}
    data = encode_all(pages, "tiff")
    result = process(data, "tiff", Options("convert"))
    assert result.frames_dropped == 0
    came, left = decode_all(data), decode_all(result.data)
    assert [page.size for page in left] == [page.size for page in pages]
    assert [page.mode for page in left] == ["RGB", "L", "RGB", "I;16"]
    for before, after in zip(came, left, strict=True):
        assert (pixels(before) == pixels(after)).all()
        assert before.info.get("dpi") == after.info.get("dpi")


def test_pages_of_several_sizes_are_no_animation() -> None:
    data = encode_all([make_picture(64, 48), make_picture(30, 90)], "tiff")
    result = process(data, "gif", Options("convert"))
    assert (len(decode_all(result.data)), result.frames_dropped) == (1, 1)
    assert process(data, "gif", Options("thumbnail", size=(1, 1))).frames_dropped == 0


def test_pages_of_several_kinds_are_one_animation() -> None:
    pages = [make_picture(), make_picture().convert("L"), make_picture().convert("CMYK")]
    result = process(encode_all(pages, "tiff"), "webp", Options("convert"))
    assert (len(decode_all(result.data)), result.frames_dropped) == (3, 0)


@pytest.mark.parametrize("came_as", HOLD_FRAMES)
@pytest.mark.parametrize("leaves_as", ["jpeg", "png"])
def test_where_one_picture_fits_the_first_stays_and_the_others_are_counted(
    came_as: str, leaves_as: str
) -> None:
    walls = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "lime")]
    result = process(encode_all(walls, came_as), leaves_as, Options("blur"))
    assert result.frames_dropped == 2
    red = pixels(Image.open(io.BytesIO(result.data)).convert("RGB"))[10, 10]
    assert red[0] > 240
    assert red[1:].max() < 15


@pytest.mark.parametrize("leaves_as", ["jpeg", "png", "webp"])
def test_of_jpegs_with_further_pictures_the_first_stays(leaves_as: str) -> None:
    result = process(encode_all(make_frames(3), "MPO"), leaves_as, Options("blur"))
    assert result.frames_dropped == 2
    assert getattr(Image.open(io.BytesIO(result.data)), "n_frames", 1) == 1


def test_previews_behind_a_jpeg_are_not_counted() -> None:
    data = bytearray(encode_all(make_frames(3), "MPO"))
    index = data.index(b"MPF\0") + 4
    second = index + 50 + 16
    assert data[index : index + 2] == b"II"
    data[second : second + 4] = struct.pack("<I", 0x010001)
    assert process(bytes(data), "jpeg", Options("blur")).frames_dropped == 1


@pytest.mark.parametrize("leaves_as", ["png", "gif"])
def test_of_animated_pngs_the_first_frame_stays(leaves_as: str) -> None:
    data = encode_all(make_frames(4), "PNG", duration=50)
    assert process(data, leaves_as, Options("convert")).frames_dropped == 3
    aside = encode_all(make_frames(4), "PNG", duration=50, default_image=True)
    assert process(aside, leaves_as, Options("convert")).frames_dropped == 3


@pytest.mark.parametrize("came_as", HOLD_FRAMES)
def test_the_limit_counts_the_pixels_of_all_frames(came_as: str) -> None:
    data = encode_all([make_picture(200, 100, seed) for seed in range(5)], came_as)
    process(data, "tiff", Options("convert", max_megapixels=0.1))
    with pytest.raises(BrokenPictureError, match=r"megapixels, more than the limit of 0\.09"):
        process(data, "tiff", Options("convert", max_megapixels=0.09))
    # Where the others are not decoded, they do not count.
    process(data, "png", Options("convert", max_megapixels=0.02))


def test_a_bomb_of_many_frames_is_refused_before_they_are_decoded() -> None:
    frames = [Image.new("P", (4000, 4000), shade) for shade in (0, 1)]
    data = encode_all(frames, "gif")
    last = data.rindex(b"\x21\xf9")
    many = data[:last] + data[last:-1] * 60 + b";"
    with pytest.raises(BrokenPictureError, match=r"6\d frames of 4000 x 4000 pixels are"):
        process(many, "gif", THUMBNAIL)


@pytest.mark.parametrize("came_as", HOLD_FRAMES)
@pytest.mark.parametrize("share", [0.4, 0.7, 0.95])
def test_an_animation_that_is_cut_off_says_so(came_as: str, share: float) -> None:
    frames = [make_picture(200, 100, seed) for seed in range(5)]
    how: dict[str, object] = {"compression": "tiff_lzw"} if came_as == "tiff" else {}
    data = encode_all(frames, came_as, **how)
    with pytest.raises(BrokenPictureError, match="damaged"):
        process(data[: int(len(data) * share)], came_as, Options("blur"))


def test_a_png_that_lies_about_its_frames_is_a_picture() -> None:
    data = encode(make_picture(), "PNG")
    body = b"acTL" + struct.pack(">II", 2**31 - 1, 0)
    chunk = struct.pack(">I", 8) + body + struct.pack(">I", zlib.crc32(body))
    assert process(data[:33] + chunk + data[33:], "png", Options("convert")).data


def _blur(radius: float) -> Options:
    return Options("blur", radius=radius)
