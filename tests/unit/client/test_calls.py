"""Calls and their outcomes, without anybody who does them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from headrace.calls import Calls
from headrace.outcomes import Outcome
from headrace.stream import Stream
from headrace_services.calls import CallOptions
from headrace_services.calls.values import pack_value


class FakeStream:
    """Takes calls in, and is told what came of them by the test."""

    def __init__(self, operation: str, parameters: dict[str, object], **told: Any) -> None:
        del operation, parameters
        self.told = told
        self.count = 0

    def put(self, item: bytes, *, attended: bool) -> int:
        assert item
        assert not attended
        self.count += 1
        return self.count - 1

    def tell(self, start: int, values: Sequence[object]) -> None:
        self.told["on_values"](start, [pack_value(value) for value in values])


def test_an_outcome_whose_taking_was_interrupted_is_taken_when_it_comes_again() -> None:
    """Ctrl-C may come in the thread of a caller who takes in what is for others."""
    settled: list[tuple[str, Outcome]] = []

    def settle_second(outcome: Outcome) -> None:
        if not any(name == "second" for name, _ in settled):
            settled.append(("second", outcome))
            raise KeyboardInterrupt
        settled.append(("second again", outcome))

    options = CallOptions(serializer="msgpack")
    calls = Calls(options, lambda *words, **told: cast("Stream", FakeStream(*words, **told)))
    stream = cast("FakeStream", calls.stream)
    calls.call("m:f", (), {}, lambda outcome: settled.append(("first", outcome)))
    calls.call("m:f", (), {}, settle_second)
    calls.call("m:f", (), {}, lambda outcome: settled.append(("third", outcome)))
    with pytest.raises(KeyboardInterrupt):
        stream.tell(0, ["a", "b", "c"])
    stream.tell(0, ["a", "b", "c"])
    assert [name for name, _ in settled] == ["first", "second", "first", "second again", "third"]
    assert settled[-1] == ("third", (True, "c"))
    stream.tell(0, ["a", "b", "c"])
    assert len(settled) == 5, "they are let go of"
