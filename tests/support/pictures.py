"""Small pictures for tests, made, encoded and decoded with Pillow."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from headrace_services.images import picture
from headrace_services.images.options import Options

#: Tag numbers of EXIF.
ORIENTATION_TAG = 0x0112
MAKE_TAG = 0x010F

Pixels = npt.NDArray[np.int32]


def make_picture(width: int = 64, height: int = 48, seed: int = 7) -> Image.Image:
    """An RGB picture with slopes and noise, the same for the same arguments."""
    rows, columns = np.mgrid[0:height, 0:width]
    slopes = np.stack([columns * 3, rows * 4, columns + rows], axis=2)
    noise = np.random.default_rng(seed).integers(0, 60, slopes.shape)
    return Image.fromarray(((slopes + noise) % 256).astype(np.uint8))


def encode(image: Image.Image, file_format: str, **how: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, file_format, **how)
    return stream.getvalue()


def decode(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def pixels(image: Image.Image) -> Pixels:
    """Samples as signed numbers, so that they can be subtracted."""
    samples: Pixels = np.asarray(image).astype(np.int32)
    return samples


def exif_with(**tags: object) -> Image.Exif:
    """EXIF holding ``orientation`` and ``make``."""
    exif = Image.Exif()
    if "orientation" in tags:
        exif[ORIENTATION_TAG] = tags["orientation"]
    if "make" in tags:
        exif[MAKE_TAG] = tags["make"]
    return exif


def process(data: bytes, file_format: str, options: Options) -> bytes:
    """What a slot makes of a picture."""
    return picture.process(data, file_format, options).data
