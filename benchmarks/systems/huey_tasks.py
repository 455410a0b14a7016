"""What Huey's consumer imports: the queue and the tasks."""

from __future__ import annotations

import os

from huey import RedisHuey

from benchmarks.systems.redis_server import URL_VARIABLE
from benchmarks.tasks import echo, noop, sieve

# With notification a client waits for a result without polling.
huey = RedisHuey("benchmarks", url=os.environ[URL_VARIABLE], notify_result=True)

TASKS = {function: huey.task()(function) for function in (noop, echo, sieve)}
