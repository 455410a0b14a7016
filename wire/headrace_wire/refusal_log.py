"""Logs refused connections: one line per minute for each address.

The first one is logged at once, with the reason; those that follow within the minute are summarized
at its end. So a peer that keeps trying does not fill the disk, and a mistake is still seen at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable

from msgspec import Struct, field

from headrace_wire.words import count

log = logging.getLogger(__name__)

#: Seconds between lines about one address.
LINE_SECONDS = 60.0

#: How many addresses have their own lines at a time; all others share one.
MOST_ADDRESSES = 64
OTHERS = "other addresses"

KEY, PROTOCOL, HANDSHAKE, PENDING = "key", "protocol", "handshake", "pending"
FULL, IDLE, STALLED, DESCRIPTORS = "full", "idle", "stalled", "descriptors"
HTTP, TOKEN, MEMORY = "http", "token", "memory"

#: The texts about many connections that were refused for a reason. The reasons are labels of a
#: metric, too.
REASONS = {
    KEY: "did not hold the key",
    PROTOCOL: "spoke another protocol",
    HANDSHAKE: "did not finish the handshake",
    PENDING: "gave way to newer ones before the handshake was over",
    FULL: "found no room",
    IDLE: "were not in use and gave way to others",
    STALLED: "stood still in the middle of a message",
    DESCRIPTORS: "gave way because no file could be opened",
    MEMORY: "sent more than there is memory for",
    HTTP: "did not finish their request",
    TOKEN: "brought no token that is taken",
}


class _Tally(Struct):
    """What has happened since the last line about an address."""

    since: float
    reasons: Counter[str] = field(default_factory=Counter[str])


class RefusalLog:
    """Makes the lines; the caller writes them. ``note`` returns whether to log a connection at
    once, and ``collect`` returns the lines that are due.
    """

    def __init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}

    def note(self, address: str, reason: str, now: float) -> bool:
        """Count a connection, and return whether it is to be logged at once."""
        tally = self._tallies.get(address)
        if tally is None and len(self._tallies) >= MOST_ADDRESSES:
            address = OTHERS
            tally = self._tallies.get(address)
        if tally is None:
            self._tallies[address] = _Tally(now)
            return address != OTHERS
        tally.reasons[reason] += 1
        return False

    def collect(self, now: float, *, at_once: bool = False) -> list[str]:
        """Return the lines that are due, or all lines."""
        lines: list[str] = []
        for address, tally in list(self._tallies.items()):
            if not at_once and now - tally.since < LINE_SECONDS:
                continue
            if tally.reasons:
                lines.append(_sum_up(address, tally, now))
                self._tallies[address] = _Tally(now)
            else:
                del self._tallies[address]
        return lines

    def find_due(self) -> float | None:
        """Return when the next line may be due; None if there is nothing to wait for."""
        begun = [tally.since for tally in self._tallies.values()]
        return min(begun) + LINE_SECONDS if begun else None


class Refusals:
    """Logs and counts what a server refuses, in its event loop. ``on_refused(reason)`` is called
    for each connection.
    """

    def __init__(self, on_refused: Callable[[str], None] | None = None) -> None:
        self._log = RefusalLog()
        self._on_refused = on_refused
        self._timer: asyncio.TimerHandle | None = None

    def note(self, host: str, reason: str, line: str) -> None:
        """Note that a connection of a host is refused; ``line`` describes this one."""
        if self._on_refused:
            self._on_refused(reason)
        if self._log.note(host, reason, time.monotonic()):
            log.warning("%s", line)
        self._set_timer()

    def stop(self) -> None:
        """Log what has not been logged yet."""
        if self._timer:
            self._timer.cancel()
        self._tell(at_once=True)

    def _set_timer(self) -> None:
        due = self._log.find_due()
        if self._timer is None and due is not None:
            delay = max(0.0, due - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._look)

    def _look(self) -> None:
        self._timer = None
        self._tell()
        self._set_timer()

    def _tell(self, *, at_once: bool = False) -> None:
        for line in self._log.collect(time.monotonic(), at_once=at_once):
            log.warning("%s", line)


def _sum_up(address: str, tally: _Tally, now: float) -> str:
    within = count(max(1, round(now - tally.since)), "second")
    what = count(tally.reasons.total(), "connection")
    parts = [f"{number:,} {REASONS[one]}" for one, number in tally.reasons.most_common()]
    return f"refused {what} from {address} within {within}: {', '.join(parts)}"
