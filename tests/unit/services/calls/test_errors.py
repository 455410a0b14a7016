from __future__ import annotations

import json
import pickle
import sys
import threading
import traceback
from multiprocessing import pool
from typing import Any, cast

import pytest
from msgspec.structs import replace

from headrace_services.calls.building import ExceptionParts
from headrace_services.calls.errors import (
    RemoteError,
    pack_error,
    rebuild_failure,
)
from headrace_services.calls.outline import OUTLINES
from headrace_services.calls.rebuilding import NO_CALL, add_note
from headrace_services.calls.transport import Serializer
from headrace_services.calls.values import pack_value, unpack_value
from headrace_services.service import MAX_DETAIL_BYTES
from headrace_wire.encoding import pack
from headrace_wire.errors import HeadraceError, TaskFailedError, UsageError
from headrace_wire.messages.failures import TaskFailure
from support.calls_shop import BareError, OutOfStockError, ran

RemoteTraceback: type[Exception] = cast("Any", pool).RemoteTraceback


def make_failure(detail: bytes, **changes: Any) -> TaskFailure:
    words: dict[str, Any] = {
        "lease": 1, "job": "job", "index": 3, "attempt": 1, "reason": "error", "signal": "",
        "error_type": "shop.WeirdError", "message": "its text", "traceback": "Traceback: …\n",
        "summary": "order('a')", "worker": "host-1", "cpu_seconds": 0.0, "busy_seconds": 0.0,
    }  # fmt: skip
    return TaskFailure(**{**words, **changes}, detail=detail)


def travel(error: BaseException) -> Exception:
    return rebuild_failure(make_failure(pack_error(error)))


@pytest.mark.parametrize("serializer", ["msgpack", "cloudpickle"])
@pytest.mark.parametrize("kind", [SystemExit, ValueError, StopIteration])
def test_what_an_initializer_raised_was_raised_in_no_task(
    kind: type[BaseException], serializer: Serializer
) -> None:
    error = kind(1)
    add_note(error, NO_CALL)
    back = rebuild_failure(make_failure(pack_error(error, serializer)), serializer)
    assert back.__notes__ == [NO_CALL, "it ran before task 3, order('a') on worker host-1"]


def list_builtin_errors() -> list[BaseException]:
    plain = [ValueError("a", 1), KeyError("k"), ZeroDivisionError("division by zero")]
    system = [OSError(2, "no", "file"), OSError(18, "no", "a", None, "b"), OSError("text"),
              FileNotFoundError(2, "no"), TimeoutError()]  # fmt: skip
    special = [
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), SyntaxError("x", ("f", 1, 2, "t")),
        ExceptionGroup("many", [ValueError(1), ExceptionGroup("more", [KeyError(2)])]),
        json.JSONDecodeError("x", "doc", 0), UsageError("no"), MemoryError(),
        RecursionError("deep"),
    ]  # fmt: skip
    return [*plain, *system, *special]


@pytest.mark.parametrize("error", list_builtin_errors(), ids=repr)
def test_an_exception_of_a_known_class_is_raised_as_itself(error: BaseException) -> None:
    back = travel(error)
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert repr(back.args) == repr(error.args)
    for name in ("errno", "filename", "filename2", "pos", "lineno", "start", "message"):
        assert getattr(back, name, None) == getattr(error, name, None)


def test_an_exception_of_the_users_own_comes_back_with_its_attributes_and_without_its_code() -> (
    None
):
    error = OutOfStockError("bolt", 3)
    error.add_note("order 7")
    ran.clear()
    back = travel(error)
    assert ran == []
    assert isinstance(back, OutOfStockError)
    assert (str(back), back.item, back.missing) == ("3 of bolt are missing", "bolt", 3)
    assert back.__notes__[0] == "order 7"
    with pytest.raises(TypeError):
        pickle.loads(pickle.dumps(error))  # which is more than pickle can do
    bare = travel(BareError(code=5))
    assert isinstance(bare, BareError)
    assert (str(bare), bare.code) == ("code 5", 5)


def test_an_exception_shows_where_it_was_raised() -> None:
    back = travel(ValueError("no"))
    assert isinstance(back.__cause__, RemoteTraceback)
    assert str(back.__cause__) == '\n"""\nTraceback: …\n"""'
    shown = "".join(traceback.format_exception(back))
    assert "direct cause" in shown
    assert "raised in task 3, order('a') on worker host-1" in shown


