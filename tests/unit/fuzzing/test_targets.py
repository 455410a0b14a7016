"""Each target of ``make fuzz`` for a moment, and everything that it ever found."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from support.fuzzing.targets import CORPUS, TARGETS

pytestmark = pytest.mark.any_python

#: Inputs of a target, of which most take a millisecond.
EXAMPLES = dict.fromkeys(TARGETS, 60) | {"coordinator": 12, "pictures": 40}

FOUND = [
    pytest.param(path.parent.name, path.read_bytes(), id=f"{path.parent.name}-{path.name}")
    for path in sorted(CORPUS.glob("*/*"))
]


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_that_nobody_should_send_do_no_harm(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=EXAMPLES[name])
    @given(target.inputs)
    def check(data: bytes) -> None:
        target.check(data)

    for seed in target.seeds:
        target.check(seed)
    check()


@pytest.mark.parametrize(("name", "data"), FOUND)
def test_what_was_found_once_does_no_harm(name: str, data: bytes) -> None:
    TARGETS[name].check(data)


def test_what_was_found_is_small_and_of_a_target() -> None:
    for path in CORPUS.glob("*/*"):
        assert path.parent.name in TARGETS
        assert path.stat().st_size < 64 << 10
