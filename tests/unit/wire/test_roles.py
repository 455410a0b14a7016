"""Every method says who may call it."""

from __future__ import annotations

from typing import Any

import pytest

from headrace_wire.api import APIS
from headrace_wire.roles import ADMINISTRATOR, ROLES, TASK, Holder, Role, allow, caller
from headrace_wire.signature import read_signatures

#: What each role may call, beside what it has in common with others.
MAY: dict[Role, set[str]] = {
    "worker": {
        "jobs.register", "jobs.lease", "jobs.heartbeat", "jobs.leave", "jobs.read", "jobs.info",
        "jobs.workers", "results.report",
    },
    "task": {
        "jobs.info", "shared.open", "shared.read", "shared.change", "shared.beat", "shared.leave",
        "shared.names",
    },
    "observer": {
        "jobs.status", "jobs.jobs", "jobs.match", "jobs.progress", "jobs.slowest", "jobs.workers",
        "jobs.count_jobs",
        "jobs.task_runs", "jobs.task_times", "results.failure_groups",
        "jobs.events", "jobs.overview", "jobs.timeline",
        "jobs.worker", "jobs.running",
        "jobs.info", "results.failures", "results.logs", "shared.names",
    },
}  # fmt: skip

METHODS = {
    f"{name}.{method}": signature
    for name, api in APIS.items()
    for method, signature in read_signatures(api).items()
}


def list_allowed(role: Role) -> set[str]:
    return {name for name in METHODS if Holder(role, role).may_call(METHODS[name].roles)}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_names_roles_that_there_are(name: str) -> None:
    assert METHODS[name].roles
    assert METHODS[name].roles <= {*ROLES, TASK} - {"admin"}


@pytest.mark.parametrize("role", MAY)
def test_workers_work_and_observers_look(role: Role) -> None:
    assert list_allowed(role) == MAY[role]


def test_clients_do_all_but_a_worker_s_work() -> None:
    own = {"jobs.register", "jobs.lease", "jobs.heartbeat", "jobs.leave", "results.report"}
    assert list_allowed("client") == METHODS.keys() - own


def test_admin_may_call_everything() -> None:
    assert list_allowed("admin") == METHODS.keys()


def test_a_method_that_names_no_role_is_for_admin_alone() -> None:
    class Api:
        def open(self) -> None: ...

        @allow("observer")
        def look(self) -> None: ...

    signatures: dict[str, Any] = read_signatures(Api)
    assert not Holder("client", "client").may_call(signatures["open"].roles)
    assert ADMINISTRATOR.may_call(signatures["open"].roles)
    assert Holder("somebody", "observer").may_call(signatures["look"].roles)


def test_whoever_calls_without_a_connection_is_the_administrator() -> None:
    assert caller() == ADMINISTRATOR
