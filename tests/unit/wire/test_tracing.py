"""Spans, with OpenTelemetry's exporter in memory, and nothing where nobody traces."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from headrace_wire.tracing import find_tracer, flush_spans, open_span, write_trace

#: As the specification shows it.
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)  # a program sets it once and for all
    yield made
    provider.shutdown()


def read_context(span: ReadableSpan) -> trace.SpanContext:
    context: trace.SpanContext | None = span.context
    assert context
    return context


def test_a_span_is_beneath_the_one_that_has_travelled(exporter: InMemorySpanExporter) -> None:
    with (
        open_span("headrace run", "CONSUMER", {"job": "j", "task": 7}, parent=TRACE),
        trace.get_tracer("theirs").start_as_current_span("their own"),
    ):
        pass
    inner, outer = exporter.get_finished_spans()
    assert (inner.name, outer.name) == ("their own", "headrace run")
    assert outer.kind is trace.SpanKind.CONSUMER
    assert dict(outer.attributes or {}) == {"headrace.job": "j", "headrace.task": 7}
    assert outer.parent
    assert f"{outer.parent.trace_id:032x}-{outer.parent.span_id:016x}" in TRACE
    assert inner.parent == read_context(outer)


def test_what_travels_names_the_present_span(exporter: InMemorySpanExporter) -> None:
    with open_span("headrace submit", "PRODUCER", {}):
        written = write_trace()
    (span,) = exporter.get_finished_spans()
    context = read_context(span)
    assert written.startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")
    assert write_trace() == "", "there is no present span any more"


def test_a_span_of_a_generator_is_not_that_of_its_caller(exporter: InMemorySpanExporter) -> None:
    def wait() -> Iterator[int]:
        with open_span("headrace wait", "CLIENT", {}, is_current=False):
            yield 1

    waiting = wait()
    next(waiting)
    assert not trace.get_current_span().get_span_context().is_valid
    assert not exporter.get_finished_spans()
    assert next(waiting, None) is None
    assert [span.name for span in exporter.get_finished_spans()] == ["headrace wait"]


def test_an_exception_is_recorded_and_goes_on(exporter: InMemorySpanExporter) -> None:
    with pytest.raises(LookupError), open_span("headrace run", "CONSUMER", {}, parent=TRACE):
        raise LookupError("no shop")
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.events[0].name == "exception"


def test_what_else_a_span_is_about_is_linked(exporter: InMemorySpanExporter) -> None:
    with open_span("headrace report", "CLIENT", {}, links=[TRACE, "nonsense", ""]):
        pass
    (span,) = exporter.get_finished_spans()
    assert [f"{link.context.span_id:016x}" for link in span.links] == ["00f067aa0ba902b7"]


@pytest.mark.parametrize("parent", ["nonsense", "00-0-0-00", "00-" + "0" * 32 + "-" + "0" * 16])
def test_a_trace_that_makes_no_sense_begins_a_new_one(
    exporter: InMemorySpanExporter, parent: str
) -> None:
    with open_span("headrace run", "CONSUMER", {}, parent=parent):
        pass
    assert exporter.get_finished_spans()[0].parent is None


def test_without_a_provider_there_is_no_span() -> None:
    assert find_tracer() is None
    with open_span("headrace run", "CONSUMER", {}, parent=TRACE) as span:
        assert span is None
        assert write_trace() == ""
    flush_spans()


def test_nothing_is_imported_where_nobody_traces() -> None:
    program = (
        "import sys; from headrace_wire.tracing import open_span, write_trace\n"
        "with open_span('x', 'CLIENT', {}): write_trace()\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"
