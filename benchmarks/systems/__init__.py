"""The systems that are measured, each in a module of its own with a ``make`` function.

A module is imported only in the process that measures it, in an environment that has its package.
"""

from __future__ import annotations

import importlib

from benchmarks.systems.system import System

#: What this repository's own environment can measure.
OWN = ("headrace", "multiprocessing.Pool", "ProcessPoolExecutor")

#: What needs the peers' environment; all but the last two also a Redis server.
PEERS = ("Celery", "RQ", "RQ simple", "Dramatiq", "Huey", "Taskiq", "Dask", "Ray")

_MODULES = {
    "headrace": "headrace_cluster",
    "multiprocessing.Pool": "local_pools",
    "ProcessPoolExecutor": "local_pools",
    "RQ": "rq_workers",
    "RQ simple": "rq_workers",
    "Celery": "celery_workers",
    "Dramatiq": "dramatiq_workers",
    "Huey": "huey_workers",
    "Taskiq": "taskiq_workers",
    "Dask": "dask_cluster",
    "Ray": "ray_cluster",
}


def make_system(name: str) -> System:
    """A system by its name, not started. Raises KeyError, and ImportError without its package."""
    module = importlib.import_module(f"benchmarks.systems.{_MODULES[name]}")
    system: System = module.make(name)
    return system
