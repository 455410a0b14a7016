"""Metrics of the requests that the page and the JSON API answer.

Requests are counted by their purpose and not by their path, so that the number of series is fixed.
"""

from __future__ import annotations

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

#: The purpose of a request: a page for people, one of its files, the JSON API, results to download,
#: or a stream of news.
Purpose = Literal["page", "static", "api", "results", "stream"]
PURPOSES: tuple[Purpose, ...] = ("page", "static", "api", "results", "stream")

#: The classes of status codes.
STATUSES = ("2xx", "3xx", "4xx", "5xx")

#: Upper bounds of the time until an answer begins, in seconds.
ANSWER_BOUNDS = (0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0)


class PageMetrics:
    """Counts requests by purpose."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "headrace_http_requests",
            "Requests that the page and the JSON API have answered.",
            ("purpose", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "headrace_http_answer_seconds",
            "Time from such a request to the beginning of its answer.",
            ("purpose",),
            buckets=ANSWER_BOUNDS,
            registry=registry,
        )
        #: The number of open streams.
        self.streams = Gauge(
            "headrace_http_streams",
            "Streams of news that pages and programs have open.",
            registry=registry,
        )
        for purpose in PURPOSES:  # so that the first one is an increase
            self._seconds.labels(purpose)
            for status in STATUSES:
                self._requests.labels(purpose, status)

    def note(self, purpose: Purpose, status: int, seconds: float) -> None:
        """Count a request whose answer began this many seconds after it."""
        self._requests.labels(purpose, f"{status // 100}xx").inc()
        self._seconds.labels(purpose).observe(seconds)


def find_purpose(path: str) -> Purpose:
    """Return the purpose of a request for a path."""
    if not path.startswith("/api/"):
        return "static" if path.startswith("/static/") else "page"
    if path.endswith("/stream"):
        return "stream"
    return "results" if path.endswith("/results") else "api"
