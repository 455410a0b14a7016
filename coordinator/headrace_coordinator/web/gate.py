"""The way from HTTP to the queue: whoever shows a token calls the methods of the API.

    thread of HTTP                      event loop of the queue
    token ─► Gate.find_by_token ──────► keys that are taken just now ─► Holder
    call  ─► Gate.call ───────────────► the same roles, ownership, bounds and audit ─► method

Nothing of the queue's is touched outside of its event loop.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from inspect import iscoroutine
from typing import Any, TypeVar

import msgspec
from msgspec.structs import astuple

from headrace_wire.api import APIS
from headrace_wire.errors import HeadraceError, KeyRefusedError, NotAllowedError
from headrace_wire.keyring import Keys
from headrace_wire.message import decode
from headrace_wire.pacing import PACED, Pace
from headrace_wire.page_links import opens_with, read_link_role
from headrace_wire.roles import ADMIN, CLIENT, OBSERVER, TASK, WORKER, Holder, Role, set_caller
from headrace_wire.session import audit
from headrace_wire.signature import Signature, read_signatures

log = logging.getLogger(__name__)

Given = TypeVar("Given")

#: Roles whose keys have nothing to look for here.
SHUT_OUT: frozenset[Role] = frozenset({WORKER, TASK})

#: Of which served objects methods are called, by the first that has one of a name.
SERVED = ("jobs", "results", "shared")


#: Seconds for which keys are taken that were taken at the last look.
KEY_SECONDS = 0.5


class Gate:
    """Calls served objects in the event loop that ``open`` names, for whoever holds a key.

    ``find_keys`` returns the keys that are taken just now; it is called in that loop. ``secret`` is
    what sessions of the page follow from, and ``private_jobs`` tells whether clients know of no
    jobs but their own.
    """

    def __init__(
        self,
        objects: Mapping[str, object],
        find_keys: Callable[[], Keys],
        secret: bytes,
        *,
        private_jobs: bool = False,
    ) -> None:
        self.secret = secret
        self._private_jobs = private_jobs
        self._find_keys = find_keys
        self._methods: dict[str, tuple[object, Signature]] = {}
        for name in reversed(SERVED):
            for method, signature in read_signatures(APIS[name]).items():
                found = objects[name], signature
                self._methods[method] = self._methods[f"{name}.{method}"] = found
        self._keys: Keys = {}
        self._looked_at = -KEY_SECONDS
        self._looking = asyncio.Lock()
        self._pace = Pace()
        #: What was refused and logged: once for each key and method, not for each call.
        self._refused: set[tuple[str, str]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let calls through, to the event loop in which the objects live."""
        self._loop = loop

    def has(self, method: str) -> bool:
        """Whether there is such a method."""
        return method in self._methods

    def find_signature(self, method: str) -> Signature:
        """How a method is called."""
        return self._methods[method][1]

    def find_view(self, holder: Holder) -> str:
        """What is the same for all holders of keys to whom the API says the same."""
        is_client = CLIENT in {holder.role, holder.key_role}
        return holder.name if self._private_jobs and is_client else ""

    async def list_marks(self) -> frozenset[str]:
        """What tells the keys from others that are taken just now."""
        return frozenset(holder.mark for holder in (await self._list_keys()).values())

    async def find_by_token(self, token: str) -> Holder | None:
        """Whoever holds the key of which this is the text, or made this token of a link.

        Each key is compared, also after one has fitted: how long it takes tells nothing of them.
        """
        given, (mark, *_) = token.strip().encode("utf-8", "replace"), token.split(".")
        found = [
            holder
            for key, holder in (await self._list_keys()).items()
            if hmac.compare_digest(key, given) or (holder.mark == mark and opens_with(token, key))
        ]
        return _restrict(found[0], read_link_role(token)) if found else None

    async def find_by_key(self, text: str) -> Holder | None:
        """Whoever holds the key of which this is the text. Tokens of links open pages alone."""
        given = text.strip().encode("utf-8", "replace")
        keys = (await self._list_keys()).items()
        found = [holder for key, holder in keys if hmac.compare_digest(key, given)]
        return found[0] if found else None

    async def find_by_mark(self, mark: str, role: str) -> Holder | None:
        """Whoever holds the key with this mark, in a role that may be less than that of the key."""
        keys = await self._list_keys()
        found = next((holder for holder in keys.values() if holder.mark == mark), None)
        return found and _restrict(found, role)

    async def _list_keys(self) -> Keys:
        """The keys that are taken, as they were a moment ago: whatever strangers send, the queue is
        asked for them so often and no more.
        """
        async with self._looking:
            if time.monotonic() - self._looked_at > KEY_SECONDS:
                self._keys = await self._run(self._copy_keys())
                self._looked_at = time.monotonic()
        return self._keys

    async def _copy_keys(self) -> Keys:
        return {key: one for key, one in self._find_keys().items() if one.role not in SHUT_OUT}

    async def call(
        self,
        holder: Holder,
        peer: str,
        method: str,
        arguments: Iterable[Any] = (),
        named: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a method of the API, and return what it returns.

        Raises what it raises, NotAllowedError where the role is not one of its, and BoundsError and
        ProtocolError for arguments that the wire would not take either.
        """
        target, signature = self._methods[method]
        values = signature.arguments(*arguments, **(named or {}))
        # As they would come over the wire: types and bounds are checked in one place.
        checked = decode(signature.arguments, msgspec.msgpack.encode(values))
        call = _Call(holder, peer, method.rpartition(".")[2], target, signature, astuple(checked))
        return await self._run(call.make(self._pace, self._refused))

    async def _run(self, call: Coroutine[Any, Any, Given]) -> Given:
        """Run a coroutine in the queue's event loop. It is cancelled with whoever waits for it."""
        if self._loop is None or self._loop.is_closed():
            call.close()
            raise HeadraceError("the coordinator is not serving")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, self._loop))


