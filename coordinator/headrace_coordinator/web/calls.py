"""Calls of the API that pages make, once or repeatedly, in the queue's event loop."""

from __future__ import annotations

import logging
from inspect import iscoroutine
from typing import Any

from msgspec import Struct

from headrace_wire.errors import HeadraceError, NotAllowedError
from headrace_wire.pacing import PACED, Pace
from headrace_wire.roles import ADMIN, TASK, WORKER, Holder, Role, set_caller
from headrace_wire.session import audit
from headrace_wire.signature import Signature

log = logging.getLogger(__name__)

#: Roles whose keys are not accepted here.
SHUT_OUT: frozenset[Role] = frozenset({WORKER, TASK})

#: The answers to calls that are made together.
Answers = tuple[Any, ...]


class Call(Struct, frozen=True):
    """One call of a method, as ``Session`` makes it for clients of the wire."""

    holder: Holder
    peer: str
    method: str
    target: object
    signature: Signature
    arguments: tuple[Any, ...]

    async def make(self, refused: set[tuple[str, str]], pace: Pace | None = None) -> Any:
        """Make the call in the queue's event loop, at a ``pace`` if given. Raises HeadraceError."""
        holder, signature = self.holder, self.signature
        if not holder.may_call(signature.roles):
            raise self._refuse(refused)
        set_caller(holder)
        try:
            if pace and self.method in PACED:
                return await pace.take(holder.name, self.method, self._call)
            answer = await self._call()
        except NotAllowedError:  # its role may call it, but not for this worker or job
            self._note_refusal(refused)
            raise
        except HeadraceError:
            raise
        except MemoryError:
            log.error("%s failed: there is no memory for it", self.method)  # noqa: TRY400 - a line
            raise HeadraceError("the coordinator has no memory for this call just now") from None
        except Exception:
            log.exception("%s failed", self.method)
            line = f"the coordinator failed at {self.method}; its log says why"
            raise HeadraceError(line) from None
        if signature.audited:
            about = self.arguments[0]
            audit.info(
                "%s (%s) at %s, by HTTP: %s %s",
                holder.name, holder.role, self.peer, self.method, getattr(about, "id", about),
            )  # fmt: skip
        return answer

    async def _call(self) -> Any:
        answer = getattr(self.target, self.method)(*self.arguments)
        return await answer if iscoroutine(answer) else answer

    def _note_refusal(self, refused: set[tuple[str, str]]) -> None:
        """Write refused calls to both logs, once for each key and method."""
        holder, what = self.holder, (self.holder.mark, self.method)
        for one in (log, audit) if what not in refused else ():
            one.warning(
                "%s (%s) at %s, by HTTP, was refused: %s",
                holder.name, holder.role, self.peer, self.method,
            )  # fmt: skip
        refused.add(what)

    def _refuse(self, refused: set[tuple[str, str]]) -> NotAllowedError:
        holder = self.holder
        self._note_refusal(refused)
        roles = [ADMIN, *sorted(self.signature.roles - SHUT_OUT)]
        return NotAllowedError(
            f"{self.method} is for role {' or '.join(', '.join(roles).rsplit(', ', 1))}: this key "
            f"({holder.name}) has role {holder.role}"
        )


class Poll(Struct):
    """Calls that are repeatedly made together, and their last answers.

    If ``skip_unchanged``, the others are made only if the answer to the first one has changed.
    """

    calls: tuple[Call, ...]
    skip_unchanged: bool = False
    seen: Answers = ()

    async def make(self, refused: set[tuple[str, str]]) -> Answers | None:
        """Make the calls in the queue's event loop. Return None if nothing changed. Raises
        HeadraceError.
        """
        seen, self.seen = self.seen, ()  # after an error, everything is reported again
        first = await self.calls[0].make(refused)
        if self.skip_unchanged and seen and first == seen[0]:
            self.seen = seen
            return None
        self.seen = (first, *[await call.make(refused) for call in self.calls[1:]])
        return None if self.seen == seen else self.seen
