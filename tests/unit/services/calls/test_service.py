from __future__ import annotations

import io
import json
import re
import signal
import socket
import subprocess
import sys
import uuid
from collections import (
    ChainMap,
    Counter,
    OrderedDict,
    UserDict,
    UserList,
    UserString,
    defaultdict,
    deque,
)
from collections.abc import Callable, Iterator
from datetime import UTC, date
from decimal import Decimal
from fractions import Fraction
from functools import partial
from http import HTTPMethod, HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from headrace_services.calls import (
    CallOptions,
    open_result,
    plan_apply,
    plan_map,
    plan_starmap,
)
from headrace_services.calls.service import CallsService
from headrace_services.calls.values import pack_call, pack_value
from headrace_services.permits import Permits, PermittedService, RefusedError
from headrace_services.service import DetailedService, Plan, Target
from headrace_wire.encoding import pack, unpack
from headrace_wire.errors import OutputError, UsageError
from support.calls_shop import Colour, Pair, Point, Shelf, add, config, configure, double, echo

SHOP = Permits(("support.calls_shop",))


@pytest.fixture
def calls() -> CallsService:
    """A service of one's own: what it remembers ends with the test."""
    service = CallsService()
    service.permit(SHOP)
    return service


@pytest.fixture
def clean_config() -> Iterator[None]:
    config.clear()
    yield
    config.clear()


def run_frames(service: CallsService, plan: Plan) -> list[bytes]:
    # Parameters travel by the wire's own encoding.
    runner = service.prepare(plan.operation, unpack(pack(dict(plan.parameters))))
    return [runner(index, task_input) for index, task_input in enumerate(plan.inputs or ())]


def run(service: CallsService, plan: Plan) -> list[Any]:
    serializer: Any = plan.parameters["serializer"]
    return [open_result(serializer, frame) for frame in run_frames(service, plan)]


def test_it_is_a_service_that_asks_for_permits_and_tells_of_exceptions(calls: CallsService) -> None:
    assert isinstance(calls, PermittedService)
    assert isinstance(calls, DetailedService)


def test_functions_are_called_in_each_way(calls: CallsService) -> None:
    assert run(calls, plan_apply(add, (1,), {"right": 2})) == [3]
    assert run(calls, plan_map(double, [1, "a", (2, [3])])) == [2, "aa", (2, [3], 2, [3])]
    assert run(calls, plan_starmap(add, [(1, 2), ["a", "b"], (5,)])) == [3, "ab", 5]
    assert run(calls, plan_map(Shelf.label, ["x"])) == ["Shelf x"]
    assert run(calls, plan_map("support.calls_shop:echo", [Point(1, Colour.RED)])) == [
        Point(1, Colour.RED)
    ]


def test_inputs_are_packed_as_they_are_read() -> None:
    read: list[int] = []

    def generate() -> Iterator[int]:
        for number in range(3):
            read.append(number)
            yield number

    plan = plan_map(double, generate())
    assert read == []
    assert plan.inputs is not None
    assert next(iter(plan.inputs)) == pack_value(0)
    assert read == [0]
    assert plan_map(double, range(7)).tasks == 7


def test_what_cannot_travel_is_refused_where_it_is_packed() -> None:
    with pytest.raises(TypeError, match=r"^argument 1, \[0\]: an object cannot travel"):
        plan_apply(double, ([object()],))
    with pytest.raises(TypeError, match=r"^item 1: an object cannot travel"):
        list(plan_map(double, [1, object()]).inputs or ())
    with pytest.raises(TypeError, match=r"^argument 2: an object cannot travel"):
        CallOptions(initializer=configure, initargs=(1, object()))
    with pytest.raises(UsageError, match="a lambda"):
        plan_map(lambda value: value, [1])
    with pytest.raises(UsageError, match="'msgpack' or 'cloudpickle'"):
        CallOptions(serializer="pickle")  # type: ignore[arg-type]


def test_a_result_that_cannot_travel_is_refused_with_its_place(calls: CallsService) -> None:
    plan = plan_map("support.calls_shop:make_stranger", [1])
    with pytest.raises(
        TypeError, match=r"^the result, \['a'\]\[1\]: a types\.SimpleNamespace cannot"
    ):
        run(calls, plan)


