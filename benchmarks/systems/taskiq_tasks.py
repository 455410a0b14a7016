"""What Taskiq's workers import: the broker and the tasks."""

from __future__ import annotations

import os

from taskiq.serializers import PickleSerializer
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

from benchmarks.systems.redis_server import URL_VARIABLE
from benchmarks.tasks import echo, noop, sieve

broker = ListQueueBroker(os.environ[URL_VARIABLE]).with_result_backend(
    RedisAsyncResultBackend(os.environ[URL_VARIABLE], keep_results=False)
)
broker.with_serializer(PickleSerializer())

TASKS = {
    function: broker.register_task(function, task_name=function.__name__)
    for function in (noop, echo, sieve)
}
