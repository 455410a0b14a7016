"""What Celery's workers import: the tasks and the settings."""

from __future__ import annotations

import os

from celery import Celery

from benchmarks.systems.redis_server import URL_VARIABLE
from benchmarks.tasks import echo, noop, sieve

app = Celery("benchmarks", broker=os.environ[URL_VARIABLE], backend=os.environ[URL_VARIABLE])
app.conf.update(
    # JSON, the default, would carry bytes as text.
    task_serializer="pickle",
    result_serializer="pickle",
    accept_content=["pickle", "json"],
    # As its guide to optimizing says for many short tasks.
    worker_prefetch_multiplier=64,
    worker_enable_remote_control=False,
)

TASKS = {function: app.task(function, name=function.__name__) for function in (noop, echo, sieve)}
