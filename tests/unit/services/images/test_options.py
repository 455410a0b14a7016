from __future__ import annotations

import math
from typing import Any

import msgpack
import pytest

from headrace_services.images.options import OPERATIONS, Options, parse_size


@pytest.mark.parametrize("operation", OPERATIONS)
def test_options_come_back_as_they_left(operation: str) -> None:
    options = Options(
        operation,
        radius=3.5 if operation == "blur" else 2.0,
        size=(80, 60) if operation == "thumbnail" else (256, 256),
        file_format="webp",
        quality=70,
        max_megapixels=12.5,
    )
    carried = msgpack.unpackb(msgpack.packb(options.to_parameters()))
    assert Options.from_parameters(operation, carried) == options


def test_options_that_were_left_out_have_their_defaults() -> None:
    assert Options.from_parameters("blur", {}) == Options("blur")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"operation": "melt"}, "no operation 'melt': choose one of blur"),
        ({"radius": -1}, "radius -1 cannot be used: give 0 to 1000 pixels"),
        ({"radius": math.nan}, "radius nan cannot be used"),
        ({"radius": math.inf}, "radius inf cannot be used"),
        ({"size": (0, 5)}, "size 0x5 cannot be used"),
        ({"size": (70_000, 5)}, "size 70000x5 cannot be used: give 1 to 65535 pixels"),
        ({"quality": 0}, "quality 0 cannot be used: give 1 to 100"),
        ({"quality": 101}, "quality 101 cannot be used"),
        ({"max_megapixels": 0}, "a limit of 0 megapixels lets no picture through"),
        ({"max_megapixels": math.nan}, "a limit of nan megapixels"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        Options(**{"operation": "blur", **wrong})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "parameters",
    [{"radius": "2"}, {"size": [1]}, {"size": "256"}, {"format": 3}, {"quality": 1.5}],
)
def test_parameters_of_another_shape_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="parameters of images blur don't fit"):
        Options.from_parameters("blur", parameters)


def test_a_size_is_a_number_or_two() -> None:
    assert parse_size("256") == (256, 256)
    assert parse_size(" 800x600 ") == (800, 600)
    assert parse_size("800X600") == (800, 600)


@pytest.mark.parametrize("text", ["", "x", "12x", "-5", "1.5", "1x2x3", "9999999999"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be read: give N or WIDTHxHEIGHT"):
        parse_size(text)
