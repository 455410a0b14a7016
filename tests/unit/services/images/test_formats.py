from __future__ import annotations

import pytest

from headrace_services.images.formats import (
    FORMATS,
    SNIFF_BYTES,
    SUFFIX_OF_FORMAT,
    SUFFIXES,
    format_of_name,
    parse_format,
    rename_for_format,
    sniff_format,
)
from support.pictures import encode, make_picture


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_format_is_known_by_its_first_bytes(file_format: str) -> None:
    assert sniff_format(encode(make_picture(), file_format)[:SNIFF_BYTES]) == file_format


def test_big_endian_and_big_tiff_are_tiff() -> None:
    for head in (b"MM\0*", b"II+\0", b"MM\0+"):
        assert sniff_format(head + bytes(8)) == "tiff"


def test_a_camera_raw_file_is_not_a_tiff() -> None:
    assert sniff_format(b"II*\0\x10\0\0\0CR\x02\0") is None


def test_a_riff_that_is_sound_is_no_picture() -> None:
    assert sniff_format(b"RIFF\x24\0\0\0WAVE") is None


def test_every_format_has_a_suffix_of_its_own() -> None:
    assert set(SUFFIX_OF_FORMAT) == set(SUFFIXES.values()) == set(FORMATS)
    for file_format, suffix in SUFFIX_OF_FORMAT.items():
        assert SUFFIXES[suffix] == file_format


@pytest.mark.parametrize(
    ("name", "file_format", "renamed"),
    [
        ("a.jpg", "webp", "a.webp"),
        ("sub/a.b.PNG", "jpeg", "sub/a.b.jpg"),
        ("IMG.JPEG", "jpeg", "IMG.JPEG"),
        ("scan.tif", "tiff", "scan.tif"),
        ("photo", "png", "photo.png"),
        ("photo.2024", "png", "photo.2024.png"),
    ],
)
def test_a_name_gets_the_suffix_of_its_format(name: str, file_format: str, renamed: str) -> None:
    assert rename_for_format(name, file_format) == renamed
    assert format_of_name(renamed) == file_format


def test_formats_are_read_as_people_write_them() -> None:
    assert [parse_format(word) for word in ("JPG", "tif", "WebP")] == ["jpeg", "tiff", "webp"]
    with pytest.raises(ValueError, match="'bmp' is not known: choose one of jpeg, png"):
        parse_format("bmp")
