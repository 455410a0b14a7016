"""What a file says of its resolution is what it said before, read with Pillow."""

from __future__ import annotations

from typing import Any

import pytest

from headrace_services.images.formats import FORMATS
from headrace_services.images.options import OPERATIONS, Options
from support.pictures import decode, encode, exif_with, make_picture, process

HOLD_A_RESOLUTION = ("jpeg", "png", "tiff")

RESOLUTION_TAGS = {282, 283, 296}

BLUR = Options("blur")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_tiff_without_resolution_gains_none(operation: str) -> None:
    data = encode(make_picture(), "TIFF")
    result: Any = decode(process(data, "tiff", Options(operation)))
    assert not RESOLUTION_TAGS & set(result.tag_v2)


@pytest.mark.parametrize("came_as", FORMATS)
@pytest.mark.parametrize("leaves_as", FORMATS)
def test_no_picture_gains_a_resolution(came_as: str, leaves_as: str) -> None:
    data = encode(make_picture(), came_as)
    result: Any = decode(process(data, leaves_as, Options("convert")))
    # Where there is none, Pillow reads 1 in a TIFF, and 72 in a JPEG with EXIF.
    if leaves_as == "tiff":
        assert not RESOLUTION_TAGS & set(result.tag_v2)
    elif leaves_as == "jpeg":
        assert not RESOLUTION_TAGS & set(result.getexif())
        assert not result.info.get("jfif_unit")
    else:
        assert "dpi" not in result.info


@pytest.mark.parametrize("came_as", HOLD_A_RESOLUTION)
@pytest.mark.parametrize("leaves_as", HOLD_A_RESOLUTION)
@pytest.mark.parametrize("dpi", [25.4, 72, 300, 1200])
def test_a_resolution_stays(came_as: str, leaves_as: str, dpi: float) -> None:
    result = decode(process(encode(make_picture(), came_as, dpi=(dpi, dpi)), leaves_as, BLUR))
    # JPEG counts in whole dots an inch, PNG in whole dots a metre.
    assert result.info["dpi"] == pytest.approx((dpi, dpi), abs=0.5)


def test_a_shape_of_pixels_is_no_resolution() -> None:
    """Without a unit, 72 is only as wide as 72 is high."""
    data = encode(make_picture(), "TIFF", resolution_unit=1, x_resolution=72.0, y_resolution=72.0)
    result: Any = decode(process(data, "tiff", BLUR))
    assert not RESOLUTION_TAGS & set(result.tag_v2)


def test_a_resolution_that_stands_in_exif_only_stays() -> None:
    exif = exif_with(make="Plaubel")
    exif[282], exif[283], exif[296] = 300.0, 300.0, 2
    data = encode(make_picture(), "JPEG", exif=exif)
    for leaves_as in HOLD_A_RESOLUTION:
        result = decode(process(data, leaves_as, BLUR))
        assert result.info["dpi"] == pytest.approx((300, 300), abs=0.5)
