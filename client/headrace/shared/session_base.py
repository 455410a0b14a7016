"""What a session keeps in mind, whichever way it waits: its requests, what it holds, and what the
coordinator has not been told yet. See ``headrace.shared.session``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator

from headrace_wire.errors import ClosedError, HeadraceError, ProtocolError, UnreachableError
from headrace_wire.shared import SharedAnswer, SharedBeat, SharedReceipt, Stamp

#: Beats in the time after which a silent session loses what it holds; two may be lost.
BEATS_PER_LEASE = 3

#: Seconds for which the answer to a beat is waited for.
BEAT_ANSWER_SECONDS = 4.0

#: Seconds for a goodbye, beside those for the answer under way: whoever leaves does not wait long
#: for a coordinator that is frozen. What was not said costs the others a lease's time.
GOODBYE_SECONDS = 0.5

#: Seconds between beats until the coordinator has said how long a lease lasts, and after one that
#: got no answer.
FIRST_BEAT_SECONDS = 1.0

#: What came of a look for which there was no time.
NOT_DONE = SharedAnswer(done=False)


class SessionBase(ABC):
    """The part of a session that calls nothing. Thread safe."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.id = secrets.token_hex(8)
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._lanes: list[tuple[int, int]] = []
        self._lane_count = 0
        self._used = False
        self._closed = False
        self._abandoned: set[Stamp] = set()
        self._confirmed: set[SharedReceipt] = set()
        self._beats_now = False
        #: The requests by which locks were taken, and the items that are worked on.
        self._locks: set[Stamp] = set()
        self._items: set[SharedReceipt] = set()

    def _begin_if_forked(self) -> None:
        """Begin anew in a forked process: what there is belongs to its parent."""
        if self._process != os.getpid():
            self._begin()

    @contextlib.contextmanager
    def _take_lane(self) -> Generator[Stamp]:
        """A stamp for one request, whose outcome is abandoned when it ends without an answer."""
        self._begin_if_forked()
        with self._lock:
            if self._closed:
                raise ClosedError
            self._used = True
            if self._lanes:
                lane, number = self._lanes.pop()
            else:
                lane, number = self._lane_count, 0
                self._lane_count += 1
        stamp = Stamp(self.id, lane, number + 1)
        try:
            yield stamp
        except (UnreachableError, ProtocolError):
            self._abandon(stamp)
            raise
        except HeadraceError:
            raise  # an answer like any other
        except BaseException:
            self._abandon(stamp)
            raise
        finally:
            with self._lock:
                # The coordinator closes the number above an abandoned one as well.
                self._lanes.append((lane, number + 2))

    def _abandon(self, stamp: Stamp) -> None:
        with self._lock:
            self._abandoned.add(stamp)
        self._start_heart()
        self._wake_heart()

    @abstractmethod
    def _start_heart(self) -> None:
        """Begin to beat, if that has not begun."""

    @abstractmethod
    def _wake_heart(self) -> None:
        """Have it beat now."""

    def _note_undone(self, stamp: Stamp) -> None:
        """A request was answered with nothing done: a lost copy of it may wait there still."""
        with self._lock:
            if self._beats_now:
                self._abandoned.add(stamp)

    def _note_lock(self, stamp: Stamp) -> None:
        with self._lock:
            self._locks.add(stamp)

    def _forget_lock(self, stamp: Stamp) -> None:
        with self._lock:
            self._locks.discard(stamp)

    def _note_item(
        self, name: str, working: dict[str, set[SharedReceipt]], answer: SharedAnswer
    ) -> None:
        """What was worked on is done, and what came is worked on now."""
        with self._lock:
            self._items -= working.pop(name, set())
            if answer.values:
                working[name] = {SharedReceipt(name, answer.numbers[0])}
                self._items |= working[name]

    def _forget_item(self, name: str, working: dict[str, set[SharedReceipt]]) -> None:
        with self._lock:
            self._items -= working.pop(name)

    def _end(self) -> bool:
        """Take nothing more up. Returns whether the coordinator is to be told."""
        with self._lock:
            used, self._used = self._used, False
            self._confirmed |= self._items
            self._closed = True
            self._items.clear()
            self._locks.clear()
        self._wake_heart()
        return used

    def _write_beat(self) -> SharedBeat:
        with self._lock:
            return SharedBeat(self.id, tuple(self._abandoned), tuple(self._confirmed))

    def _note_beat(self, beat: SharedBeat) -> None:
        """The coordinator has heard it."""
        with self._lock:
            self._abandoned.difference_update(beat.abandoned)
            self._confirmed.difference_update(beat.confirmed)
