"""Fits colours to the output's format: profiles, inks, depth and transparency."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyvips import Image

#: In a format without transparency, transparent pixels become white, like paper.
_PAPER = 255

#: The colour spaces that our filters know; any other (Lab, XYZ, ...) is first converted to sRGB.
_PLAIN_SPACES = frozenset({"b-w", "grey16", "srgb", "rgb", "rgb16", "cmyk", "multiband", "scrgb"})

#: Formats that support CMYK, and those that support 16 bits per sample.
_HOLDS_CMYK = frozenset({"jpeg", "tiff"})
_HOLDS_16_BITS = frozenset({"png", "tiff"})


def to_plain_space(image: Image) -> Image:
    """Convert rare colour spaces to sRGB; grey, RGB and CMYK are not changed."""
    return image if image.interpretation in _PLAIN_SPACES else image.colourspace("srgb")


def to_srgb(image: Image) -> Image:
    """Convert colours to sRGB with the picture's own profile, or with libvips' CMYK if it has none.

    Pictures without a profile, and with an sRGB profile, are not changed.
    """
    is_cmyk = image.interpretation == "cmyk"
    profile = _profile(image)
    if not is_cmyk and (profile is None or _is_srgb(profile)):
        return image
    depth = 16 if image.format == "ushort" else 8
    return image.icc_transform(
        "srgb",
        embedded=True,
        input_profile="cmyk" if is_cmyk else "srgb",
        intent="relative",
        black_point_compensation=True,
        depth=depth,
    )


def fit_to_format(image: Image, file_format: str) -> Image:
    """Give up only what the output's format does not support.

    CMYK is kept in JPEG and TIFF and becomes sRGB elsewhere. Profiles are kept, except in GIF, and
    grey ones in WebP, which do not support them: there the colours become sRGB. 16 bits are kept in
    PNG and TIFF. Transparency becomes white in JPEG. Raises ValueError for samples that only TIFF
    supports.
    """
    if file_format == "tiff":
        return image
    if image.interpretation == "multiband" or image.format not in ("uchar", "ushort"):
        raise ValueError(
            f"its {image.bands} bands of {image.format} samples fit in TIFF only: "
            "use the format tiff"
        )
    if image.interpretation == "cmyk":
        if file_format not in _HOLDS_CMYK:
            image = to_srgb(image)
    elif file_format == "gif" or (file_format == "webp" and image.bands < 3):
        image = to_srgb(image)
    if image.format == "ushort" and file_format not in _HOLDS_16_BITS:
        image = _to_8_bits(image)
    if file_format == "jpeg" and image.hasalpha():
        image = image.flatten(background=[_PAPER])
    return image


def to_colours_with_alpha(image: Image) -> Image:
    """Convert pages to the same kind of samples, because they become frames of one animation."""
    coloured = image.colourspace("srgb").cast("uchar")
    return coloured if coloured.hasalpha() else coloured.addalpha()


def _to_8_bits(image: Image) -> Image:
    space = "b-w" if image.bands < 3 else "srgb"
    if image.interpretation == "cmyk":
        space = "cmyk"
    return (image >> 8).cast("uchar").copy(interpretation=space)


def _profile(image: Image) -> bytes | None:
    if "icc-profile-data" not in image.get_fields():
        return None
    profile = image.get("icc-profile-data")
    return bytes(profile) if isinstance(profile, (bytes, bytearray, memoryview)) else None


def _is_srgb(profile: bytes) -> bool:
    """Return whether the profile's description, in ASCII or UTF-16, names sRGB."""
    return b"sRGB" in profile or "sRGB".encode("utf-16-be") in profile
