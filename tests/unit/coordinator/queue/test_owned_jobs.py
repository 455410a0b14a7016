"""Jobs that belong to the client that submitted them: handed over piece by piece."""

from __future__ import annotations

import pytest

from headrace_coordinator.queue.chunks import FORGOTTEN_AT_ONCE
from headrace_coordinator.queue.client_requests import ABANDONED_SECONDS
from headrace_coordinator.queue.events import SpansDelivered
from headrace_wire.errors import UnknownJobError
from headrace_wire.messages.jobs import SUCCEEDED
from headrace_wire.messages.spans import Span
from support.queue_builders import Rig
from support.queue_invariants import check_invariants


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.join()
    made.submit(tasks=None, owned=True)
    return made


def test_what_is_delivered_is_kept_no_more(rig: Rig) -> None:
    rig.put("job", 0, [b"a", b"b"])
    rig.run_to_end()
    job = rig.queue.state.find("job")
    assert job.result_bytes > 0
    rig.queue.state.drain_events()
    spans = [Span(start, stop) for start, (stop, _) in job.undelivered.items()]
    size_bytes = job.result_bytes
    rig.queue.intake.deliver("job", spans, rig.now)
    check_invariants(rig.queue.state)
    assert (job.result_bytes, rig.queue.state.spool_bytes) == (0, 0)
    (event,) = rig.queue.state.drain_events()
    starts = tuple(span.start for span in spans)
    assert event == SpansDelivered("job", starts, size_bytes, ((0, 2),))
    rig.queue.intake.deliver("job", spans, rig.now)
    assert rig.queue.state.drain_events() == [], "once is enough"
    rig.queue.intake.seal("job", 2, rig.now)
    assert rig.status().state == SUCCEEDED


def test_what_was_never_there_cannot_be_delivered(rig: Rig) -> None:
    rig.put("job", 0, [b"a", b"b"])
    rig.run_to_end()
    rig.queue.intake.deliver("job", [Span(0, 99), Span(7, 8), Span(-1, 2)], rig.now)
    check_invariants(rig.queue.state)
    assert rig.queue.state.find("job").dropped.count == 0


def test_an_owned_job_ends_with_its_client_though_it_is_sealed(rig: Rig) -> None:
    rig.put("job", 0, [b"a"])
    rig.queue.intake.seal("job", 1, rig.now)
    rig.seconds = ABANDONED_SECONDS - 1
    rig.queue.tick(rig.now)
    assert rig.status().tasks == 1
    rig.queue.intake.deliver("job", (), rig.now)
    rig.seconds += ABANDONED_SECONDS - 1
    rig.queue.tick(rig.now)
    assert rig.status().tasks == 1
    rig.seconds += 1
    rig.queue.tick(rig.now)
    with pytest.raises(UnknownJobError):
        rig.status()


def test_an_endless_job_does_not_grow(rig: Rig) -> None:
    job = rig.queue.state.find("job")
    for start in range(3 * FORGOTTEN_AT_ONCE):
        rig.put("job", start, [b"x"])
        rig.run_to_end()
        spans = [Span(first, stop) for first, (stop, _) in job.undelivered.items()]
        rig.queue.intake.deliver("job", spans, rig.now)
        rig.queue.state.drain_events()
    assert len(job.chunks.starts) <= FORGOTTEN_AT_ONCE
    assert (len([*job.done]), len([*job.dropped]), len(job.undelivered)) == (1, 1, 0)


def test_a_span_that_was_never_there_is_not_delivered() -> None:
    rig = Rig()
    rig.submit(owned=True)
    rig.queue.intake.deliver("job", (Span(0, 0), Span(5, 0), Span(1 << 62, 1 << 62)), rig.now)
    check_invariants(rig.queue.state)
