"""Connects HTTP with the queue: with a token, the methods of the API can be called.

    thread of HTTP                      event loop of the queue
    token ─► Gate.find_by_token ──────► keys that are valid now ─► Holder
    call  ─► Gate.call ───────────────► the same roles, ownership, bounds and audit ─► method
    turn  ─► Gate.poll ───────────────► all calls of open pages, one after another

Objects of the queue are only used in its event loop.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec.structs import astuple

from headrace_coordinator.web.calls import SHUT_OUT, Answers, Call, Poll
from headrace_wire.api import APIS
from headrace_wire.errors import HeadraceError, KeyRefusedError
from headrace_wire.keyring import Keys
from headrace_wire.message import decode
from headrace_wire.pacing import Pace
from headrace_wire.page_links import opens_with, read_link_role
from headrace_wire.roles import CLIENT, OBSERVER, Holder, Role
from headrace_wire.signature import Signature, read_signatures

Given = TypeVar("Given")

#: The served objects whose methods are called; the first that has a method of that name is used.
SERVED = ("jobs", "results", "shared")


#: For how many seconds the list of valid keys is cached.
KEY_SECONDS = 0.5

#: After how many seconds of calls others get their turn.
TURN_SECONDS = 0.002


class Gate:
    """Calls served objects in the event loop that ``open`` sets, for holders of keys.

    ``find_keys`` returns the keys that are valid now; it is called in that loop. Sessions of the
    page are derived from ``secret``, and ``private_jobs`` means that clients can only access their
    own jobs.
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
        #: Refused calls that were logged: once for each key and method, not for each call.
        self._refused: set[tuple[str, str]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Accept calls, which run in the event loop of the objects."""
        self._loop = loop

    def has(self, method: str) -> bool:
        """Return whether there is such a method."""
        return method in self._methods

    def find_signature(self, method: str) -> Signature:
        """Return the signature of a method."""
        return self._methods[method][1]

    def find_view(self, holder: Holder) -> str:
        """Return a value that is the same for all holders of keys who get the same answers."""
        is_client = CLIENT in {holder.role, holder.key_role}
        return holder.name if self._private_jobs and is_client else ""

    @property
    def marks(self) -> frozenset[str]:
        """The marks of the keys that were valid at the last check."""
        return frozenset(holder.mark for holder in self._keys.values())

    async def find_by_token(self, token: str) -> Holder | None:
        """Return the holder of the key with this text, or of the key that made this link's token.

        Each key is compared, even after a match, so that the time reveals nothing about the keys.
        """
        given, (mark, *_) = token.strip().encode("utf-8", "replace"), token.split(".")
        found = [
            holder
            for key, holder in (await self._list_keys()).items()
            if hmac.compare_digest(key, given) or (holder.mark == mark and opens_with(token, key))
        ]
        return _restrict(found[0], read_link_role(token)) if found else None

    async def find_by_key(self, text: str) -> Holder | None:
        """Return the holder of the key with this text. Tokens of links only open pages."""
        given = text.strip().encode("utf-8", "replace")
        keys = (await self._list_keys()).items()
        found = [holder for key, holder in keys if hmac.compare_digest(key, given)]
        return found[0] if found else None

    async def find_by_mark(self, mark: str, role: str) -> Holder | None:
        """Return the holder of the key with this mark, with a role that may be less than the
        key's.
        """
        keys = await self._list_keys()
        found = next((holder for holder in keys.values() if holder.mark == mark), None)
        return found and _restrict(found, role)

    async def _list_keys(self) -> Keys:
        """Return the keys that were valid a moment ago. Whatever peers send, the queue is only
        asked for them at this rate.
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

        Raises the errors of the method, NotAllowedError if the role may not call it, and
        BoundsError and ProtocolError for arguments that the wire would not accept either.
        """
        call = self.prepare(holder, peer, method, arguments, named)
        return await self._run(call.make(self._refused, self._pace))

    def prepare(
        self,
        holder: Holder,
        peer: str,
        method: str,
        arguments: Iterable[Any] = (),
        named: Mapping[str, Any] | None = None,
    ) -> Call:
        """Return a call of a method of the API, to be made once or often. The arguments are checked
        here.

        Raises BoundsError and ProtocolError.
        """
        target, signature = self._methods[method]
        values = signature.arguments(*arguments, **(named or {}))
        # They are encoded as for the wire, so that types and bounds are checked in one place.
        checked = decode(signature.arguments, msgspec.msgpack.encode(values))
        return Call(holder, peer, method.rpartition(".")[2], target, signature, astuple(checked))

    async def poll(self, polls: Iterable[Poll]) -> list[Answers | HeadraceError | None]:
        """Make prepared calls, and update the valid keys, in one round trip to the queue's event
        loop. For each poll, return the answers, None if they are those that it has ``seen``, or the
        error.

        No call waits for its pace here, because the caller paces all of them.
        """
        keys, found = await self._run(self._poll(list(polls)))
        self._keys, self._looked_at = keys, time.monotonic()
        return found

    async def _poll(self, polls: list[Poll]) -> tuple[Keys, list[Answers | HeadraceError | None]]:
        found: list[Answers | HeadraceError | None] = []
        begun = time.monotonic()
        for poll in polls:
            try:
                found.append(await poll.make(self._refused))
            except HeadraceError as error:
                found.append(error)
            if time.monotonic() - begun > TURN_SECONDS:
                await asyncio.sleep(0)  # the queue has others to serve
                begun = time.monotonic()
        return await self._copy_keys(), found

    async def _run(self, call: Coroutine[Any, Any, Given]) -> Given:
        """Run a coroutine in the queue's event loop. It is cancelled together with its caller."""
        if self._loop is None or self._loop.is_closed():
            call.close()
            raise HeadraceError("the coordinator is not serving")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, self._loop))


class Visitor(msgspec.Struct, frozen=True):
    """The person or program that made a request, and what it may do. ``csrf`` is the token that
    forms and changes must contain if they come with a cookie.
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
        """Whether it may cancel, retry and delete jobs."""
        return self.has("cancel")

    def has(self, method: str) -> bool:
        """Return whether there is such a method, and this key may call it."""
        gate = self.gate
        return gate.has(method) and self.holder.may_call(gate.find_signature(method).roles)

    async def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of the API: see ``Gate.call``."""
        return await self.gate.call(self.holder, self.peer, method, arguments, named)

    def prepare(self, method: str, *arguments: Any, **named: Any) -> Call:
        """Return a call that is made later: see ``Gate.prepare``."""
        return self.gate.prepare(self.holder, self.peer, method, arguments, named)


def _restrict(holder: Holder, role: str | None) -> Holder:
    """Return the same holder, with the role of an observer if that is the role."""
    if role != OBSERVER or holder.role == OBSERVER:
        return holder
    return Holder(holder.name, OBSERVER, holder.mark, key_role=holder.role)


def refuse_token() -> KeyRefusedError:
    return KeyRefusedError(
        "this is not the text of a key that the coordinator takes for its page: that of a "
        "client's, an observer's or the coordinator's own key file is"
    )
