"""The text that Prometheus reads, which is made at most once a second, in short steps.

A scrape with 3,000 jobs takes about 10 ms, and the process has to serve the queue, too. So further
requests within the second get the same text, and between metrics the loop serves others.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

from msgspec import Struct
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric

#: For how many seconds a text is served again.
FRESH_SECONDS = 1.0

#: After how many seconds of work others get their turn.
TURN_SECONDS = 0.002

#: The existing versions of the formats. Other versions share one text, so that no request can make
#: the server write a text for itself alone.
_VERSION = re.compile(r"; version=(0\.0\.4|1\.0\.0);")

#: The end of a text in the format OpenMetrics.
_END = b"# EOF\n"


class _Text(Struct, frozen=True):
    body: bytes
    made_at: float


class _One(Struct, frozen=True):
    """One metric family, as encoders require it."""

    family: Metric

    def collect(self) -> Iterator[Metric]:
        yield self.family


class Scrapes:
    """The texts of a registry, in the requested formats."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._lock = asyncio.Lock()
        self._texts: dict[str, _Text] = {}
        self._made_at = -FRESH_SECONDS

    async def read(self, accepted: str) -> tuple[bytes, str]:
        """Return a text in the format that an ``Accept`` header requests, and its content type."""
        encode, content_type = choose_format(accepted)
        async with self._lock:
            text = self._texts.get(content_type)
            if text is None or not _is_fresh(text.made_at):
                # All formats share the limit, because requests could name any number of them.
                await asyncio.sleep(self._made_at + FRESH_SECONDS - time.monotonic())
                self._made_at = time.monotonic()
                text = _Text(await self._write(encode), self._made_at)
                self._texts = {
                    known: one for known, one in self._texts.items() if _is_fresh(one.made_at)
                }
                self._texts[content_type] = text
        return text.body, content_type

    async def _write(self, encode: Callable[[Any], bytes]) -> bytes:
        parts: list[bytes] = []
        begun = time.monotonic()
        for family in self._registry.collect():
            parts.append(encode(cast("Any", _One(family))).removesuffix(_END))
            if time.monotonic() - begun > TURN_SECONDS:
                await asyncio.sleep(0)
                begun = time.monotonic()
        if encode(cast("Any", CollectorRegistry())):
            parts.append(_END)
        return b"".join(parts)


def choose_format(accepted: str) -> tuple[Callable[[Any], bytes], str]:
    """Return an encoder for what an ``Accept`` header requests, and its content type; plain text
    for unknown formats. prometheus-client accepts any text as a version, and fails if it is none.
    """
    try:
        encode, content_type = choose_encoder(accepted)
    except (TypeError, ValueError):
        return choose_encoder("")
    if not _VERSION.search(content_type):
        return choose_encoder("")
    return encode, content_type


def _is_fresh(made_at: float) -> bool:
    return time.monotonic() - made_at < FRESH_SECONDS
