"""Jobs as people see them."""

from __future__ import annotations

import pytest

from headrace.cli.show import format_age


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s ago"),
        (-5, "0 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7199, "119 min ago"),
        (7200, "2 h ago"),
        (172_800, "2 d ago"),
    ],
)
def test_an_age_is_told_in_the_largest_unit_of_which_there_are_two(
    seconds: float, words: str
) -> None:
    assert format_age(1000.0, 1000.0 + seconds) == words
