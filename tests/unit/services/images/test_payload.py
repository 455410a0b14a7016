from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_services.images.payload import PictureInput, PictureValue, printable, read_source

names = st.binary(min_size=1, max_size=60).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


@given(names, names, st.binary(max_size=100))
def test_inputs_and_values_come_back_as_they_left(source: str, output: str, data: bytes) -> None:
    """Names on disk are bytes: some are not UTF-8, and must still find their file."""
    for picture in (
        PictureInput(source, output, "data", data),
        PictureInput(source, output, "path", source),
        PictureInput(source, output, "problem", "cannot be read"),
    ):
        assert PictureInput.decode(picture.encode()) == picture
        assert read_source(picture.encode()) == source
    for dropped in (0, 3):
        value = PictureValue(output, data, 7, len(data), dropped)
        assert PictureValue.decode(value.encode()) == value


def test_the_source_is_read_without_the_picture() -> None:
    """Only the beginning is looked at, so a cut input still tells its name."""
    encoded = PictureInput("holiday/a.jpg", "a.jpg", "data", bytes(1_000_000)).encode()
    assert read_source(encoded[:6000]) == "holiday/a.jpg"


@pytest.mark.parametrize("encoded", [b"", b"\xc1", b"\x01", b"\x94\x01\x02\x03\x04", b"\x91\xa1a"])
def test_foreign_bytes_are_refused(encoded: bytes) -> None:
    with pytest.raises(ValueError, match=r"picture task"):
        PictureInput.decode(encoded)
    with pytest.raises(ValueError, match=r"picture task"):
        PictureValue.decode(encoded)


def test_an_input_is_needed() -> None:
    with pytest.raises(ValueError, match="not the input of a picture task"):
        PictureInput.decode(None)


@given(names)
def test_printable_names_can_always_be_printed(name: str) -> None:
    printable(name).encode()
