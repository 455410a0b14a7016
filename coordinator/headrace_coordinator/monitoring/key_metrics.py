"""Metrics of what has to be renewed some day: keys, and certificates that a user provided."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client.metrics_core import Metric

from headrace_coordinator.monitoring.families import make_gauges
from headrace_wire.errors import KeyRefusedError
from headrace_wire.key_book import KeyBook, find_book, read_book


class KeyCollector:
    """Reads the file of the coordinator's own key, and that of the named keys, at each scrape.

    ``certificates`` are in DER, by their purpose.
    """

    def __init__(self, key_file: Path, certificates: Mapping[str, bytes]) -> None:
        self._key_file = key_file
        self._ends = {what: _read_end(one) for what, one in certificates.items()}
        self._book = KeyBook()
        self._book_stamp: tuple[int, int] | None = None

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics. What cannot be read is left out."""
        now = time.time()
        ages: dict[str, float] = {}
        if self._key_file.exists():
            ages["own"] = max(0.0, now - self._key_file.stat().st_mtime)
        if keys := self._read_book().keys:
            ages["named"] = max(0.0, now - min(key.made_at for key in keys))
        yield make_gauges(
            "headrace_key_age_seconds",
            "Time since the coordinator's own key was made or rotated, and since the oldest of the "
            "named ones was made.",
            "key",
            ages,
        )
        yield make_gauges(
            "headrace_certificate_expiry_timestamp_seconds",
            "When a certificate expires that the coordinator was given.",
            "certificate",
            self._ends,
        )

    def _read_book(self) -> KeyBook:
        file = find_book(self._key_file)
        try:
            status = file.stat() if file.exists() else None
            stamp = (status.st_ino, status.st_mtime_ns) if status else None
            if stamp != self._book_stamp:
                self._book, self._book_stamp = read_book(self._key_file), stamp
        except (OSError, KeyRefusedError):
            pass  # the coordinator's log says what is wrong with the file
        return self._book


def _read_end(certificate: bytes) -> float:
    # This module is large, and only needed if a certificate was provided.
    from cryptography import x509  # noqa: PLC0415

    return x509.load_der_x509_certificate(certificate).not_valid_after_utc.timestamp()
