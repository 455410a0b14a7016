"""What Dramatiq's workers import: the broker and the actors."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.systems.redis_server import URL_VARIABLE
from benchmarks.tasks import echo, noop, sieve

# JSON, the default, does not carry bytes.
dramatiq.set_encoder(dramatiq.PickleEncoder())
broker = RedisBroker(url=os.environ[URL_VARIABLE])
broker.add_middleware(
    Results(backend=RedisBackend(url=os.environ[URL_VARIABLE]), store_results=True)
)
dramatiq.set_broker(broker)

ACTORS = {function: dramatiq.actor(function, max_retries=0) for function in (noop, echo, sieve)}
