"""Pools and jobs whose initargs, partials and closures are large, here or on a cluster."""

from __future__ import annotations

import asyncio
import functools
import sys
import time
from typing import Any

import deeds_large
import pytest

from headrace import AsyncCluster, Cluster, Executor, Pool
from headrace_services.calls import CallOptions, plan_map
from headrace_wire.errors import UsageError
from headrace_wire.messages.jobs import JobStatus


async def submit_awaited(address: str, table: bytes) -> list[Any]:
    """The values of a job whose function and initializer bring much with them."""
    options = CallOptions(initializer=deeds_large.init, initargs=(table,))
    plan = plan_map(functools.partial(deeds_large.look, table), range(300), options)
    async with AsyncCluster(address) as cluster:
        job = await cluster.submit("calls", plan)
        values = [value async for value in job.results()]
        await job.delete()
        return values


def submit(address: str, table: bytes) -> None:
    """Submit a job with large data, and have it all forgotten."""
    options = CallOptions(initializer=deeds_large.init, initargs=(table,))
    with Cluster(address) as cluster:
        job = cluster.submit("calls", plan_map(deeds_large.use, range(300), options))
        assert list(job.results()) == [n % 256 for n in range(300)]
        # Those of a pool that was closed just before may still be there.
        name = f"initargs of job {job.id}"
        assert [status.name for status in cluster.jobs(data=True)].count(name) == 1
        job.delete()
        assert name not in [status.name for status in cluster.jobs(data=True)]


def list_data(cluster: Cluster) -> list[JobStatus]:
    """The jobs that keep data. None has large parameters."""
    statuses = cluster.jobs(data=True)
    assert all(len(status.parameters) < 100_000 for status in statuses)
    return [status for status in statuses if status.service == "data"]


if __name__ == "__main__":
    place = sys.argv[1] if len(sys.argv) > 1 else 2
    serializers: list[Any] = ["msgpack", "cloudpickle"] if len(sys.argv) > 1 else [None]
    table = bytes(range(256)) * 4_000
    look = functools.partial(deeds_large.look, table)
    for serializer in serializers:
        with Pool(place, deeds_large.init, (table,), serializer=serializer) as pool:
            for _ in range(3):
                assert pool.map(deeds_large.use, range(300)) == [n % 256 for n in range(300)]
            assert pool.map(look, range(300)) == [n % 256 for n in range(300)]
            assert pool.starmap(look, [(3,), (4,)]) == [3, 4]
            assert list(pool.imap(look, range(5))) == list(range(5))
            assert pool.apply(look, (5,)) == 5
            if serializer != "msgpack":
                assert pool.map(lambda index: table[index], range(3)) == [0, 1, 2]
            # What was one map's alone goes with it, a moment later; the pool's is there once.
            deadline = time.monotonic() + 30
            while len(kept := list_data(pool.cluster)) > 2:
                assert time.monotonic() < deadline, kept
                time.sleep(0.02)
        with Executor(place, deeds_large.init, (table,), serializer=serializer) as executor:
            assert list(executor.map(deeds_large.use, range(5))) == list(range(5))
    with (
        Pool(place, deeds_large.init, (bytes(257 << 20),)) as pool,
        pytest.raises(UsageError, match="initargs is too large to travel"),
    ):
        pool.map(deeds_large.use, range(3))
    if isinstance(place, str):
        assert asyncio.run(submit_awaited(place, table)) == [n % 256 for n in range(300)]
        submit(place, table)
    print("done")
