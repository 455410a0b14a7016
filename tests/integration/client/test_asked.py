"""What a program asks of a cluster: what makes no sense is told with the name of the argument."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headrace import Cluster
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address
from headrace_wire.errors import BoundsError
from headrace_wire.key import load_key
from support.coordinators import run_coordinator
from support.queue_builders import make_spec


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("asked")
    settings = CoordinatorSettings(
        bind=Address("127.0.0.1", 0), http=None, data=folder, key_file=folder / "key"
    )
    with (
        run_coordinator(settings) as coordinator,
        Cluster(coordinator.bound, load_key(folder / "key")) as cluster,
    ):
        cluster.engine.jobs.submit(make_spec("job", tasks=1))
        yield cluster


@pytest.mark.parametrize(
    ("ask", "kind", "told"),
    [
        (lambda c: c.jobs(text=5), TypeError, "text must be text, not 5"),
        (lambda c: c.jobs(text="x" * 201), BoundsError, "text must be up to 200 printable"),
        (lambda c: c.jobs(states="failed"), TypeError, "states is a list of states, not the str"),
        (lambda c: c.jobs(states=["lost"]), BoundsError, "states must be one of queued, running"),
        (lambda c: c.jobs(limit=-1), BoundsError, "limit must be a number from 0 to"),
        (lambda c: c.jobs(limit="all"), TypeError, "limit must be a whole number, not 'all'"),
        (lambda c: c.jobs(since=math.nan), BoundsError, "since must be a number from 0 to"),
        (lambda c: c.jobs(service="a b"), BoundsError, "service must be up to 64 letters"),
        (lambda c: c.jobs(past=1), TypeError, "past must be True or False, not 1"),
        (lambda c: list(c.events(last=-1)), BoundsError, "last must be a number from 0 to"),
        (lambda c: list(c.events(job=7)), TypeError, "job must be text, not 7"),
        (lambda c: c.worker(5), TypeError, "worker must be text, not 5"),
        (lambda c: c.drain(""), BoundsError, "worker must be 1 to 64 printable characters"),
        (lambda c: c.job("job").replay(["0"]), TypeError, "a task's index must be a whole number"),
        (lambda c: c.job("job").task_runs(-1), BoundsError, "start must be a number from 0 to"),
    ],
)
def test_it_is_refused_as_an_argument_is(
    cluster: Cluster, ask: Callable[[Any], object], kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind) as refusal:
        ask(cluster)
    assert str(refusal.value).startswith(told)


def test_nothing_is_found_where_nothing_is_asked_for(cluster: Cluster) -> None:
    assert [job.id for job in cluster.jobs()] == ["job"]
    assert cluster.jobs(states=[]) == cluster.jobs(limit=0) == ()
