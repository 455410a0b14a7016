"""Colours as the output's format can hold them: profiles, inks, depth and transparency."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyvips import Image

#: Where a format has no transparency, what was transparent becomes white, as paper is.
_PAPER = 255

#: What our filters know; anything else (Lab, XYZ, ...) becomes sRGB first.
_PLAIN_SPACES = frozenset({"b-w", "grey16", "srgb", "rgb", "rgb16", "cmyk", "multiband", "scrgb"})

#: Formats that hold CMYK, and 16 bits a sample.
_HOLDS_CMYK = frozenset({"jpeg", "tiff"})
_HOLDS_16_BITS = frozenset({"png", "tiff"})


def to_plain_space(image: Image) -> Image:
    """Bring rare colour spaces to sRGB; grey, RGB and CMYK stay what they are."""
    return image if image.interpretation in _PLAIN_SPACES else image.colourspace("srgb")


def to_srgb(image: Image) -> Image:
    """Bring colours to sRGB through the picture's own profile, or libvips' CMYK where it has none.

    Pictures that say nothing of their colours, or say sRGB, stay as they are.
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
    """Give up only what the output's format cannot hold.

    CMYK stays in JPEG and TIFF and becomes sRGB elsewhere. Profiles stay, except in GIF, and a
    grey one in WebP, which hold none such: there the colours become sRGB. 16 bits stay in PNG and
    TIFF. Transparency turns white in JPEG. Raises ValueError for samples that only TIFF holds.
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
    """One kind of samples for pages of several, which become frames of one animation."""
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
    """Tell by the profile's description, which comes as ASCII or UTF-16."""
    return b"sRGB" in profile or "sRGB".encode("utf-16-be") in profile
