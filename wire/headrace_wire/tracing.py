"""Spans of OpenTelemetry, in processes that have a tracer provider; in others this does nothing.

    headrace submit ─ JobSpec.trace ─► Lease.trace ─► headrace run (slot), headrace report (worker)
    headrace wait

Nothing is imported before the program does so: a program that traces has set a provider, by hand or
with ``opentelemetry-instrument``, and therefore imported ``opentelemetry.trace``. What is sent is
the ``traceparent`` of W3C's Trace Context.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from headrace_wire.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, Span, Tracer

P = ParamSpec("P")
T = TypeVar("T")

#: The kind of a span in OpenTelemetry: its relation to the other side of a call.
Kind = Literal["PRODUCER", "CONSUMER", "CLIENT"]

#: The header of W3C's Trace Context that is sent.
_PARENT = "traceparent"

#: How many milliseconds a process that ends waits for its spans to leave.
FLUSH_MILLISECONDS = 500


class _Cache:
    """The tracer of the provider that was found last."""

    provider: object = None
    tracer: Tracer | None = None


def find_tracer() -> Tracer | None:
    """Return the tracer of this process; None if nobody has set a provider."""
    provider = _find_provider()
    if provider is None:
        return None
    if provider is not _Cache.provider:
        _Cache.provider, _Cache.tracer = provider, provider.get_tracer("headrace", VERSION)
    return _Cache.tracer


class _Ending:
    """Ends a span that is not the current one."""

    def __init__(self, span: Span) -> None:
        self.close = span.end


@contextlib.contextmanager
def open_span(
    name: str,
    kind: Kind,
    attributes: dict[str, str | int],
    *,
    parent: str = "",
    links: Iterable[str] = (),
    is_current: bool = True,
) -> Generator[Span | None]:
    """Open a span in this block, below ``parent`` or else below the current one.

    Spans that are opened meanwhile are below it, unless ``is_current`` is false: in generators,
    whose callers continue with their own spans. An exception that leaves the block is recorded with
    it.
    """
    tracer = find_tracer()
    if tracer is None:
        yield None
        return
    from opentelemetry.trace import SpanKind, use_span  # noqa: PLC0415 - installed, as there is a provider

    span = tracer.start_span(
        name,
        context=_read(parent) if parent else None,
        kind=SpanKind[kind],
        attributes={f"headrace.{word}": value for word, value in attributes.items()},
        links=[link for trace in links if (link := _make_link(trace))],
    )
    with use_span(span, end_on_exit=True) if is_current else contextlib.closing(_Ending(span)):
        yield span


def write_trace() -> str:
    """Return the current span, for others to put theirs below it; "" if there is none."""
    if _find_provider() is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - as above
        TraceContextTextMapPropagator,
    )

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(_PARENT, "")


def flush_spans() -> None:
    """Export the spans of a process that ends abruptly, as far as possible."""
    flush = getattr(_find_provider(), "force_flush", None)
    if flush is not None:
        with contextlib.suppress(Exception):  # an exporter's error must not prevent the end
            flush(FLUSH_MILLISECONDS)


def _find_provider() -> Any:
    trace: Any = sys.modules.get("opentelemetry.trace")
    find: Callable[[], Any] | None = getattr(trace, "get_tracer_provider", None)
    if find is None:  # not imported, or not completely yet
        return None
    provider = find()
    return None if isinstance(provider, trace.ProxyTracerProvider) else provider


def _read(trace: str) -> Context:
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - as above
        TraceContextTextMapPropagator,
    )

    return TraceContextTextMapPropagator().extract({_PARENT: trace})


def _make_link(trace: str) -> Link | None:
    from opentelemetry.trace import Link, get_current_span  # noqa: PLC0415 - as above

    context = get_current_span(_read(trace)).get_span_context()
    return Link(context) if context.is_valid else None
