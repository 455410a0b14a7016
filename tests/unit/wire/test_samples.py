from __future__ import annotations

import pytest

from headrace_wire.samples import KINDS, SampleKind


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_is_named_and_labelled_as_prometheus_advises(kind: SampleKind) -> None:
    assert KINDS[kind.name] is kind
    assert kind.name.startswith("headrace_")
    assert not kind.name.endswith("_total")
    assert kind.help.endswith(".")
    assert len(set(kind.labels)) == len(kind.labels)
    assert not {"job", "task", "id", "le"} & set(kind.labels)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_bounds_grow_and_leave_the_last_bucket_open(kind: SampleKind) -> None:
    assert list(kind.bounds) == sorted(set(kind.bounds))
    assert all(0 < bound < float("inf") for bound in kind.bounds)
