"""The payload file: places are used again, but never under a reader, and hold what was put."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from headrace_coordinator.store.payload_file import SPARE_BYTES, UNIT_BYTES, Payload, PayloadFile


@pytest.fixture
def file(tmp_path: Path) -> Iterator[PayloadFile]:
    made = PayloadFile(tmp_path / "payloads")
    yield made
    made.close()


def test_what_was_put_is_read(file: PayloadFile) -> None:
    contents = [bytes([number]) * (UNIT_BYTES * number + 1) for number in range(1, 5)]
    payloads = [file.put(content) for content in contents]
    assert [file.read(payload) for payload in payloads] == contents


def test_a_place_that_is_free_is_used_again(file: PayloadFile) -> None:
    first, second = file.put(b"a" * 9000), file.put(b"b" * 9000)
    file.free([first])
    assert file.put(b"c" * 9000).place == first.place
    assert file.read(second) == b"b" * 9000
    size = file.measure_bytes()
    for _ in range(100):
        file.free([file.put(b"d" * 9000)])
    assert file.measure_bytes() <= size + 3 * UNIT_BYTES


def test_a_place_is_not_used_again_while_another_process_may_read_it(tmp_path: Path) -> None:
    held = [True]
    file = PayloadFile(tmp_path / "payloads", lambda: bool(held))
    first = file.put(b"a" * 5000)
    file.free([first])
    assert file.put(b"b" * 5000).place != first.place
    file.restore([])  # as after a commit that failed
    assert file.put(b"c" * 5000).place != first.place
    assert file.read(first) == b"a" * 5000
    held.clear()
    assert file.put(b"d" * 5000).place == first.place
    file.close()


def test_beyond_the_end_there_is_nothing(file: PayloadFile) -> None:
    file.put(b"a" * 5000)
    assert file.read(Payload(1 << 30, 5000)) == b""


def test_what_two_rows_claim_is_damage(file: PayloadFile) -> None:
    first = file.put(b"a" * 5000)
    with pytest.raises(ValueError, match="two payloads"):
        file.restore([first, Payload(first.place + UNIT_BYTES, 10)])


def test_the_file_shrinks_when_what_was_large_is_gone(file: PayloadFile) -> None:
    kept, large = file.put(b"a" * 5000), file.put(bytes(SPARE_BYTES + (8 << 20)))
    file.free([large])
    file.trim()
    assert file.measure_bytes() == SPARE_BYTES
    assert file.read(kept) == b"a" * 5000


class Places(RuleBasedStateMachine):
    """In any order of puts, frees, backups and starts, what is in use or may be read is whole."""

    payloads = Bundle("payloads")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.file = PayloadFile(Path(self.folder.name) / "payloads", lambda: bool(self.backups))
        self.used: set[Payload] = set()
        self.contents: dict[Payload, bytes] = {}
        self.backups: list[set[Payload]] = []

    @rule(target=payloads, units=st.integers(1, 4), byte=st.integers(0, 255))
    def put(self, units: int, byte: int) -> Payload:
        content = bytes([byte]) * (units * UNIT_BYTES - 7)
        payload = self.file.put(content)
        self.used.add(payload)
        self.contents[payload] = content
        return payload

    @rule(payload=consumes(payloads))
    def free(self, payload: Payload) -> None:
        self.used.discard(payload)
        self.file.free([payload])

    @rule()
    def begin_backup(self) -> None:
        self.backups.append(set(self.used))

    @rule(data=st.data())
    def end_backup(self, data: st.DataObject) -> None:
        if self.backups:
            self.backups.pop(data.draw(st.integers(0, len(self.backups) - 1)))

    @rule()
    def start_over(self) -> None:
        self.file.restore(self.used)

    @invariant()
    def everything_in_use_is_whole(self) -> None:
        readable = self.used.union(*self.backups)
        for payload in readable:
            assert self.file.read(payload) == self.contents[payload]

    def teardown(self) -> None:
        self.file.close()
        self.folder.cleanup()


TestPlaces = Places.TestCase
TestPlaces.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
