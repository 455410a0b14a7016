from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_services.images.kernels import (
    VECTOR_LARGEST_WEIGHT,
    box_weights,
    three_passes,
    to_integers,
)

radii = st.floats(0.05, 64)


@given(radii)
def test_three_passes_of_the_box_have_the_radius_as_their_standard_deviation(radius: float) -> None:
    kernel = three_passes(box_weights(radius))
    middle = len(kernel) // 2
    variance = sum(weight * (place - middle) ** 2 for place, weight in enumerate(kernel))
    assert sum(kernel) == pytest.approx(1)
    assert variance == pytest.approx(radius**2, rel=1e-6)


@given(radii)
def test_integer_weights_keep_brightness_and_symmetry(radius: float) -> None:
    """A sum that is no power of two, or a weight over the limit, shifts libvips' brightness."""
    for weights in (box_weights(radius), three_passes(box_weights(radius))):
        integers, total = to_integers(weights, VECTOR_LARGEST_WEIGHT)
        assert sum(integers) == total
        assert total.bit_count() == 1
        assert integers == integers[::-1]
        assert min(integers) >= 0
        assert max(integers) <= VECTOR_LARGEST_WEIGHT
