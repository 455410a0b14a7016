"""The text that Prometheus reads: computed once a second at most, a little at a time.

A scrape of 3,000 jobs takes some 10 ms, and the event loop serves the queue too. So whoever asks
again within the second gets the same text, and between metrics the loop does what else there is.
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

#: Seconds for which a text is served again.
FRESH_SECONDS = 1.0

#: Seconds of work after which others come first.
TURN_SECONDS = 0.002

#: The versions of the formats that there are: whoever asks for others has none made for them alone.
_VERSION = re.compile(r"; version=(0\.0\.4|1\.0\.0);")

#: The end of a text in the format of OpenMetrics.
_END = b"# EOF\n"


class _Text(Struct, frozen=True):
    body: bytes
    made_at: float


class _One(Struct, frozen=True):
    """One metric family, as encoders take them."""

    family: Metric

    def collect(self) -> Iterator[Metric]:
        yield self.family


class Scrapes:
    """Texts of a registry, in the formats that are asked for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._lock = asyncio.Lock()
        self._texts: dict[str, _Text] = {}
        self._made_at = -FRESH_SECONDS

    async def read(self, accepted: str) -> tuple[bytes, str]:
        """A text in the format that an ``Accept`` header asks for, and its type."""
        encode, content_type = choose_format(accepted)
        async with self._lock:
            text = self._texts.get(content_type)
            if text is None or not _is_fresh(text.made_at):
                # Formats take turns: there are many of them, as far as those who ask are concerned.
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
    """How to write what an ``Accept`` header asks for, and its type; plain text for what is not
    known. prometheus-client takes anything for a version, and fails where it is none.
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