def test_an_exception_of_an_unknown_class_has_its_name() -> None:
    parts = ExceptionParts("shop.stock:Shelf.EmptyError", ["a"], {}, "it is empty")
    back = rebuild_failure(make_failure(pack_value(parts)))
    assert isinstance(back, RemoteError)
    assert isinstance(back, TaskFailedError)
    assert (type(back).__name__, type(back).__module__) == ("EmptyError", "shop.stock")
    assert back.error_type == "shop.stock.Shelf.EmptyError"
    assert str(back) == "it is empty"
    assert type(rebuild_failure(make_failure(pack_value(parts)))) is type(back)
    assert type(HeadraceError.from_code("remote", "x")) is RemoteError


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), StopIteration(1),
                                   StopAsyncIteration(), GeneratorExit()], ids=repr)  # fmt: skip
def test_what_would_end_the_program_or_a_loop_does_not(error: BaseException) -> None:
    back = travel(error)
    assert isinstance(back, RemoteError)
    assert type(back).__name__ == type(error).__name__


def test_arguments_that_cannot_travel_leave_their_text() -> None:
    class Local:
        def __repr__(self) -> str:
            return "<local>"

    back = travel(ValueError("cannot use", Local()))
    assert type(back) is ValueError
    assert str(back) == "('cannot use', <local>)"
    long = travel(ValueError("x" * MAX_DETAIL_BYTES))
    assert type(long) is ValueError
    assert str(long) == "x" * 4000
    stock = OutOfStockError("bolt", 1)
    stock.item = Local()  # type: ignore[assignment]
    assert type(travel(stock)) is OutOfStockError
    assert isinstance(
        travel(UnicodeDecodeError("x", b"y" * MAX_DETAIL_BYTES, 0, 1, "no")), RemoteError
    )


def test_an_exception_that_breaks_when_it_is_looked_at_is_still_a_failure() -> None:
    class EvilError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError

    assert pack_error(EvilError()) == b""
    back = travel(EvilError())
    assert (type(back).__name__, str(back)) == ("WeirdError", "its text")


@pytest.mark.parametrize(
    "parts",
    [
        ExceptionParts("builtins:eval", ["1"], {}, "t"),
        ExceptionParts("os:system", ["true"], {}, "t"),
        ExceptionParts("builtins:OSError", [], {}, "t", whole=False),
        ExceptionParts("builtins:UnicodeDecodeError", [1], {}, "t"),
        ExceptionParts("subprocess:Popen", ["true"], {}, "t"),
        ExceptionParts("wave:Error", [], {}, "t"),
        ExceptionParts("a\0b:c", [], {}, "t"),
        ExceptionParts("", [], {}, "t"),
        ExceptionParts("builtins:ValueError", [], {"__class__": 1, "args": 2}, "t"),
        ExceptionParts("builtins:ExceptionGroup", ["a", [1]], {}, "t"),
    ],
    ids=lambda parts: repr(parts.name),
)
def test_a_hostile_failure_is_an_error_and_nothing_else(parts: ExceptionParts) -> None:
    back = rebuild_failure(make_failure(pack_value(parts)))
    assert isinstance(back, RemoteError | OSError | ValueError)
    assert "wave" not in sys.modules


@pytest.mark.parametrize("detail", [b"", b"\xc1", b"\x01", pack_value([ValueError("a")])])
def test_a_failure_without_a_readable_detail_is_told_by_its_text(detail: bytes) -> None:
    back = rebuild_failure(make_failure(detail, traceback=""))
    assert isinstance(back, RemoteError)
    assert back.error_type == "shop.WeirdError"
    assert str(back) == "its text"
    assert back.__cause__ is None


@pytest.mark.parametrize("reason", ["timeout", "crash", "oom", "lost"])
def test_a_task_that_had_no_exception_failed_for_its_reason(reason: str) -> None:
    failure = make_failure(b"", reason=reason, message="the slot was killed by SIGSEGV")
    back = rebuild_failure(failure)
    assert type(back) is TaskFailedError
    assert str(back) == "task 3, order('a'): the slot was killed by SIGSEGV"


def test_an_exception_travels_as_a_value_too() -> None:
    frame = pack_value({"e": [OutOfStockError("a", 1)]})
    assert unpack_value(frame, OUTLINES)["e"][0].kind == "OutOfStockError"


class Opaque:
    """What cannot travel as plain data."""

    def __init__(self, x: int) -> None:
        self.x = x


class CarryingError(Exception):
    def __init__(self, obj: object) -> None:
        self.obj = obj

    def __str__(self) -> str:
        return f"bad: {self.obj.x}"  # type: ignore[attr-defined]


class TwoArgumentsError(Exception):
    def __init__(self, item: str, code: int) -> None:
        super().__init__(f"{item}: {code}")
        self.code = code
        self.opaque = Opaque(code)


