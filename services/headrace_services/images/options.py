"""What is done to each picture: a job's options, which are validated and sent as its parameters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from headrace_services.images.formats import parse_format
from headrace_services.permits import DEFAULT_MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What can be done to a picture.
OPERATIONS = ("blur", "sharpen", "edges", "grayscale", "thumbnail", "convert")

#: The default blur radius in pixels (the standard deviation), which is also Pillow's default.
DEFAULT_RADIUS = 2.0

#: The largest blur radius in pixels: with more, a picture would only have one colour.
MAX_RADIUS = 1000.0

#: The default size in pixels of the box that a thumbnail fits into.
DEFAULT_SIZE = (256, 256)

#: The longest side in pixels that can be given, which is the maximum of JPEG.
MAX_SIDE = 65_535

#: The default limit: pictures of more megapixels are not decoded.
DEFAULT_MAX_MEGAPIXELS = 400.0

_SIZE = re.compile(r"(\d{1,9})(?:[xX](\d{1,9}))?")


class Options(Struct, frozen=True):
    """The options of one job.

    ``radius`` is in pixels, and ``size`` is the box (width, height) in pixels that a thumbnail fits
    into. ``file_format`` is the output's format, or None if the output's name decides. ``quality``
    is 1 to 100 for the lossy formats (JPEG, WebP), or None for their defaults. ``ceiling_pixels``
    is the worker's own limit and is not sent. The constructor raises ValueError with a message of
    one line if the options are impossible.
    """

    operation: str
    radius: float = DEFAULT_RADIUS
    size: tuple[int, int] = DEFAULT_SIZE
    file_format: str | None = None
    quality: int | None = None
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
    ceiling_pixels: int = DEFAULT_MAX_PIXELS

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise ValueError(
                f"images has no operation {self.operation!r}: choose one of {', '.join(OPERATIONS)}"
            )
        if not 0 <= self.radius <= MAX_RADIUS:
            raise ValueError(
                f"radius {self.radius:g} cannot be used: give 0 to {MAX_RADIUS:g} pixels"
            )
        if not all(1 <= side <= MAX_SIDE for side in self.size):
            raise ValueError(
                f"size {self.size[0]}x{self.size[1]} cannot be used: give 1 to {MAX_SIDE} pixels"
            )
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ValueError(f"quality {self.quality} cannot be used: give 1 to 100")
        if not self.max_megapixels > 0:
            raise ValueError(
                f"a limit of {self.max_megapixels:g} megapixels lets no picture through"
            )

    def to_parameters(self) -> dict[str, object]:
        """Return plain values that msgpack can encode. ``from_parameters`` reads them."""
        parameters: dict[str, object] = {"max_megapixels": float(self.max_megapixels)}
        if self.operation == "blur":
            parameters["radius"] = float(self.radius)
        if self.operation == "thumbnail":
            parameters["size"] = list(self.size)
        if self.file_format is not None:
            parameters["format"] = self.file_format
        if self.quality is not None:
            parameters["quality"] = self.quality
        return parameters

    @classmethod
    def from_parameters(cls, operation: str, parameters: Mapping[str, object]) -> Options:
        """Read options that were sent. Raises ValueError if they are invalid."""
        radius = parameters.get("radius", DEFAULT_RADIUS)
        size = parameters.get("size", DEFAULT_SIZE)
        file_format = parameters.get("format")
        quality = parameters.get("quality")
        limit = parameters.get("max_megapixels", DEFAULT_MAX_MEGAPIXELS)
        match radius, size, file_format, quality, limit:
            case (
                (float() | int()),
                [int() as width, int() as height],
                (str() | None),
                (int() | None),
                (float() | int()),
            ):
                return cls(
                    operation,
                    float(radius),
                    (width, height),
                    None if file_format is None else parse_format(file_format),
                    quality,
                    float(limit),
                )
            case _:
                raise ValueError(f"parameters of images {operation} don't fit: {parameters!r:.200}")


def parse_size(text: str) -> tuple[int, int]:
    """Read a thumbnail's box in pixels: ``256`` means 256x256, ``800x600`` is width x height.

    Raises ValueError for any other text.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"size {text!r} cannot be read: give N or WIDTHxHEIGHT, in pixels")
    width = int(found[1])
    return width, int(found[2] or width)
