"""The receiver while pieces keep coming: callbacks that wait and errors are served between them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import count

from headrace.streams.lifetime import Lifetime
from headrace.streams.receiver import Receiver
from headrace_wire.batch import pack_batch
from headrace_wire.errors import HeadraceError, UnreachableError
from headrace_wire.messages.results import Collected, ResultSpan

#: Seconds for what must come.
SECONDS = 20.0


class EndlessInbox:
    """A piece is always planned."""

    has_pieces = True

    def __init__(self) -> None:
        self.undelivered: deque[Collected] = deque()
        self._indices = count()

    def collect_piece(self) -> bool:
        index = next(self._indices)
        runs = (ResultSpan(index, index + 1, pack_batch([b"value"])),)
        self.undelivered.append(Collected(runs, index + 1, (), 0, complete=False))
        return True

    def close(self) -> None:
        pass


def test_a_callback_that_waits_and_an_error_do_not_wait_for_the_last_piece() -> None:
    lifetime, broken = Lifetime(), threading.Event()
    told: list[int] = []
    errors: list[HeadraceError] = []
    waited = threading.Event()

    def take(start: int, values: Sequence[bytes]) -> None:
        del values
        told.append(start)
        if start == 0:
            receiver.receive_here(lambda: len(told) >= 3)
            assert told == [0, 1, 2]
            waited.set()

    def fail(error: HeadraceError) -> None:
        errors.append(error)
        lifetime.end()
        broken.set()

    receiver = Receiver(
        "job",
        lifetime,
        EndlessInbox(),  # type: ignore[arg-type]
        on_values=take,
        on_failures=lambda _: None,
        on_complete=lambda: None,
        on_broken=fail,
        plan_wait=None,
    )
    receiver.has_unawaited = True
    receiver.start()
    try:
        assert waited.wait(SECONDS)
        receiver.report(UnreachableError("the coordinator is away"))
        assert broken.wait(SECONDS)
        assert [error.message for error in errors] == ["the coordinator is away"]
    finally:
        lifetime.end()
        receiver.bell.put(None)
