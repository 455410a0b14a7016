"""How long to wait before a coordinator that went away is tried again."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

#: First and longest pause between attempts, in seconds.
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0


def draw_pauses(patience_seconds: float) -> Iterator[float]:
    """Pauses with backoff and jitter, for so long from when the first one is asked for."""
    deadline = time.monotonic() + patience_seconds
    pause = FIRST_PAUSE_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        yield min(pause * jitter, left)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