def test_nothing_is_allowed_until_it_is() -> None:
    service = CallsService()
    with pytest.raises(RefusedError, match="--allow NAME"):
        service.engine()
    with pytest.raises(RefusedError, match=r"--allow support or --allow support.calls_shop:double"):
        run(service, plan_map(double, [1]))
    service.permit(SHOP)
    assert service.engine().endswith(", allows support.calls_shop")


@pytest.mark.parametrize(
    "value",
    [
        re.compile("a+"), re.compile(b"a", re.IGNORECASE), re.IGNORECASE | re.MULTILINE,
        HTTPStatus.OK, HTTPMethod.GET, signal.SIGINT, signal.SIG_DFL, socket.AF_INET,
        socket.SOCK_STREAM, uuid.SafeUUID.unknown, ChainMap({"a": 1}), UserDict(a=1), UserList([1]),
        UserString("a"), OrderedDict(a=1), Counter("a"), deque([1], 2), defaultdict(list, a=[1]),
        defaultdict(None, a=1), Fraction(1, 3), Decimal("1.50"), range(3), slice(1, 2), 1j,
        frozenset([1]), bytearray(b"a"), ip_address("::1"), Path("a"), uuid.UUID(int=1), date.max,
        UTC, ZoneInfo("Europe/Paris"), partial(int, "12"), 2**70, ValueError("a"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_values_of_the_standard_library_need_no_permit(calls: CallsService, value: Any) -> None:
    calls.permit(Permits(("support.calls_shop:echo",)))
    (back,) = run(calls, plan_map(echo, [value]))
    assert (type(back), repr(back)) == (type(value), repr(value))


def test_a_value_of_a_class_that_is_not_allowed_is_refused(calls: CallsService) -> None:
    calls.permit(Permits(("support.calls_shop:echo",)))
    with pytest.raises(
        RefusedError, match=r"support.calls_shop:Point is not allowed on this worker"
    ):
        run(calls, plan_map(echo, [Point(1)]))


def test_pickled_functions_are_refused_unless_they_are_allowed(calls: CallsService) -> None:
    options = CallOptions(serializer="cloudpickle")
    factor = 3
    plan = plan_map(lambda value: value * factor, [2, "a"], options)
    with pytest.raises(RefusedError, match="start it with --allow-pickle"):
        run(calls, plan)
    calls.permit(Permits(pickle=True))
    assert run(calls, plan_map(lambda value: value * factor, [2, "a"], options)) == [6, "aaa"]
    assert run(calls, plan_apply(lambda *a, **k: (a, k), (1,), {"b": {2}}, options)) == [
        ((1,), {"b": {2}})
    ]
    assert run(calls, plan_starmap(lambda a, b: a + b, [(1, 2)], options)) == [3]


def test_pickled_bytes_are_not_opened_in_a_job_that_names_msgpack(calls: CallsService) -> None:
    calls.permit(Permits(pickle=True))
    plan = plan_map(len, [1], CallOptions(serializer="cloudpickle"))
    with pytest.raises(ValueError, match="names no function"):
        calls.prepare("map", {**plan.parameters, "serializer": "msgpack"})


def test_what_another_python_has_pickled_is_not_opened(calls: CallsService) -> None:
    calls.permit(Permits(pickle=True))
    options = CallOptions(serializer="cloudpickle")
    assert run(calls, plan_map(lambda number: -number, [1], options)) == [-1]
    options.parameters["python"] = "3.99"
    with pytest.raises(RefusedError, match=r"for Python 3\.99, and this worker runs 3\.1\d: start"):
        run(calls, plan_map(lambda number: -number, [1], options))


@pytest.mark.usefixtures("clean_config")
def test_the_initializer_runs_once_for_the_same_parameters(calls: CallsService) -> None:
    options = CallOptions(initializer=configure, initargs=(("a", 1),))
    run(calls, plan_map(echo, [1], options))
    run(calls, plan_map(double, [1, 2], options))
    assert config == [("a", 1)]
    run(calls, plan_map(echo, [1], CallOptions(initializer=configure, initargs=(2,))))
    run(calls, plan_map(echo, [1], CallOptions("msgpack", configure, (2,), pool="other")))
    assert config == [("a", 1), 2, 2]


@pytest.mark.usefixtures("clean_config")
def test_an_initializer_that_fails_runs_again_and_fails_the_tasks(calls: CallsService) -> None:
    options = CallOptions(initializer="support.calls_shop:divide", initargs=(0,))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError) as caught:
            run(calls, plan_map(echo, [1], options))
        assert caught.value.__notes__ == ["raised by the initializer, so that no call was made"]


def test_named_arguments_may_be_any_mapping(calls: CallsService) -> None:
    assert run(calls, plan_apply(add, (1,), cast("Any", UserDict(right=2)))) == [3]
    for none in ([("a", 1)], "a", 3):
        with pytest.raises(TypeError, match="the named arguments of a call are a mapping, not a"):
            plan_apply(add, (), cast("Any", none))


@pytest.mark.parametrize(
    ("operation", "changes", "word"),
    [
        ("guess", {}, "it can apply, map, starmap"),
        ("map", {"serializer": "pickle"}, "the serializer is 'pickle'"),
        ("map", {"serializer": None}, "the serializer is None"),
        ("map", {"function": None}, "names no function"),
        ("map", {"function": b"x"}, "names no function"),
        ("map", {"function": "nonsense"}, "not of the form"),
        ("map", {"initializer": "support.calls_shop:configure"}, "no arguments"),
    ],
)
def test_wrong_parameters_are_refused(
    calls: CallsService, operation: str, changes: dict[str, object], word: str
) -> None:
    with pytest.raises((ValueError, UsageError), match=word):
        calls.prepare(operation, {**plan_map(echo, [1]).parameters, **changes})


@pytest.mark.parametrize("task_input", [None, b"", b"\xc1", pack_value(1), pack_value([1, 2])])
def test_malformed_arguments_are_refused(calls: CallsService, task_input: bytes | None) -> None:
    runner = calls.prepare("apply", plan_map(echo, [1]).parameters)
    with pytest.raises(ValueError, match=r"carries no arguments|malformed|not the arguments"):
        runner(0, task_input)


@pytest.mark.parametrize(
    ("args", "kwds", "shown"),
    [
        ((3, "x"), {}, "simulate(3, 'x')"),
        ((), {"seed": 1.5}, "simulate(seed=1.5)"),
        (([1, (2,)], {3}), {"k": None}, "simulate([1, (2,)], {3}, k=None)"),
        (("a" * 100,), {}, "simulate('aaaaaaaaaaaa...aaaaaaaaaaaaa')"),
        ((list(range(100)),), {}, "simulate([0, 1, 2, 3, 4, 5, ...])"),
        ((10**5000,), {}, "simulate(<integer of 16,610 bits>)"),
        ((np.zeros((3, 4)),), {}, "simulate(<array float64 3x4>)"),
        ((Point(1, Colour.RED),), {}, "simulate(Point(x=1, y=Colour.RED))"),
        ((Pair(1, b"x"), ValueError("no")), {}, "simulate(Pair(1, b'x'), ValueError('no'))"),
    ],
)
def test_a_task_is_described_as_a_call(
    calls: CallsService, args: tuple[Any, ...], kwds: dict[str, Any], shown: str
) -> None:
    parameters = {**plan_apply("m:simulate", args, kwds).parameters}
    assert calls.describe("apply", parameters, 0, pack_call(args, kwds)) == shown


def test_a_task_whose_arguments_cannot_be_read_has_its_function(calls: CallsService) -> None:
    parameters = plan_map("m:Shelf.count", [1]).parameters
    assert calls.describe("map", parameters, 7, pack_value([1])) == "Shelf.count([1])"
    assert calls.describe("starmap", parameters, 7, pack_value([1, 2])) == "Shelf.count(1, 2)"
    assert calls.describe("map", parameters, 7, b"\xc1") == "map task 7"
    assert calls.describe("map", parameters, 7, None) == "Shelf.count(…)"
    assert calls.describe("map", {}, 7, b"\x01") == "call(…)"
    pickled = plan_map(len, [1], CallOptions(serializer="cloudpickle"))
    assert calls.describe("map", pickled.parameters, 7, b"cos\nsystem\n") == "len(…)"
    long = pack_value(["x" * 30] * 6 + [{"k" * 30: "v" * 30}] * 5)
    assert len(calls.describe("starmap", parameters, 0, long)) <= 200


def gather(values: list[tuple[int, Any]], target: Target, **parameters: object) -> Any:
    frames = iter([(index, pack_value(value)) for index, value in values])
    return CallsService().gather("map", {"serializer": "msgpack", **parameters}, frames, target)


def test_values_are_written_as_json_lines(tmp_path: Path) -> None:
    place = tmp_path / "results.jsonl"
    gathered = gather([(0, {"a": [1, "é"]}), (2, None)], Target(io.BytesIO(), place))
    assert (
        place.read_text() == '{"index": 0, "value": {"a": [1, "é"]}}\n{"index": 2, "value": null}\n'
    )
    assert gathered.written == f"2 values to {place}"
    stream = io.BytesIO()
    assert gather([(5, True)], Target(stream)).written == "1 value to standard output"
    assert stream.getvalue() == b'{"index": 5, "value": true}\n'


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ((1, {2}), [1, [2]]), ({1: "a"}, [[1, "a"]]), (b"ab", "YWI="), (2**64, str(2**64)),
        (-(10**5000), "-1" + "0" * 5000), (float("nan"), "nan"), (float("-inf"), "-inf"),
        (1j, "1j"), (Decimal("1.50"), "1.50"), (date(2020, 1, 2), "2020-01-02"),
        (Path("a/b"), "a/b"),
        (Point(1, (2,)), {"x": 1, "y": [2]}), (Colour.RED, "RED"), (Pair(1, 2), [1, 2]),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]), (np.float32(0.5), 0.5),
        (range(3), [0, 1, 2]), (UserList([(1,)]), [[1]]), (UserString("a"), "a"),
        (ChainMap({"a": 1}, ChainMap(UserDict(a=2, b=3))), {"a": 1, "b": 3}),
        (UserDict({1: 2}), [[1, 2]]),
        (np.array([np.nan]), ["nan"]),
        (Fraction(10**5000, 3), f"1{'0' * 5000}/3"), (Fraction(2), "2"),
        (np.datetime64("2020-01-01", "ns"), "2020-01-01T00:00:00.000000000"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_json_does_not_know_has_a_plain_form(value: Any, plain: Any) -> None:
    stream = io.BytesIO()
    gather([(0, value)], Target(stream))
    assert json.loads(stream.getvalue())["value"] == plain


def test_text_that_is_no_utf8_is_written_as_json_has_it() -> None:
    stream = io.BytesIO()
    gather([(0, "\udcff")], Target(stream))
    assert json.loads(stream.getvalue())["value"] == "\udcff"


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="its json writes whatever can travel")
def test_a_value_that_is_nested_too_deep_for_json_is_refused_in_one_line() -> None:
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    with pytest.raises(OutputError, match="nested too deep to be written as JSON"):
        gather([(0, deep)], Target(io.BytesIO()))


def test_what_cannot_be_gathered_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="use jsonl"):
        gather([], Target(io.BytesIO(), format="npy"))
    with pytest.raises(OutputError, match="pickled"):
        gather([], Target(io.BytesIO()), serializer="cloudpickle")
    place = tmp_path / "out"
    bad = iter([(0, pack_value(1)), (1, b"\xc1")])
    with pytest.raises(OutputError, match="a value cannot be read: a malformed value"):
        CallsService().gather("map", {"serializer": "msgpack"}, bad, Target(io.BytesIO(), place))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="it can apply"):
        CallsService().gather("guess", {}, iter(()), Target(io.BytesIO()))


def test_it_is_cheap_to_import() -> None:
    program = "import headrace_services.calls, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert not {"numpy", "cloudpickle", "zoneinfo"} & set(done.stdout.split())


def test_the_plans_name_their_function_for_people() -> None:
    make: Callable[..., Plan] = plan_map
    assert make(double, []).parameters["label"] == "double"
    assert (
        make(np.vectorize(double), [], CallOptions("cloudpickle")).parameters["label"]
        == "vectorize"
    )
