from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_services.images.options import Options
from headrace_services.images.previews import drop_preview_resources
from support.pictures import decode, encode, make_picture, process

HEAD = b"Photoshop 3.0\0"


def resource(number: int, data: bytes, name: bytes = b"") -> bytes:
    named = bytes([len(name)]) + name
    named += b"\0" * (len(named) % 2)
    padding = b"\0" * (len(data) % 2)
    return (
        b"8BIM" + struct.pack(">H", number) + named + struct.pack(">I", len(data)) + data + padding
    )


@pytest.mark.parametrize("number", [0x0409, 0x040C])
def test_previews_go_and_captions_stay(number: int) -> None:
    caption, other = resource(0x0404, b"a caption"), resource(0x03ED, b"dpi", name=b"size")
    segment = HEAD + caption + resource(number, b"odd preview") + other
    assert drop_preview_resources(segment) == HEAD + caption + other


def test_what_is_not_photoshops_stays_as_it_came() -> None:
    assert drop_preview_resources(b"\x1c\x02\x00bare IPTC") == b"\x1c\x02\x00bare IPTC"


@given(st.binary(max_size=80))
def test_a_damaged_segment_is_kept_up_to_the_damage(junk: bytes) -> None:
    whole = HEAD + resource(0x0404, b"a caption")
    assert drop_preview_resources(whole + b"junk" + junk) == whole
    assert drop_preview_resources(whole + b"8BIM" + junk).startswith(whole)


def test_a_photoshop_preview_does_not_leave_with_a_blurred_picture() -> None:
    preview = encode(make_picture(16, 12, seed=1), "JPEG")
    segment = HEAD + resource(0x0404, b"\x1c\x02\x78\x00\x05Alpes") + resource(0x040C, preview)
    plain = encode(make_picture(), "JPEG")
    marker = b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment
    data = plain[:2] + marker + plain[2:]
    blurred = process(data, "jpeg", Options("blur"))
    assert preview in data
    assert preview not in blurred
    assert b"Alpes" in blurred
    assert decode(blurred).size == (64, 48)
