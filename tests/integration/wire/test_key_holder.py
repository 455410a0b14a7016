"""A peer that holds the key and means ill: it can call what the API lists, and nothing else."""

from __future__ import annotations

import logging
import pickle
import re
import struct
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgpack
import pytest

from headrace_wire.encoding import pack
from headrace_wire.errors import HeadraceError, ProtocolError
from headrace_wire.framing import MAX_FRAME_BYTES
from headrace_wire.version import PROTOCOL
from support.wire_peer import KeyHolder
from support.wire_server import Served, serve

if TYPE_CHECKING:
    from collections.abc import Iterator


class TouchesFile:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.fixture
def served() -> Iterator[Served]:
    with serve() as served:
        yield served
        # Whatever was tried, the next client is served, and only what it asked was done.
        served.jobs.calls.clear()
        assert served.dial_jobs().info()
        assert served.jobs.calls == [("info", ())]


#: How far a peer goes before it shows its ill will.
STAGES = ["at once", "after the hello", "in a session"]


def advance(peer: KeyHolder, stage: str) -> None:
    if stage == "after the hello":
        peer.greet()
    elif stage == "in a session":
        peer.open()


@pytest.mark.parametrize("stage", STAGES)
def test_a_pickle_is_dropped_and_does_not_run(served: Served, tmp_path: Path, stage: str) -> None:
    evil = tmp_path / "evil"
    bomb = pickle.dumps((None, "info", [TouchesFile(evil)], {}))
    with KeyHolder(served.address) as peer:
        advance(peer, stage)
        peer.send_bytes(bomb)
        assert peer.read_to_end() == []
    assert not evil.exists()
    pickle.loads(bomb)
    assert evil.exists(), "the bomb is a dud, and this test proves nothing"


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("#GETVALUE", []),
        ("__str__", []),
        ("__repr__", []),
        ("__class__", []),
        ("__init__", []),
        ("answers", []),
        ("calls", []),
        ("shutdown", []),
        ("create", ["jobs"]),
        ("incref", ["jobs"]),
        ("decref", ["jobs"]),
        ("debug_info", []),
        ("number_of_objects", []),
        ("get_methods", [["jobs", None, "jobs"]]),
        ("dummy", []),
        ("serve_client", []),
        ("", []),
        ("INFO", []),
        (None, []),
        (1, []),
        (b"info", []),
        (["info"], []),
        ({"info": 1}, []),
    ],
)
def test_what_the_api_does_not_list_cannot_be_called(
    served: Served, stage: str, method: object, arguments: list[Any]
) -> None:
    with KeyHolder(served.address) as peer:
        advance(peer, stage)
        peer.send_call(method, *arguments)
        assert peer.read_to_end() == []
    assert served.jobs.calls == []


