"""What RQ's workers import before they fork, so that not every fork imports it anew."""

from __future__ import annotations

import os

from benchmarks import tasks as _tasks  # noqa: F401 - see above
from benchmarks.systems.redis_server import URL_VARIABLE

REDIS_URL = os.environ[URL_VARIABLE]
