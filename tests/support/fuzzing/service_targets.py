"""What arrives at a slot and at who gathers results: values, parameters, inputs of each service."""

from __future__ import annotations

import io
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from msgspec import ValidationError, json

from headrace_coordinator.web.presenter import Summary
from headrace_services.calls import CALLS
from headrace_services.calls.errors import pack_error, rebuild_failure
from headrace_services.calls.functions import resolve
from headrace_services.calls.marks import MARKS
from headrace_services.calls.outline import OUTLINES
from headrace_services.calls.rebuilding import IMPORTED, FoundClasses
from headrace_services.calls.values import pack_call, pack_value, unpack_value
from headrace_services.images import IMAGES
from headrace_services.images.payload import PictureInput, PictureValue
from headrace_services.images.preview import Preview
from headrace_services.permits import Permits
from headrace_services.presenting import run
from headrace_services.primes import PRIMES
from headrace_services.primes.partition import Partition
from headrace_services.service import Service
from headrace_services.service import Target as Wanted
from headrace_wire.batch import pack_batch
from headrace_wire.errors import HeadraceError
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.presenting import END, Order, write_head
from support.calls_shop import Colour, OutOfStockError, Pair, Parcel, Point, Right
from support.fuzzing.hostile import SCALARS, change_bytes, change_values, draw_packed, pack, unpack
from support.fuzzing.target import Target
from support.pictures import encode, make_picture
from support.wire_messages import make_message

PERMITS = Permits(("support.calls_shop",))

SHOP = FoundClasses(lambda name: resolve(name, PERMITS))

#: What a client makes of values that make no sense: see ``JobBase.gather``.
UNGATHERED = (HeadraceError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError)

#: Numbers that a task may look at here: more is work, and no fault.
MOST_NUMBERS = 100_000


def check_value(data: bytes) -> None:
    """A value is refused with a ValueError, or is one; it can be shown in either case."""
    for classes in (IMPORTED, SHOP, OUTLINES):
        with suppress(ValueError):
            unpack_value(data, classes)
    CALLS.describe("map", {"serializer": "msgpack", "label": "f"}, 0, data)


def check_failure(data: bytes) -> None:
    """The exception of a task that failed, however it is told, is one that can be raised."""
    failure = make_message(TaskFailure, reason="error", detail=data)
    error = rebuild_failure(failure)
    assert isinstance(error, Exception)
    str(error)


def _read_task(data: bytes) -> tuple[Any, dict[Any, Any], int, Any, list[Any]] | None:
    """An operation, parameters, an index, an input, and values that come back."""
    with suppress(ValueError):
        match unpack(data):
            case [operation, dict() as parameters, int() as index, task_input, list() as values]:
                # They cross the network as bytes, and an index within its bounds.
                if isinstance(task_input, bytes | None) and 0 <= index < 1 << 62:
                    return operation, parameters, index, task_input, values
    return None


def _check_task(service: Service, data: bytes, folder: Path | None = None) -> None:
    task = _read_task(data)
    if task is None:
        return
    operation, parameters, index, task_input, values = task
    shown = service.describe(operation, parameters, index, task_input)
    assert len(shown) <= 200
    _try_to_run(service, operation, parameters, index, task_input)
    _present(service, operation, parameters, [one for one in values if isinstance(one, bytes)])
    pairs = [(place, one) for place, one in enumerate(values) if isinstance(one, bytes)]
    for file_format in (None, "json"):
        with suppress(*UNGATHERED):
            service.gather(
                operation, parameters, iter(pairs), Wanted(io.BytesIO(), folder, file_format)
            )


def _present(
    service: Service, operation: Any, parameters: dict[Any, Any], values: list[bytes]
) -> None:
    """Show results on a page, and send them: whatever they are, nothing is raised."""
    packed, count = pack(parameters), len(values)
    for wants_summary in (True, False):
        # Names are checked by whoever takes a job in.
        order = Order(service.name, str(operation), packed, count, count, True, wants_summary)
        batch = pack_batch(values)
        said = order.encode() + write_head(0, len(batch)) + batch + END
        stream = io.BytesIO()
        if run(io.BytesIO(said), stream) == 0 and wants_summary:
            with suppress(ValidationError):
                assert json.decode(stream.getvalue(), type=Summary).ready


def _try_to_run(
    service: Service, operation: Any, parameters: dict[Any, Any], index: int, task_input: Any
) -> None:
    try:
        run = service.prepare(operation, parameters)
    except (HeadraceError, ValueError, TypeError):
        return
    if service is PRIMES:
        if operation == "test" and len(task_input or b"") > 300:
            return
        if operation != "test":
            partition = Partition.from_parameters(parameters)
            if partition.span > MOST_NUMBERS or partition.stop > MOST_NUMBERS**2:
                return
    with suppress(Exception, SystemExit):  # any exception is the task's failure
        assert isinstance(run(index, task_input), bytes)


def check_primes(data: bytes) -> None:
    """A task about primes, and its result."""
    _check_task(PRIMES, data)


def check_calls_task(data: bytes) -> None:
    """A task that calls a function, and its result."""
    CALLS.permit(PERMITS)
    _check_task(CALLS, data)


