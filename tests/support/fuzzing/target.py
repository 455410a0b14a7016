"""A target: a way by which bytes of somebody else's come in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True)
class Target:
    """``check`` is given what arrives. Whatever it raises is a fault: refusals it expects itself.

    ``seeds`` are inputs as they should be; ``inputs`` are drawn from those that should not.
    """

    name: str
    check: Callable[[bytes], object]
    inputs: st.SearchStrategy[bytes]
    seeds: Sequence[bytes] = ()


def check_refusal(error: BaseException) -> None:
    """A refusal is one short line that a terminal shows and does not obey."""
    text = str(error)
    assert text.isprintable(), repr(text)
    assert len(text) <= 2000, text