def test_a_dropped_call_is_named_in_the_log_in_one_short_line(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with KeyHolder(served.address) as peer:
        peer.open()
        peer.send_call("line\nbreak" * 100_000)
        assert peer.read_to_end() == []
    (record,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "not served" in record.getMessage()
    assert "\n" not in record.getMessage()
    assert len(record.getMessage()) < 200


@pytest.mark.parametrize("name", ["nothing", "", None, 0, ["jobs"], {"jobs": 1}, b"jobs"])
def test_an_object_that_is_not_served_cannot_be_opened(served: Served, name: object) -> None:
    with KeyHolder(served.address) as peer:
        peer.greet()
        peer.send_call("accept_connection", name)
        assert peer.read_to_end() == []


@pytest.mark.parametrize("method", ["HELLO", "info", "accept_connection", None])
def test_nothing_stands_in_for_a_hello(served: Served, method: object) -> None:
    with KeyHolder(served.address) as peer:
        peer.send_call(method, PROTOCOL, "0")
        assert peer.read_to_end() == []


def test_the_session_cannot_be_opened_without_a_hello(served: Served) -> None:
    with KeyHolder(served.address) as peer:
        peer.send_call("accept_connection", "jobs")
        assert peer.read_to_end() == []


def test_a_method_of_one_object_cannot_be_called_on_the_other(served: Served) -> None:
    with KeyHolder(served.address) as peer:
        peer.open("results")
        peer.send_call("info")
        assert peer.read_to_end() == []
    assert served.jobs.calls == served.results.calls == []


@pytest.mark.parametrize("length", [MAX_FRAME_BYTES + 1, 2**31 - 1, 2 << 30, 2**63, 2**64 - 1])
def test_a_huge_frame_is_dropped_at_its_header(served: Served, length: int) -> None:
    with KeyHolder(served.address) as peer:
        peer.open()
        tracemalloc.start()
        try:
            peer.announce(length)
            assert peer.read_to_end() == []
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak_bytes < 2 << 20


@pytest.mark.parametrize("stage", ["at once", "after the hello"])
def test_a_large_frame_is_dropped_before_the_session(served: Served, stage: str) -> None:
    with KeyHolder(served.address) as peer:
        advance(peer, stage)
        peer.announce(10_000)
        assert peer.read_to_end() == []


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        b"\x94\xc0",
        b"\x81\x90\x01",
        b"\x91" * 3000,
        b"\xdd\xff\xff\xff\xff",
        b"\xa3\xff\xfe\xfd",
        pack(None),
        pack(1),
        pack("hello"),
        pack({}),
        pack([]),
        pack([None, "info", []]),
        pack([None, "info", [], {}, None]),
        pack([None, "info", {}, {}]),
        pack([None, "info", None, {}]),
        pack([None, "info", [], {"wait_seconds": 1}]),
    ],
)
def test_a_malformed_frame_is_dropped(served: Served, stage: str, frame: bytes) -> None:
    with KeyHolder(served.address) as peer:
        advance(peer, stage)
        peer.send_bytes(frame)
        assert peer.read_to_end() == []
    assert served.jobs.calls == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [1],
        ["job", 1],
        ["job", "1", b""],
        ["job", 1, "text"],
        ["job", 1, b"", 1],
        ["job", 1, msgpack.ExtType(1, b"\xc1")],
        ["job", msgpack.ExtType(2, b"\x01"), b""],
        [msgpack.ExtType(99, b""), 1, b""],
    ],
)
def test_malformed_arguments_are_answered_and_do_nothing(
    served: Served, arguments: list[Any]
) -> None:
    with KeyHolder(served.address) as peer:
        peer.open()
        peer.send_call("put", *arguments)
        kind, error = peer.receive()
        assert (kind, type(error)) == ("#ERROR", ProtocolError)
        peer.send_call("info")
        assert peer.receive()[0] == "#RETURN"
    assert served.jobs.calls == [("info", ())]


def test_an_error_sent_as_an_argument_is_not_raised(served: Served) -> None:
    with KeyHolder(served.address) as peer:
        peer.open()
        peer.send_call("status", HeadraceError("boo"))
        assert type(peer.receive()[1]) is ProtocolError
    assert served.jobs.calls == []


def test_another_protocol_gets_one_clear_line(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with KeyHolder(served.address) as peer:
        peer.send_call("hello", PROTOCOL + 1, "7.0")
        kind, error = peer.receive()
        assert (kind, type(error)) == ("#ERROR", ProtocolError)
        assert peer.read_to_end() == []
    line = str(error)
    assert f"protocol {PROTOCOL + 1} (headrace 7.0)" in line
    assert "install one version on both" in line
    assert "\n" not in line
    (logged,) = caplog.records
    assert re.fullmatch(rf"refused 127\.0\.0\.1:\d+: {re.escape(line)}", logged.getMessage())


@pytest.mark.parametrize("arguments", [[], [PROTOCOL], [PROTOCOL, "0", 1], [[PROTOCOL]], [None]])
def test_a_malformed_hello_is_dropped(served: Served, arguments: list[Any]) -> None:
    with KeyHolder(served.address) as peer:
        peer.send_call("hello", *arguments)
        assert peer.read_to_end() == []


@pytest.mark.parametrize("protocol", [None, "1", [1], {}, "line\nbreak" * 150])
def test_a_protocol_that_is_no_number_gets_one_line_too(
    served: Served, protocol: object, caplog: pytest.LogCaptureFixture
) -> None:
    with KeyHolder(served.address) as peer:
        peer.send_call("hello", protocol, protocol)
        kind, error = peer.receive()
        assert (kind, type(error)) == ("#ERROR", ProtocolError)
        assert peer.read_to_end() == []
    (record,) = caplog.records
    assert "\n" not in record.getMessage()
    assert len(record.getMessage()) < 400


def test_a_peer_may_leave_at_any_moment(served: Served) -> None:
    call = pack([None, "info", [], {}])
    whole = struct.pack("!i", len(call)) + call
    for sent in range(len(whole)):
        with KeyHolder(served.address) as peer:
            peer.open()
            peer.link._send(whole[:sent])  # type: ignore[attr-defined] # raw bytes, no header
    assert served.jobs.calls == []


def test_the_ident_of_a_call_is_nobodys_business(served: Served) -> None:
    with KeyHolder(served.address) as peer:
        peer.open()
        peer.send_call("info", ident=["results"])
        assert peer.receive()[0] == "#RETURN"
    assert served.jobs.calls == [("info", ())]
