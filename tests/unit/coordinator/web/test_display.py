"""How the page writes numbers, times and sizes."""

from __future__ import annotations

import pytest

from headrace_coordinator.web import display
from support.page_figures import CASES


@pytest.mark.parametrize(("name", "arguments", "text"), CASES)
def test_figures_are_readable(name: str, arguments: list[float], text: str) -> None:
    assert getattr(display, name)(*arguments) == text


def test_moments_name_their_time_zone() -> None:
    assert display.moment(0) == "1970-01-01 00:00:00 UTC"
    assert display.iso(0) == "1970-01-01T00:00:00+00:00"
