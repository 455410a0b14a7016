"""A span that runs in another cluster, as seen from here."""

from __future__ import annotations

import asyncio
import time

from headrace_worker.engines.messages import SpanNews
from headrace_worker.link.messages import Progress
from headrace_worker.pool.backlog import Span
from headrace_worker.pool.limits import PREPARE_SECONDS

#: How many seconds late the news may be that a span has begun its next task.
SLACK_SECONDS = 1.0


class RemoteRun:
    """A running span in another cluster. As far as is known, its task ``index`` runs since
    ``since`` (monotonic).
    """

    def __init__(self, number: int, span: Span) -> None:
        self.number = number
        self.span = span
        self.started = time.monotonic()
        self.index: int | None = None
        self.since = self.started
        self.progress: Progress | None = None
        self.task: asyncio.Task[None] | None = None
        self._has_news = False

    def note_news(self, news: SpanNews) -> None:
        """Read news of the span; impossible news is ignored."""
        if news.index is not None and not self.span.start <= news.index < self.span.stop:
            return
        self.index = news.index
        self.since = time.monotonic() - news.seconds
        self._has_news = True
        if news.progress and news.progress.index == news.index:
            self.progress = news.progress
        elif self.progress and self.progress.index != news.index:
            self.progress = None

    def cancel(self) -> None:
        """End it as far as possible. If it cannot be ended, it counts as running until it ends, so
        nothing happens if this is called again.
        """
        if self.task and not self.task.cancelling():
            self.task.cancel()

    def find_limit(self) -> tuple[float, float] | None:
        """Return the time limit of its task or of its preparation in seconds, and when it is over
        (monotonic). Return None if there is no limit, or while the span waits for a process.
        """
        limit = self.span.batch.timeout_seconds
        if limit is None or not self._has_news or self.span.batch.cancelled:
            return None
        if self.index is None:
            limit = max(limit, PREPARE_SECONDS)
            return limit, self.since + limit
        return limit, self.since + limit + (SLACK_SECONDS if len(self.span) > 1 else 0.0)

    def estimate_left(self, mean_seconds: float | None) -> float:
        """Estimate how many more seconds the span takes, from the mean duration of its tasks."""
        whole = len(self.span) * (mean_seconds or 0.0)
        return max(0.0, self.started + whole - time.monotonic())
