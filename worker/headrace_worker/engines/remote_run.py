"""A span that runs in another cluster, as it is seen from here."""

from __future__ import annotations

import asyncio
import time

from headrace_worker.engines.messages import SpanNews
from headrace_worker.link.messages import Progress
from headrace_worker.pool.backlog import Span
from headrace_worker.pool.limits import PREPARE_SECONDS

#: Seconds by which the news that a span is at its next task may be late.
SLACK_SECONDS = 1.0


class RemoteRun:
    """A span at the other side. ``index`` runs there since ``since`` (monotonic), as far as is
    known.
    """

    def __init__(self, number: int, span: Span) -> None:
        self.number = number
        self.span = span
        self.started = time.monotonic()
        self.index: int | None = None
        self.since = self.started
        self.progress: Progress | None = None
        self.task: asyncio.Task[None] | None = None
        self._is_heard = False

    def hear(self, news: SpanNews) -> None:
        """Take in what it has told; what cannot be is ignored."""
        if news.index is not None and not self.span.start <= news.index < self.span.stop:
            return
        self.index = news.index
        self.since = time.monotonic() - news.seconds
        self._is_heard = True
        if news.progress and news.progress.index == news.index:
            self.progress = news.progress
        elif self.progress and self.progress.index != news.index:
            self.progress = None

    def find_limit(self) -> tuple[float, float] | None:
        """The limit, in seconds, that its task or its preparation has, and when that is over
        (monotonic); None where there is none, or as long as the span waits for a process.
        """
        limit = self.span.batch.timeout_seconds
        if limit is None or not self._is_heard or self.span.batch.cancelled:
            return None
        if self.index is None:
            limit = max(limit, PREPARE_SECONDS)
            return limit, self.since + limit
        return limit, self.since + limit + (SLACK_SECONDS if len(self.span) > 1 else 0.0)

    def estimate_left(self, mean_seconds: float | None) -> float:
        """How many seconds it still takes, with tasks that take so long."""
        whole = len(self.span) * (mean_seconds or 0.0)
        return max(0.0, self.started + whole - time.monotonic())
