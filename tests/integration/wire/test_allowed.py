"""A connection may call what the role of its key allows, and nothing else."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from headrace_wire import denials
from headrace_wire.api import APIS, JobQueueApi
from headrace_wire.errors import EXIT_KEY_REFUSED, NotAllowedError
from headrace_wire.keyring import derive_key
from headrace_wire.manager import QueueManager
from headrace_wire.messages.reports import Report
from headrace_wire.roles import DERIVED_ROLES, Holder, Role, caller
from headrace_wire.signature import read_signatures
from support.wire_messages import make_example, read_methods
from support.wire_server import KEY, Served, serve

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serve() as served:
        yield served


def manage(served: Served, role: Role) -> QueueManager:
    return QueueManager(served.address, derive_key(KEY, role))


@pytest.mark.parametrize("role", DERIVED_ROLES)
@pytest.mark.parametrize("name", APIS)
def test_each_method_is_answered_or_refused_and_the_connection_stays(
    served: Served, role: Role, name: str
) -> None:
    api, double = getattr(manage(served, role), name)(), getattr(served, name)
    for method, signature in read_signatures(APIS[name]).items():
        hints, answer = read_methods(APIS[name])[method]
        arguments = tuple(make_example(hint) for hint in hints)
        double.calls.clear()
        if role in signature.roles:
            assert getattr(api, method)(*arguments) == make_example(answer)
            assert double.calls == [(method, arguments)]
        else:
            with pytest.raises(NotAllowedError, match=rf"'{method}'.*\({role}\) has role {role};"):
                getattr(api, method)(*arguments)
            assert not double.calls
    assert served.count_sessions() <= len(DERIVED_ROLES) * len(APIS)


def test_a_refusal_is_logged_once_for_each_method(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = manage(served, "observer").jobs()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(NotAllowedError) as caught:
                jobs.delete("a")
    assert caught.value.exit_code == EXIT_KEY_REFUSED
    (line, kept) = [record.getMessage() for record in caplog.records]
    assert line == kept  # in the log for people, and in the audit log
    assert line.startswith("observer (observer) at 127.0.0.1:")
    assert line.endswith("was refused: delete")


def test_whoever_comes_again_and_again_fills_no_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denials, "LINES_AT_ONCE", 3)
    with serve() as served, caplog.at_level(logging.WARNING):
        for _ in range(6):
            with pytest.raises(NotAllowedError):
                manage(served, "observer").jobs().delete("a")
        with pytest.raises(NotAllowedError):
            manage(served, "worker").jobs().delete("a")
    told = [one.getMessage().split()[0] for one in caplog.records if "refused" in one.getMessage()]
    assert told == ["observer"] * 6 + ["worker"] * 2, "a line in each of both logs"


def test_what_the_served_object_refuses_is_logged_as_well(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as a report for a worker that was registered with another key."""

    def refuse(*arguments: Any) -> Any:
        del arguments
        raise NotAllowedError("worker 'w' was registered with another key")

    served.results.answers["report"] = refuse
    results = manage(served, "worker").results()
    try:
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                with pytest.raises(NotAllowedError, match="another key"):
                    results.report(Report("w", 1, (), (), (), ()))
    finally:
        del served.results.answers["report"]
    (line, kept) = [record.getMessage() for record in caplog.records]
    assert line == kept
    assert line.startswith("worker (worker) at 127.0.0.1:")
    assert line.endswith("was refused: report")


def test_arguments_of_a_refused_call_are_not_looked_at(served: Served) -> None:
    async def call() -> Any:
        jobs = manage(served, "observer").async_jobs()
        try:
            await jobs.call(JobQueueApi.cancel, "x" * 1000)
        finally:
            jobs.close()

    with pytest.raises(NotAllowedError):
        asyncio.run(call())


def test_the_served_object_knows_who_calls(served: Served) -> None:
    seen: list[Holder] = []

    def look() -> Any:
        seen.append(caller())
        return make_example(read_methods(JobQueueApi)["info"][1])

    served.jobs.answers["info"] = look
    try:
        for role in DERIVED_ROLES:
            manage(served, role).jobs().info()
        served.dial_jobs().info()
    finally:
        del served.jobs.answers["info"]
    assert [(holder.name, holder.role) for holder in seen] == [
        *((role, role) for role in DERIVED_ROLES),
        ("admin", "admin"),
    ]
