"""What arrives at a coordinator or at its clients: frames, handshakes, calls, answers, messages."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import AuthenticationError
from typing import Any

from hypothesis import strategies as st

from headrace_wire.api import APIS
from headrace_wire.batch import check_batch, pack_batch, slice_batch, unpack_batch
from headrace_wire.calling import decode_answer, decode_arguments, decode_call
from headrace_wire.encoding import unpack as unpack_frame
from headrace_wire.errors import BoundsError, HeadraceError, ProtocolError
from headrace_wire.framing import FrameReader, FrameTooLargeError
from headrace_wire.greeting import HELLO, admit, greet
from headrace_wire.handshake import CHALLENGE, DIGEST, WELCOME, Handshake, prove_both
from headrace_wire.keyring import derive_keys
from headrace_wire.message import decode, decode_trusted, dump
from headrace_wire.payloads import encode
from headrace_wire.signature import read_signatures
from support.calls_of_api import BROKEN
from support.fuzzing.hostile import change_values, draw_packed, pack, unpack
from support.fuzzing.target import Target, check_refusal
from support.wire_messages import MESSAGES, make_example, read_methods

KEY = b"0123456789abcdef" * 4
KEYS = derive_keys(KEY)

#: A frame that is longer than this is refused by the reader that is tried.
CAP_BYTES = 1 << 16

METHODS = [(name, method) for name, api in APIS.items() for method in read_methods(api)]


def check_frames(data: bytes) -> None:
    """Bytes in pieces: whole frames come out, and no more bytes than went in."""
    reader, taken, left = FrameReader(CAP_BYTES), 0, memoryview(data)
    try:
        while left:
            buffer = reader.get_buffer()
            size = min(len(buffer), len(left), 1 + left[0])
            buffer[:size] = left[:size]
            reader.buffer_updated(size)
            left = left[size:]
            while (frame := reader.take()) is not None:
                taken += 4 + len(frame)
    except FrameTooLargeError as error:
        check_refusal(error)
    assert reader.bytes_in <= len(data)
    assert taken <= reader.bytes_in


def _read_frames(data: bytes) -> list[Any]:
    """Frames that a peer sends; where one is True, it says what it should."""
    try:
        told = unpack(data)
    except ValueError:
        return [data]
    if not isinstance(told, list):
        return [data]
    return [one if one is True or isinstance(one, bytes) else pack(one) for one in told]


def _answer(challenge: bytes) -> bytes:
    message = challenge.removeprefix(CHALLENGE)
    return DIGEST + hmac.digest(KEY, message, "sha256")


def _drive(steps: Handshake[Any], frames: list[Any], say_right: Callable[[bytes], bytes]) -> Any:
    """Do what a handshake asks for, with these frames; returns what it returned, or None."""
    said, frame, coming = b"", None, iter(frames)
    try:
        while True:
            wanted = steps.send(frame)
            frame = None
            if wanted is not None:
                said = bytes(wanted)
                continue
            given = next(coming, None)
            if given is None:
                return None
            frame = say_right(said) if given is True else given
    except StopIteration as stop:
        return stop.value or True
    finally:
        steps.close()


def check_server_handshake(data: bytes) -> None:
    """Whoever says anything else than the right thing at any place is not let in."""
    frames = _read_frames(data)
    right = iter([
        None, CHALLENGE + DIGEST + bytes(40), WELCOME, pack([None, "hello", HELLO, {}]),
        pack([None, "accept_connection", ["jobs"], {}]),
    ])  # fmt: skip
    admitted = None
    try:
        admitted = _drive(
            admit(lambda hint: {} if hint else KEYS, {"jobs"}),
            frames,
            lambda said: next(right, b"") or _answer(said),
        )
    except (AuthenticationError, EOFError, ProtocolError) as error:
        check_refusal(error)
    assert admitted is None or frames[0] is True, "let in without the key"
    assert admitted is not None or frames[:5] != [True] * 5, "kept out with the key"


def check_client_handshake(data: bytes) -> None:
    """A client that meets something else than a coordinator gives up."""
    frames = _read_frames(data)
    said_last: list[bytes] = []

    def say_right(said: bytes) -> bytes:
        said_last.append(said)
        places = [CHALLENGE + DIGEST + bytes(40), WELCOME, None, WELCOME]
        place = len(said_last) - 1
        chosen = places[place] if place < len(places) else pack(["#RETURN", HELLO])
        return chosen or _answer(said)

    def meet() -> Handshake[None]:
        yield from prove_both(KEY)
        yield from greet("jobs")

    try:
        _drive(meet(), frames, say_right)
    except (AuthenticationError, EOFError, HeadraceError) as error:
        del error  # an error that a coordinator sends may say anything: who prints it takes care


def check_call(data: bytes) -> None:
    """A call is of a method with arguments of its types and within their bounds, or refused."""
    try:
        call, payloads = decode_call(data)
    except EOFError as error:
        check_refusal(error)
        return
    for api in APIS.values():
        signature = read_signatures(api).get(call.method)
        if signature is None:
            continue
        for is_newer in (False, True):
            try:
                arguments = decode_arguments(signature, call, payloads, is_newer=is_newer)
            except (ProtocolError, BoundsError) as error:
                check_refusal(error)
            else:
                dump(arguments)


def check_answer(data: bytes) -> None:
    """An answer to any method: what it returns, what it raised, or no answer."""
    name, method = METHODS[data[0] % len(METHODS)] if data else METHODS[0]
    for is_newer in (False, True):
        with suppress(HeadraceError):
            decode_answer(read_signatures(APIS[name])[method], data[1:], is_newer=is_newer)


def check_message(data: bytes) -> None:
    """A message of any kind, from somebody who is trusted and from somebody who is not."""
    kind = MESSAGES[data[0] % len(MESSAGES)] if data else MESSAGES[0]
    for is_newer in (False, True):
        try:
            dump(decode(kind, data[1:], is_newer=is_newer))
        except (ProtocolError, BoundsError) as error:
            check_refusal(error)
        try:
            dump(decode_trusted(kind, data[1:], is_newer=is_newer))
        except ProtocolError as error:
            check_refusal(error)


def check_batches(data: bytes) -> None:
    """A batch that was checked can be counted, cut and unpacked."""
    try:
        count = check_batch(data)
    except ProtocolError as error:
        check_refusal(error)
        return
    items = unpack_batch(data)
    assert len(items) == count
    assert unpack_batch(slice_batch(data, 0, count // 2)) == items[: count // 2]


def check_unpacking(data: bytes) -> None:
    """A frame of plain values, errors among them."""
    with suppress(ValueError):
        unpack_frame(data)


def _make_calls() -> list[list[Any]]:
    return [
        [None, method, dump([make_example(one) for one in read_methods(APIS[name])[method][0]]), {}]
        for name, method in METHODS
    ]


def _make_large_call() -> bytes:
    """A call whose payload travels behind it."""
    parts = encode(("jobs", "put"), ("job", 0, bytes(1 << 17)), 1 << 20, ({},))
    return b"".join(parts)


def _with_number(seeds: list[Any]) -> st.SearchStrategy[bytes]:
    """A number of the kind, and behind it what is often a changed one of that kind."""
    matching = st.integers(0, len(seeds) - 1).flatmap(
        lambda kind: change_values([seeds[kind]]).map(lambda tree: bytes([kind]) + pack(tree))
    )
    other = st.tuples(st.integers(0, 255), draw_packed(seeds))
    return matching | other.map(lambda both: bytes([both[0]]) + both[1])


_CALLS = _make_calls()
_ANSWERS = [
    ["#RETURN", dump(make_example(read_methods(APIS[name])[method][1]))] for name, method in METHODS
]
_EXAMPLES = [dump(make_example(kind)) for kind in MESSAGES]
_FRAMES = [
    b"\x00\x00\x00\x05hello",
    b"\x00\x00\x00\x00" * 3,
    b"\xff" * 9,
    b"\x00\x01\x00\x01" + bytes(99),
]
_SPOKEN = [[True] * 5, [True] * 8, [True, b"#WELCOME#"], [True, True, b"#FAILURE#"],
           [True, True, True, [None, "hello", [6, "1.0"], {}]],
           [b"#CHALLENGE#{sha256}" + bytes(40), True], [b"#CHALLENGE#{md5}" + bytes(20)],
           [b"#CHALLENGE#" + bytes(20)], [True, bytes(16), b"#CHALLENGE#" + bytes(20)],
           [True] * 4 + [["#ERROR", 1]], [True] * 3 + [["#RETURN", [6, "1"]]]]  # fmt: skip
_BATCHES = [pack_batch([b"a", b"", b"c" * 600]), pack_batch([]), b"\xdc\x00\x02\xc4\x00\xc4\x01x"]

WIRE_TARGETS = [
    Target("frames", check_frames, st.binary(max_size=300) | st.sampled_from(_FRAMES), _FRAMES),
    Target("server-handshake", check_server_handshake, draw_packed(_SPOKEN), [*map(pack, _SPOKEN)]),
    Target("client-handshake", check_client_handshake, draw_packed(_SPOKEN), [*map(pack, _SPOKEN)]),
    Target("calls", check_call, draw_packed(_CALLS), [*map(pack, _CALLS), _make_large_call()]),
    Target(
        "answers",
        check_answer,
        _with_number(_ANSWERS),
        [bytes([place]) + pack(one) for place, one in enumerate(_ANSWERS)],
    ),
    Target(
        "messages",
        check_message,
        _with_number(_EXAMPLES),
        [bytes([place]) + pack(one) for place, one in enumerate(_EXAMPLES)],
    ),
    Target("batches", check_batches, draw_packed([[b"a", b"", b"c"], []]), _BATCHES),
    Target("plain-values", check_unpacking, draw_packed([["#RETURN", {"a": [1]}]]), BROKEN),
]