def check_images_task(data: bytes) -> None:
    """A task about a picture, and its result: nothing is written but in its folder."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "a", "b")
        _check_task(IMAGES, data, folder)
        outside = [one for one in Path(place).rglob("*") if folder not in (one, *one.parents)]
        assert all(one in folder.parents for one in outside), outside


_VALUES = [
    [1, 2**70, {"a": (1, 2, {3})}, 1j, bytearray(b"x")],
    [Colour.RED, Right.READ, Point(1, 2), Parcel(3), Pair(4, 5), OutOfStockError("a", 1)],
    [np.arange(5), np.zeros(2, [("a", "i4"), ("b", "f4", (2,))]), np.int8(3), np.str_("x")],
]
_PACKED = [pack_value(value) for value in _VALUES]
_GROUP = ExceptionGroup("all", [KeyError("k"), OSError(2, "x", "f")])
_ERRORS = [pack_error(one) for one in (OutOfStockError("a", 1), ValueError("\x1b[2J"), _GROUP)]

_NAMES = st.sampled_from(["<f8", "|O", "<U999999999", "builtins:eval", "os:system", "RED", "1E+9",
                          "support.calls_shop:Point", "support.calls_shop:Colour"])  # fmt: skip
_MARKED = st.recursive(
    SCALARS | _NAMES | st.sampled_from([mark.sign for mark in MARKS.values()]),
    lambda inner: st.one_of(
        st.builds(
            lambda mark, items: [mark.sign, *items],
            st.sampled_from(sorted(MARKS.values(), key=id)),
            st.lists(inner, max_size=6),
        ),
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=3), inner, max_size=2),
    ),
    max_leaves=12,
).map(lambda tree: b"\xc1\x00" + pack(tree))

_RANGE = {"start": "0", "stop": "1000", "span": 100}
_PRIMES = [
    ["count", _RANGE, 3, None, [b"25", b"21"]],
    ["find", _RANGE, 3, None, [PRIMES.prepare("find", _RANGE)(0, None), b""]],
    ["tuplets", {**_RANGE, "size": 2}, 3, None, [b"8"]],
    ["test", {"numbers": 2}, 0, pack([b"\x07", b"\x08"]), [pack([[b"\x07"], b"\x01"])]],
]
_CALLED = {"serializer": "msgpack", "function": "support.calls_shop:echo", "label": "echo"}
_CALLS = [
    ["map", _CALLED, 0, pack_value((1, "a")), [pack_value([1]), pack_value("x")]],
    ["starmap", {**_CALLED, "function": "support.calls_shop:add"}, 0, pack_value((1, 2)), []],
    ["apply", {**_CALLED, "chunk": 2, "pool": "p"}, 0, pack_call((1,), {}), [pack_value(1)]],
    ["call", _CALLED, 0, pack(["support.calls_shop:double", pack_call((1,), {}), "double"]), []],
    ["map", {**_CALLED, "initializer": "support.calls_shop:echo", "initargs": pack_call((1,), {}),
             "tenant": "t"}, 0, pack_value(1), []],
]  # fmt: skip
_SMALL = encode(make_picture(8, 6), "PNG")
_PICTURE = PictureInput("a.png", "a.png", "data", _SMALL).encode()
_SHOWN = Preview(8, 6, encode(make_picture(8, 6), "JPEG"))
_DONE = PictureValue("sub/a.png", _SMALL, 1, len(_SMALL), 0, _SHOWN, _SHOWN).encode()
_INTO = {"output_dir": "/dev/null/out", "max_megapixels": 1.0}
_IMAGES = [
    ["blur", {**_INTO, "radius": 1.0}, 0, _PICTURE, [_DONE]],
    ["thumbnail", {**_INTO, "size": [4, 4], "format": "jpeg", "quality": 80}, 0, _PICTURE, []],
    ["convert", {**_INTO, "format": "webp"}, 0, pack(["a", "../../b", "data", _SMALL]),
     [pack(["../../b", b"x", 1, 1]), pack(["/x", b"x", 1, 1, 1])]],
    ["sharpen", {**_INTO, "single": True}, 0, pack(["a", "b", "path", "/etc/hostname"]), [_DONE]],
    ["edges", {**_INTO, "shared": True}, 0, pack(["a", "b.png", "problem", "gone"]), []],
]  # fmt: skip


def _draw_tasks(seeds: list[Any]) -> st.SearchStrategy[bytes]:
    """Tasks with other parameters, and tasks whose input or values are changed byte by byte."""
    inputs = [seed[3] for seed in seeds if seed[3]] + [one for seed in seeds for one in seed[4]]

    def put(seed: list[Any], task_input: bytes, values: list[bytes]) -> bytes:
        return pack([*seed[:3], task_input, values])

    bodies = change_bytes(inputs) | change_values([[1]]).map(pack)
    changed = st.builds(put, st.sampled_from(seeds), bodies, st.lists(bodies, max_size=2))
    return draw_packed(seeds) | changed


SERVICE_TARGETS = [
    Target("values", check_value, change_bytes(_PACKED) | _MARKED | draw_packed([[1]]), _PACKED),
    Target("failures", check_failure, change_bytes(_ERRORS) | _MARKED, _ERRORS),
    Target("calls-tasks", check_calls_task, _draw_tasks(_CALLS), [*map(pack, _CALLS)]),
    Target("primes-tasks", check_primes, _draw_tasks(_PRIMES), [*map(pack, _PRIMES)]),
    Target("images-tasks", check_images_task, _draw_tasks(_IMAGES), [*map(pack, _IMAGES)]),
]
