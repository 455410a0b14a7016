"""Large data of jobs as a worker keeps it."""

from __future__ import annotations

import os

import pytest

from headrace_services.service import Kept
from headrace_wire.encoding import pack
from headrace_worker.data import KEPT_SECONDS, DataStore, Needs, read_needs


def test_what_is_kept_can_be_opened_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    store = DataStore()
    store.put("a", b"x" * 100_000)
    assert "a" in store
    opened = Kept(*store.locate("a")).open()
    assert bytes(opened) == b"x" * 100_000
    store.close()
    assert bytes(opened[:2]) == b"xx"  # whoever has it open goes on
    assert "a" not in store


def test_what_is_not_needed_for_a_while_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 1000.0
    monkeypatch.setattr("headrace_worker.data.time.monotonic", lambda: moment)
    store = DataStore()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers, not paths
    store.put("a", b"1")
    store.put("b", b"2")
    moment += KEPT_SECONDS / 2
    store.locate("b")
    moment += KEPT_SECONDS / 2 + 1
    store.expire({"a"})
    assert "a" in store
    store.expire(set())
    assert "a" not in store
    assert "b" in store
    store.close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above


def test_needs_are_read_from_parameters() -> None:
    about = {"tenant": "t", "data": {"function": ["j1", 5], "initargs": ["j2", 7]}}
    assert read_needs(pack(about)) == Needs("t", (("function", "j1"), ("initargs", "j2")))
    assert read_needs(pack({"tenant": 5})) == Needs()
    assert read_needs(pack([1])) == read_needs(b"\xc1") == Needs()


@pytest.mark.parametrize(
    "data",
    [1, ["a"], {"a": 1}, {"a": [1, 2]}, {"a": ["b", "c"]}, {str(n): ["a", 1] for n in range(9)}],
)
def test_references_that_make_no_sense_are_an_error(data: object) -> None:
    with pytest.raises(ValueError, match="refer to data"):
        read_needs(pack({"data": data}))
