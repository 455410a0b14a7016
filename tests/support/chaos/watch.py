"""The watch: one thread that reads the coordinator's metrics and memory while it is harmed.

    watch ─ every half second ─► /metrics ─► growth by series, over all coordinators of a run
                             └─► psutil   ─► resident memory

Started and stopped by the ``with`` block. Counters of a new coordinator begin at nothing: what they
grew by is added up.
"""

from __future__ import annotations

import threading
import time
import urllib.request
from collections import Counter
from http.client import HTTPException
from types import TracebackType
from typing import Self

import psutil
from prometheus_client.parser import text_string_to_metric_families

#: Seconds between looks.
LOOK_SECONDS = 0.5

#: Seconds for one scrape.
SCRAPE_SECONDS = 2.0

#: Counters that say what became of faults, with the label to tell apart by.
WATCHED = {
    "headrace_tasks_total": "outcome",
    "headrace_failed_attempts_total": "reason",
    "headrace_lease_expirations_total": "",
    "headrace_outcomes_dropped_total": "",
    "headrace_slot_restarts_total": "reason",
}

Series = tuple[str, str]


class Watch:
    """``growth``: by how much each series grew; ``memory``: (second, resident bytes)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._last: dict[Series, float] = {}
        self._process: psutil.Process | None = None
        self._begun = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self.growth: Counter[Series] = Counter()
        self.memory: list[tuple[float, int]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(SCRAPE_SECONDS * 3)

    def follow(self, pid: int) -> None:
        """Watch this coordinator from now on."""
        with self._lock:
            self._last.clear()
            self._process = psutil.Process(pid)

    def scrape(self) -> None:
        """Read the counters now. A coordinator that does not answer is passed over."""
        with self._lock:
            try:
                with urllib.request.urlopen(self._url, timeout=SCRAPE_SECONDS) as answer:
                    text: str = answer.read().decode()
            except (OSError, HTTPException):
                return
            now = _read_counters(text)
            for series, value in now.items():
                grown = int(value - self._last.get(series, 0.0))
                if grown > 0:
                    self.growth[series] += grown
            self._last = now

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.scrape()
            self._measure_memory()

    def _measure_memory(self) -> None:
        try:
            if self._process:
                rss_bytes = self._process.memory_info().rss
                if rss_bytes:  # a process that has just died has none
                    self.memory.append((time.monotonic() - self._begun, rss_bytes))
        except psutil.Error:
            pass


def _read_counters(text: str) -> dict[Series, float]:
    counters: Counter[Series] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in WATCHED:
                label = WATCHED[sample.name]
                counters[sample.name, sample.labels.get(label, "")] += sample.value  # type: ignore[assignment] # floats add up as well
    return dict(counters)
