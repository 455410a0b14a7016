"""A task's failure in one line."""

from __future__ import annotations

import pytest

from headrace_wire.failures import describe_error
from headrace_wire.messages.failures import CRASH, ERROR, TIMEOUT, Reason, TaskFailure
from support.wire_messages import make_message


def describe(error_type: str, message: str, reason: Reason = ERROR) -> str:
    return describe_error(
        make_message(TaskFailure, error_type=error_type, message=message, reason=reason)
    )


@pytest.mark.parametrize(
    ("error_type", "message", "line"),
    [
        ("ValueError", "no such shop", "ValueError: no such shop"),
        ("shops.ShopError", "it is shut", "shops.ShopError: it is shut"),
        ("KeyError", "'k'", "KeyError: 'k'"),
        ("AssertionError", "AssertionError", "AssertionError"),
        ("", "no type was told", "no type was told"),
        ("SystemExit", "0", "SystemExit: 0 (sys.exit was called)"),
        ("SystemExit", "SystemExit", "SystemExit (sys.exit was called)"),
    ],
)
def test_an_exception_is_shown_as_pythons_own_tracebacks_end(
    error_type: str, message: str, line: str
) -> None:
    assert describe(error_type, message) == line


@pytest.mark.parametrize(
    "error_type", ["headrace_wire.errors.TaskFailedError", "headrace_services.permits.RefusedError"]
)
def test_the_projects_own_errors_are_sentences_that_need_no_class(error_type: str) -> None:
    assert describe(error_type, "a.jpg: the file is empty") == "a.jpg: the file is empty"


@pytest.mark.parametrize("reason", [CRASH, TIMEOUT])
def test_a_task_that_was_ended_from_outside_has_no_exception(reason: Reason) -> None:
    assert describe("InitializerTimeout", "over 3 s", reason) == "over 3 s"
