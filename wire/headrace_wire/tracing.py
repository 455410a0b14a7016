"""Spans of OpenTelemetry, in processes that have a tracer provider; elsewhere there is nothing.

    headrace submit ─ JobSpec.trace ─► Lease.trace ─► headrace run (slot), headrace report (worker)
    headrace wait

Nothing is imported before somebody else has done so: who traces has set a provider, by hand or with
``opentelemetry-instrument``, and with that imported ``opentelemetry.trace``. What travels is the
``traceparent`` of W3C's Trace Context.
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

#: What a span is to the other side of its call, as OpenTelemetry has it.
Kind = Literal["PRODUCER", "CONSUMER", "CLIENT"]

#: The header of W3C's Trace Context that travels.
_PARENT = "traceparent"

#: Milliseconds that a process which ends gives its spans to leave.
FLUSH_MILLISECONDS = 500


class _Cache:
    """The tracer of the provider that was found last."""

    provider: object = None
    tracer: Tracer | None = None


def find_tracer() -> Tracer | None:
    """The tracer of this process; None where nobody has set a provider."""
    provider = _find_provider()
    if provider is None:
        return None
    if provider is not _Cache.provider:
        _Cache.provider, _Cache.tracer = provider, provider.get_tracer("headrace", VERSION)
    return _Cache.tracer


class _Ending:
    """Ends a span that is not the present one of anything."""

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
    """Have a span from here on, beneath ``parent`` or else beneath the present one.

    Those that are opened meanwhile are beneath it, unless it is not to be ``is_current``: in
    generators, whose callers go on with spans of their own. An exception that leaves the block is
    recorded with it.
    """
    tracer = find_tracer()
    if tracer is None:
        yield None
        return
    from opentelemetry.trace import SpanKind, use_span  # noqa: PLC0415 - it is there, as there is a provider

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
    """The present span, for others to put theirs beneath; "" where there is none."""
    if _find_provider() is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - as above
        TraceContextTextMapPropagator,
    )

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(_PARENT, "")


def flush_spans() -> None:
    """Let the spans of a process that ends without further ado leave it, as far as they can."""
    flush = getattr(_find_provider(), "force_flush", None)
    if flush is not None:
        with contextlib.suppress(Exception):  # an exporter's trouble is no reason not to end
            flush(FLUSH_MILLISECONDS)


def _find_provider() -> Any:
    trace: Any = sys.modules.get("opentelemetry.trace")
    find: Callable[[], Any] | None = getattr(trace, "get_tracer_provider", None)
    if find is None:  # not imported, or not yet to its end
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
