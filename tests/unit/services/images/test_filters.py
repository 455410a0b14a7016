"""What comes out is compared with Pillow, pixel by pixel and without loss (PNG)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from headrace_services.images.filters import fit
from headrace_services.images.options import Options
from support.pictures import Pixels, decode, encode, exif_with, make_picture, pixels, process

if TYPE_CHECKING:
    from pathlib import Path


def run(image: Image.Image, options: Options) -> Image.Image:
    return decode(process(encode(image, "PNG", compress_level=0), "png", options))


def difference(image: Image.Image, oracle: Image.Image) -> Pixels:
    assert image.size == oracle.size
    off: Pixels = np.abs(pixels(image) - pixels(oracle))
    return off


@pytest.fixture(scope="module")
def pieces(photographs: list[Path]) -> list[Image.Image]:
    """Photographs in the two modes that they come in, grey and RGB, without colour profiles.

    Of the large ones a piece: PNG takes its time, and the widest blur reaches all of it.
    """
    images = [decode(path.read_bytes()) for path in photographs]
    images = [image.crop((0, 0, min(image.width, 256), min(image.height, 256))) for image in images]
    images = [image if image.mode == "L" else image.convert("RGB") for image in images]
    for image in images:
        image.info.clear()
        image.load()
    return images


@pytest.mark.parametrize(
    ("operation", "oracle"),
    [("sharpen", ImageFilter.SHARPEN), ("edges", ImageFilter.FIND_EDGES)],
)
def test_kernels_give_exactly_what_pillow_gives(
    pieces: list[Image.Image], operation: str, oracle: type[ImageFilter.BuiltinFilter]
) -> None:
    for image in pieces:
        assert difference(run(image, Options(operation)), image.filter(oracle)).max() == 0


@pytest.mark.parametrize(
    ("radius", "largest", "mean"),
    [
        (0.3, 3, 0.2),
        (0.5, 3, 0.6),
        (1, 3, 0.6),
        (1.5, 3, 0.3),
        (2, 2, 0.2),
        (2.5, 2, 0.2),
        (5, 2, 0.2),
        (6, 2, 0.2),
        (10, 2, 0.2),
        (31, 2, 0.2),
        (32, 8, 1.2),
        (50, 8, 1.2),
    ],
)
def test_a_blur_is_pillows_within_the_stated_tolerance(
    pieces: list[Image.Image], radius: float, largest: int, mean: float
) -> None:
    for image in pieces:
        off = difference(
            run(image, Options("blur", radius=radius)),
            image.filter(ImageFilter.GaussianBlur(radius)),
        )
        assert off.max() <= largest
        assert off.mean() < mean


def test_a_blur_of_radius_nought_changes_nothing() -> None:
    image = make_picture()
    assert difference(run(image, Options("blur", radius=0)), image).max() == 0


def test_a_blur_keeps_the_brightness_of_a_plain_wall() -> None:
    wall = Image.new("RGB", (90, 70), (200, 100, 31))
    for radius in (0.4, 1, 1.7, 2, 4.9, 6, 12, 40, 300):
        assert difference(run(wall, Options("blur", radius=radius)), wall).max() <= 1


def test_grayscale_is_pillows_luma(pieces: list[Image.Image]) -> None:
    for image in pieces:
        grey = run(image, Options("grayscale"))
        assert grey.mode == "L"
        assert difference(grey, image.convert("L")).max() <= 1


def test_a_thumbnail_fits_its_box_and_looks_like_pillows(pieces: list[Image.Image]) -> None:
    for image in pieces:
        oracle = image.copy()
        oracle.thumbnail((96, 96), Image.Resampling.LANCZOS)
        small = run(image, Options("thumbnail", size=(96, 96)))
        assert small.size == oracle.size
        assert np.abs(pixels(small) - pixels(oracle)).mean() < 6


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 600), st.integers(1, 600))
@example(320, 200, 100, 100)
@example(1600, 1000, 100, 100)
@example(200, 320, 100, 100)
@example(900, 3, 100, 100)
def test_a_thumbnail_is_as_large_as_pillows(
    width: int, height: int, box_width: int, box_height: int
) -> None:
    oracle = Image.new("1", (width, height))
    oracle.thumbnail((box_width, box_height), Image.Resampling.NEAREST)
    assert fit(width, height, (box_width, box_height)) == oracle.size


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_decoded_smaller_makes_a_thumbnail_of_the_size_of_the_whole(
    orientation: int,
) -> None:
    """A quarter of 1603x1002 is 401x251, which has another shape."""
    for width, height in ((1603, 1002), (1601, 1000), (1007, 631)):
        oracle = Image.new("RGB", (width, height))
        data = encode(oracle, "JPEG", exif=exif_with(orientation=orientation))
        box = (97, 211)
        if orientation == 6:
            oracle = oracle.transpose(Image.Transpose.ROTATE_270)
        oracle.thumbnail(box)
        assert decode(process(data, "png", Options("thumbnail", size=box))).size == oracle.size


def test_a_thumbnail_of_a_jpeg_is_that_of_its_pixels(photographs: list[Path]) -> None:
    """JPEGs are decoded at a fraction of their size."""
    retina = next(path for path in photographs if path.name == "retina.jpg")
    oracle = decode(retina.read_bytes())
    whole = decode(process(encode(oracle, "PNG"), "png", Options("thumbnail", size=(120, 80))))
    quick = decode(process(retina.read_bytes(), "png", Options("thumbnail", size=(120, 80))))
    assert quick.size == whole.size == (80, 80)
    assert difference(quick.convert("RGB"), whole.convert("RGB")).mean() < 2


def test_a_thumbnail_never_enlarges() -> None:
    image = make_picture(40, 30)
    assert difference(run(image, Options("thumbnail", size=(256, 256))), image).max() == 0


def test_a_thumbnail_of_a_thread_is_one_pixel_wide() -> None:
    thread = make_picture(3, 900)
    assert run(thread, Options("thumbnail", size=(100, 100))).size == (1, 100)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 9), (9, 2), (3, 3)])
def test_pictures_of_a_few_pixels_go_through_every_filter(size: tuple[int, int]) -> None:
    tiny = make_picture(*size)
    for operation, oracle in (("sharpen", ImageFilter.SHARPEN), ("edges", ImageFilter.FIND_EDGES)):
        assert difference(run(tiny, Options(operation)), tiny.filter(oracle)).max() == 0
    for radius in (2, 7, 90):
        blurred = run(tiny, Options("blur", radius=radius))
        if radius == 2:
            oracle_blur = tiny.filter(ImageFilter.GaussianBlur(radius))
            assert difference(blurred, oracle_blur).max() <= 4
        assert blurred.size == size


@pytest.mark.parametrize("operation", ["blur", "sharpen", "edges"])
def test_sixteen_bits_give_the_same_picture_at_their_own_scale(operation: str) -> None:
    grey = make_picture().convert("L")
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    result = run(wide, Options(operation))
    assert result.mode == "I;16"
    eight_bits = run(grey, Options(operation))
    assert np.abs(pixels(result) / 257 - pixels(eight_bits)).max() <= 2


def test_blur_weighs_colours_by_their_opacity() -> None:
    """Hidden green must not bleed out of the transparent half."""
    image = Image.new("RGBA", (40, 20), (255, 0, 0, 255))
    image.paste((0, 255, 0, 0), (20, 0, 40, 20))
    blurred = run(image, Options("blur", radius=3))
    seen = pixels(blurred)[pixels(blurred)[..., 3] > 0]
    assert seen[:, 1].max() == 0
    oracle = image.convert("RGBa").filter(ImageFilter.GaussianBlur(3)).convert("RGBA")
    assert np.abs(pixels(blurred)[..., 3] - pixels(oracle)[..., 3]).max() <= 2


@pytest.mark.parametrize("operation", ["sharpen", "edges"])
def test_kernels_leave_transparency_as_it_was(operation: str) -> None:
    image = make_picture().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    result = run(image, Options(operation))
    assert difference(result.getchannel("A"), image.getchannel("A")).max() == 0


@pytest.mark.parametrize("operation", ["blur", "thumbnail"])
def test_an_opaque_alpha_changes_nothing(operation: str) -> None:
    image = make_picture(300, 280)
    options = Options(operation, radius=3)
    with_alpha = run(image.convert("RGBA"), options)
    assert difference(with_alpha.convert("RGB"), run(image, options)).max() <= 1
    assert pixels(with_alpha.getchannel("A")).min() == 255