class _Call(msgspec.Struct, frozen=True):
    """One call of a method, as ``Session`` makes them for clients of the wire."""

    holder: Holder
    peer: str
    method: str
    target: object
    signature: Signature
    arguments: tuple[Any, ...]

    async def make(self, pace: Pace, refused: set[tuple[str, str]]) -> Any:
        holder, signature = self.holder, self.signature
        if not holder.may_call(signature.roles):
            raise self._refuse(refused)
        set_caller(holder)
        try:
            if self.method in PACED:
                return await pace.take(holder.name, self.method, self._call)
            answer = await self._call()
        except NotAllowedError:  # its role may call it, but not about this worker or job
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
        """Keep in both logs what was refused, once for each key and method."""
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


class Visitor(msgspec.Struct, frozen=True):
    """Whoever made a request, and what they may do. ``csrf`` is what forms and changes have to
    bring that come with a cookie.
    """

    gate: Gate
    holder: Holder
    peer: str
    csrf: str = ""

    @property
    def name(self) -> str:
        """The name of the key."""
        return self.holder.name

    @property
    def role(self) -> Role:
        return self.holder.role

    @property
    def may_act(self) -> bool:
        """Whether jobs may be cancelled, tried again and deleted."""
        return self.has("cancel")

    def has(self, method: str) -> bool:
        """Whether there is such a method, and this key may call it."""
        gate = self.gate
        return gate.has(method) and self.holder.may_call(gate.find_signature(method).roles)

    async def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of the API: see ``Gate.call``."""
        return await self.gate.call(self.holder, self.peer, method, arguments, named)


def _restrict(holder: Holder, role: str | None) -> Holder:
    """The same holder, who may only look if that is the role."""
    if role != OBSERVER or holder.role == OBSERVER:
        return holder
    return Holder(holder.name, OBSERVER, holder.mark, key_role=holder.role)


def refuse_token() -> KeyRefusedError:
    return KeyRefusedError(
        "this is not the text of a key that the coordinator takes for its page: that of a "
        "client's, an observer's or the coordinator's own key file is"
    )
