"""Shared state under everything that can happen in any order, with a restart at any step."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from headrace_coordinator.store.store import Store
from headrace_wire.errors import LockLostError, SharedFullError
from headrace_wire.messages.shared import (
    DICT,
    LIST,
    LOCK,
    QUEUE,
    VALUE,
    SharedAnswer,
    SharedReceipt,
    write_slice,
)
from support.shared_builders import SharedRig, read
from support.shared_invariants import check_shared_state, list_items

SESSIONS = st.sampled_from(["a", "b", "c"])
INDICES = st.integers(-6, 6)
KEYS = st.sampled_from(["x", "y", "z", 1, None])
SLICES = st.builds(
    slice, *[st.none() | INDICES] * 2, st.none() | st.sampled_from([-2, -1, 1, 2, 3])
)
CONTENTS = st.integers(-5, 5) | st.text(max_size=30)

#: Room for some tens of items, so that it is full at times.
LIMIT_BYTES = 6000


class SharedMachine(RuleBasedStateMachine):
    """Sessions, time and restarts against shared state and its store; plain Python is the model."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = Store(self.folder / "store")
        self.rig = SharedRig(self.store, LIMIT_BYTES)
        self.value: Any = 0
        self.list: list[Any] = []
        self.dict: dict[Any, Any] = {}
        self.holder: tuple[str, int] | None = None
        self.fencing = 0
        #: Items that were put in and not yet confirmed; and who has which.
        self.put_in: list[int] = []
        self.taken: dict[str, tuple[int, int]] = {}
        self.items = 0
        self.answers: dict[str, SharedAnswer] = {}

    @initialize()
    def begin(self) -> None:
        for name, kind in (("v", VALUE), ("l", LIST), ("d", DICT), ("k", LOCK), ("q", QUEUE)):
            self.rig.open(name, kind)

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    def ask(self, session: str, name: str, operation: str, *values: Any, **how: Any) -> Any:
        """Make a request. None when there is no room for it."""
        try:
            answer = self.rig.ask(name, operation, *values, session=session, **how)
        except SharedFullError:
            self.answers.pop(session, None)
            return None
        self.answers[session] = answer
        return answer

    @rule(session=SESSIONS, content=CONTENTS)
    def set_value(self, session: str, content: Any) -> None:
        if self.ask(session, "v", "set", content):
            self.value = content

    @precondition(lambda self: isinstance(self.value, int))
    @rule(session=SESSIONS, amount=st.integers(-3, 3))
    def add_to_value(self, session: str, amount: int) -> None:
        answer = self.ask(session, "v", "add", amount)
        if answer:
            self.value += amount
            assert read(answer) == [self.value]

    @rule(session=SESSIONS, old=CONTENTS, new=CONTENTS)
    def compare_and_set(self, session: str, old: Any, new: Any) -> None:
        answer = self.ask(session, "v", "set_if", old, new)
        if answer:
            assert answer.numbers == (int(self.value == old),)
            self.value = new if self.value == old else self.value

    @rule(session=SESSIONS, contents=st.lists(CONTENTS, max_size=3))
    def extend(self, session: str, contents: list[Any]) -> None:
        if self.ask(session, "l", "append", *contents):
            self.list += contents

    @rule(session=SESSIONS, index=INDICES, content=CONTENTS)
    def insert(self, session: str, index: int, content: Any) -> None:
        if self.ask(session, "l", "insert", content, numbers=(index,)):
            self.list.insert(index, content)

    @rule(session=SESSIONS, index=INDICES)
    def pop(self, session: str, index: int) -> None:
        answer = self.ask(session, "l", "pop", numbers=(index,))
        there = -len(self.list) <= index < len(self.list)
        assert read(answer) == ([self.list.pop(index)] if there else [])

    @rule(session=SESSIONS, index=INDICES, content=CONTENTS)
    def set_item(self, session: str, index: int, content: Any) -> None:
        answer = self.ask(session, "l", "set", content, numbers=(index,))
        if answer and answer.numbers == (1,):
            self.list[index] = content

    @rule(session=SESSIONS, chosen=SLICES, contents=st.lists(CONTENTS, max_size=3))
    def set_slice(self, session: str, chosen: slice, contents: list[Any]) -> None:
        answer = self.ask(session, "l", "splice", *contents, numbers=write_slice(chosen))
        if answer and answer.numbers == (1,):
            self.list[chosen] = contents
        elif answer:
            assert answer.numbers == (0, len(self.list[chosen]))
            assert len(self.list[chosen]) != len(contents)

    @rule(session=SESSIONS, chosen=SLICES)
    def cut(self, session: str, chosen: slice) -> None:
        assert read(self.rig.look("l", "slice", numbers=write_slice(chosen))) == self.list[chosen]
        self.ask(session, "l", "cut", numbers=write_slice(chosen))
        del self.list[chosen]

    @rule(session=SESSIONS)
    def reverse(self, session: str) -> None:
        self.ask(session, "l", "reverse")
        self.list.reverse()

    @rule(session=SESSIONS, times=st.integers(-1, 3))
    def repeat_list(self, session: str, times: int) -> None:
        if len(self.list) < 20 and self.ask(session, "l", "repeat", numbers=(times,)):
            self.list *= times

    @rule(session=SESSIONS, key=KEYS, content=CONTENTS)
    def put_under_key(self, session: str, key: Any, content: Any) -> None:
        if self.ask(session, "d", "set", key, content):
            self.dict[key] = content

    @rule(session=SESSIONS, key=KEYS)
    def take_key(self, session: str, key: Any) -> None:
        answer = self.ask(session, "d", "pop", key)
        assert read(answer) == ([self.dict.pop(key)] if key in self.dict else [])

    @rule(session=SESSIONS, key=KEYS, new=CONTENTS)
    def put_if_absent(self, session: str, key: Any, new: Any) -> None:
        answer = self.ask(session, "d", "set_if", key, new, numbers=(0, 1))
        if answer:
            assert answer.numbers == (int(key not in self.dict),)
            self.dict.setdefault(key, new)

    @rule(session=SESSIONS)
    def take_last_key(self, session: str) -> None:
        answer = self.ask(session, "d", "popitem")
        assert read(answer) == (list(self.dict.popitem()) if self.dict else [])

    @rule(session=SESSIONS)
    def acquire(self, session: str) -> None:
        answer = self.ask(session, "k", "acquire")
        assert answer.done == (self.holder is None)
        if answer.done:
            (fencing,) = answer.numbers
            assert fencing > self.fencing
            self.fencing, self.holder = fencing, (session, fencing)

    @rule(session=SESSIONS, back=st.integers(0, 1))
    def release(self, session: str, back: int) -> None:
        mine = self.holder == (session, self.fencing - back)
        try:
            self.ask(session, "k", "release", numbers=(self.fencing - back,))
            assert mine
            self.holder = None
        except LockLostError:
            self.answers.pop(session, None)
            assert not mine

    @rule(session=SESSIONS)
    def put(self, session: str) -> None:
        if self.ask(session, "q", "put", self.items):
            self.put_in.append(self.items)
            self.items += 1

    @rule(session=SESSIONS, confirm=st.booleans())
    def get(self, session: str, confirm: bool) -> None:
        """Take an item, done with the one before or not."""
        numbers: tuple[int, ...] = ()
        if session in self.taken and confirm:
            content, number = self.taken.pop(session)
            self.put_in.remove(content)
            numbers = (number,)
        elif session in self.taken:
            return
        answer = self.ask(session, "q", "get", numbers=numbers)
        held = [content for content, _ in self.taken.values()]
        waiting = [content for content in self.put_in if content not in held]
        assert read(answer) == waiting[:1]
        if waiting:
            self.taken[session] = (waiting[0], answer.numbers[0])

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """A heartbeat says that an item has been worked on: so its answer has arrived."""
        session = data.draw(st.sampled_from(sorted(self.taken)))
        content, number = self.taken.pop(session)
        self.put_in.remove(content)
        if self.rig.last[session].operation == "get":
            self.answers.pop(session, None)
        self.rig.beat(session, confirmed=(SharedReceipt("q", number),))

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """An answer was lost: the same request gets it again, and nothing is done twice."""
        session = data.draw(st.sampled_from(sorted(self.answers)))
        if self.answers[session].done:
            assert self.rig.repeat(session) == self.answers[session]

    @rule(session=SESSIONS)
    def abandon(self, session: str) -> None:
        """Nobody waits for the answer any more: what it brought is given back."""
        if session in self.answers:
            stamp = self.rig.last[session].stamp
            operation = self.rig.last[session].operation
            self.rig.beat(session, (stamp,))
            if self.answers.pop(session).done:
                if operation == "acquire" and self.holder and self.holder[0] == session:
                    self.holder = None
                if operation == "get":
                    self.taken.pop(session, None)
            # Its lane goes on above the number that was given up.
            self.rig.ask("v", "set_if", "no such thing", 0, session=session)

    @rule(session=SESSIONS)
    def leave(self, session: str) -> None:
        self.rig.leave(session)
        self.fall_silent(session)
        self.answers.pop(session, None)

    @rule(session=SESSIONS, seconds=st.sampled_from([1.0, 8.0, 16.0]))
    def wait(self, session: str, seconds: float) -> None:
        """Time passes, and one session alone is heard."""
        self.rig.beat(session)
        silent = [
            one.id
            for one in self.rig.state.sessions.by_id.values()
            if one.heard + 15.0 <= self.rig.seconds + seconds
        ]
        self.rig.wait(seconds)
        for one in silent:
            self.fall_silent(one)

    def fall_silent(self, session: str) -> None:
        if self.holder and self.holder[0] == session:
            self.holder = None
        self.taken.pop(session, None)

    @rule()
    def restart(self) -> None:
        before = self.describe()
        self.rig.restart()
        assert self.describe() == before
        # An item's row says who received it: if that was taken back, the request is like a new one.
        for session in [one for one in self.answers if self.rig.last[one].operation == "get"]:
            if session not in self.taken:
                del self.answers[session]

    def describe(self) -> Any:
        """What a restart must not change."""
        return {
            name: (one.kind, one.head(), one.size_bytes, list_items(one))
            for name, one in self.rig.state.objects.items()
        }

    @invariant()
    def holds(self) -> None:
        rig = self.rig
        if "q" not in rig.state.objects:
            return
        check_shared_state(rig.state)
        assert read(rig.look("v", "get")) == [self.value]
        assert read(rig.look("l", "page", numbers=(0, 99))) == self.list
        pairs = read(rig.look("d", "page", numbers=(-1,)))
        assert list(zip(pairs[::2], pairs[1::2], strict=True)) == list(self.dict.items())
        assert rig.look("k", "state").numbers == (int(self.holder is not None), self.fencing)
        waiting, held, _, _ = rig.look("q", "size").numbers
        assert (waiting, held) == (len(self.put_in) - len(self.taken), len(self.taken))


TestShared = SharedMachine.TestCase
TestShared.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