class DelegatingError(Exception):
    def __init__(self) -> None:
        super().__init__("delegates")
        self.inner = {"a": 1}
        self.lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["lock"].anything


class ExitingError(Exception):
    def __setstate__(self, state: object) -> None:
        raise SystemExit(3)


class InterruptingError(Exception):
    def __reduce__(self) -> Any:
        return interrupt, ()


def interrupt() -> None:
    raise KeyboardInterrupt


def travel_pickled(error: BaseException) -> Exception:
    failure = make_failure(pack_error(error, "cloudpickle"))
    return rebuild_failure(failure, "cloudpickle")


def test_where_values_are_pickled_an_exception_is_whole() -> None:
    back: Any = travel_pickled(CarryingError(Opaque(6)))
    assert type(back) is CarryingError
    assert (str(back), type(back.obj)) == ("bad: 6", Opaque)
    back = travel_pickled(ValueError("no", Opaque(5)))
    assert back.args[1].x == 5
    back = travel_pickled(ExceptionGroup("g", [ValueError(Opaque(7))]))
    assert type(back) is ExceptionGroup
    assert back.exceptions[0].args[0].x == 7
    assert isinstance(back.__cause__, RemoteTraceback)


def test_an_exception_that_pickle_cannot_open_again_is_whole_all_the_same() -> None:
    back: Any = travel_pickled(TwoArgumentsError("bolt", 5))
    assert type(back) is TwoArgumentsError
    assert (str(back), back.code, back.opaque.x) == ("bolt: 5", 5, 5)


@pytest.mark.parametrize("go", [travel, travel_pickled])
def test_an_exception_that_does_harm_where_it_is_opened_comes_all_the_same(go: Any) -> None:
    back = go(DelegatingError())
    assert type(back) is DelegatingError
    assert back.inner == {"a": 1}
    shown = "".join(traceback.format_exception(back))
    assert "raised in task 3" in shown
    assert "'lock'" in shown  # it says what is missing
    harmful: list[Any] = [ExitingError("a"), InterruptingError("b")]
    for error in harmful:
        error.code = 5
        back = go(error)
        assert (type(back), str(back), back.code) == (type(error), str(error), 5)


def test_a_pickled_exception_that_only_the_client_cannot_open_has_its_name() -> None:
    harm = pickle.dumps(InterruptingError("x"))
    plain = pack_value(ExceptionParts("shop:EmptyError", ["a"], {}, "it is empty"))
    for pickled in (harm, b"no pickle", pickle.dumps(3), pickle.dumps(SystemExit(3))):
        back = rebuild_failure(make_failure(pack([pickled, plain])), "cloudpickle")
        assert (type(back).__name__, str(back)) == ("EmptyError", "it is empty")


def test_nothing_pickled_is_opened_for_a_client_that_asked_for_plain_data() -> None:
    back = rebuild_failure(make_failure(pack_error(ValueError("a"), "cloudpickle")))
    assert isinstance(back, RemoteError)


def test_what_cannot_travel_as_plain_data_is_said() -> None:
    error = OutOfStockError("bolt", 1)
    error.opaque = Opaque(1)  # type: ignore[attr-defined]
    back = travel(error)
    assert type(back) is OutOfStockError
    assert any("its attribute 'opaque': a " in note for note in back.__notes__)
    group = travel(ExceptionGroup("g", [ValueError(Opaque(1)), KeyError("k")]))
    assert isinstance(group, ExceptionGroup)
    assert [type(one) for one in group.exceptions] == [ValueError, KeyError]
    assert "its argument 1" in group.exceptions[0].__notes__[0]
    carrying = travel(CarryingError(Opaque(6)))  # its own text would raise without the attribute
    assert (type(carrying).__name__, str(carrying)) == ("CarryingError", "bad: 6")
    assert isinstance(carrying, RemoteError)


def test_what_python_keeps_beside_the_arguments_travels() -> None:
    error = ModuleNotFoundError("No module named 'a'", name="a", path="b")
    for go in (travel, travel_pickled):
        back: Any = go(error)
        assert (type(back), back.name, back.path) == (ModuleNotFoundError, "a", "b")
        back = go(NameError("x", name="x"))
        assert back.name == "x"


def test_what_to_do_about_a_missing_package_is_noted_and_the_text_stays_as_it_is() -> None:
    error = ModuleNotFoundError("No module named 'a'", name="a")
    failure = replace(make_failure(pack_error(error)), message=f"{error}; install it")
    back = rebuild_failure(failure)
    assert str(back) == "No module named 'a'"
    assert back.__notes__[-1] == "install it"
