"""How a call waits for the commit of its transition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from headrace_coordinator.ledger.ledger import Ledger, Transition
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.store.need import OUTCOMES, Need
from headrace_wire.loop import Answer, Loop, Resume
from headrace_wire.steps import Pause

Result = TypeVar("Result")


class Committer:
    """Lets calls wait for commits. All that the loop has ready goes into one commit."""

    def __init__(self, ledger: Ledger, loop: Loop) -> None:
        self._ledger = ledger
        self._loop = loop
        loop.before_wait.append(ledger.flush)

    def __call__(
        self, transition: Callable[[Queue, Now], Result], need: Need = OUTCOMES
    ) -> Answer[Result]:
        """The transition's answer after its commit. Raises what it raises, and StoreError."""
        answer: Result = yield _Commit(self._ledger, self._loop, transition, need)
        return answer

    def give_way(self) -> Pause:
        """A step after which all that has come meanwhile has been heard."""
        return Pause(self._loop, 0.0)


class _Commit:
    def __init__(self, ledger: Ledger, loop: Loop, transition: Transition, need: Need) -> None:
        self._need = need
        self._ledger = ledger
        self._loop = loop
        self._transition = transition
        self._resume: Resume | None = None

    def start(self, resume: Resume) -> Callable[[], None]:
        self._resume = resume
        self._ledger.enter(self._transition, self._end, self._need)
        return self._drop

    def _end(self, answer: Any, error: BaseException | None) -> None:
        self._loop.call(lambda: self._go_on(answer, error))

    def _go_on(self, answer: Any, error: BaseException | None) -> None:
        if self._resume:
            self._resume(answer, error)

    def _drop(self) -> None:
        self._resume = None  # it is committed all the same
