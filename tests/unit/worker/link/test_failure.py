from __future__ import annotations

import pytest

from headrace_services.calls import plan_map
from headrace_services.calls.service import CallsService
from headrace_services.permits import Permits, RefusedError
from headrace_worker.link.failure import (
    MESSAGE_CHARACTERS,
    TRACEBACK_CHARACTERS,
    Failure,
    clip,
    explain,
)
from support.calls_shop import Colour, Point


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def raise_and_explain(error: BaseException) -> Failure:
    def task() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        task()
    return explain(caught.value)


def test_an_exception_is_explained_by_type_message_and_traceback() -> None:
    failure = raise_and_explain(ValueError("no such number"))
    assert (failure.error_type, failure.message) == ("ValueError", "no such number")
    assert "in task" in failure.traceback
    assert "in raise_and_explain" not in failure.traceback


@pytest.mark.parametrize("value", [Colour.RED, [{"a": (Point(1),)}]], ids=["member", "nested"])
def test_a_value_that_is_refused_is_explained_without_the_frames_of_its_decoder(
    value: object,
) -> None:
    service = CallsService()
    service.permit(Permits(("support.calls_shop:echo",)))
    plan = plan_map("support.calls_shop:echo", [value])
    runner = service.prepare(plan.operation, dict(plan.parameters))
    with pytest.raises(RefusedError) as caught:
        runner(0, next(iter(plan.inputs or ())))
    failure = explain(caught.value)
    assert "is not allowed on this worker: start it with --allow support" in failure.message
    assert failure.traceback == f"{failure.error_type}: {failure.message}\n"


def test_an_exception_of_another_module_is_named_with_it() -> None:
    assert raise_and_explain(MuteError()).error_type == f"{__name__}.MuteError"


def test_an_exception_that_cannot_tell_its_text_is_explained_all_the_same() -> None:
    failure = raise_and_explain(MuteError())
    assert "RuntimeError" in failure.message
    assert failure.traceback


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "MemoryError"),
        (AssertionError(" "), "AssertionError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (KeyError("grams"), "'grams'"),
        (LookupError("grams"), "grams"),
        (SystemExit(0), "0"),
    ],
    ids=repr,
)
def test_the_message_is_the_text_of_an_exception_or_else_its_class(
    error: BaseException, message: str
) -> None:
    assert raise_and_explain(error).message == message


def test_text_that_utf_8_cannot_carry_is_replaced() -> None:
    failure = raise_and_explain(ValueError("photo \udcff.jpg"))
    assert failure.message == "photo ?.jpg"
    failure.traceback.encode()


def test_long_texts_are_cut_and_a_traceback_keeps_its_end() -> None:
    failure = raise_and_explain(ValueError("x" * 100_000 + "end"))
    assert len(failure.message) == MESSAGE_CHARACTERS
    assert len(failure.traceback) == TRACEBACK_CHARACTERS
    assert failure.traceback.endswith("end\n")
    assert clip("abc", 3) == "abc"
    assert clip("abcd", 3) == "ab…"


class LeavingError(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class HomelessError(Exception):
    pass


HomelessError.__module__ = 7  # type: ignore[assignment] # pyright: ignore[reportAttributeAccessIssue] # what a user's own class may have


def test_an_exception_that_exits_when_it_is_asked_for_its_text_is_explained_all_the_same() -> None:
    failure = raise_and_explain(LeavingError())
    assert "SystemExit" in failure.message
    assert "in task" in failure.traceback


def test_an_exception_whose_class_has_no_sound_module_is_explained_all_the_same() -> None:
    assert raise_and_explain(HomelessError("lost")).message == "lost"


def test_a_missing_package_is_told_with_the_ways_to_have_it() -> None:
    missing = ModuleNotFoundError("No module named 'a_b.c'", name="a_b.c")
    failure = raise_and_explain(missing)
    assert failure.message.startswith(
        "No module named 'a_b.c'; this worker lacks the package 'a_b'"
    )
    assert "`pip install --target`" in failure.message
    assert "FROM headrace" in failure.message
    # Where the package is there and has no such part, nobody need install it.
    failure = raise_and_explain(ModuleNotFoundError("No module named 'json.c'", name="json.c"))
    assert failure.message == "No module named 'json.c'"
