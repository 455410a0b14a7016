"""The order of the tests, and signals."""

from __future__ import annotations

import gc
import inspect
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from headrace_wire import acquaintances, encryption
from headrace_wire.system.signals import STOP_SIGNALS
from support.not_portable import skip_not_portable

# How fast examples are made and tried says something about the machine, not about what is tested.
settings.register_profile("headrace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("headrace")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes longest first, so that it does not run alone at the end.

    Everything else stays in the random order that it was given. The compose tests are the
    exception: they share one engine and one project, so one process runs them, in the order of
    their modules' names and as they are written.
    """
    items.sort(key=_find_turn)
    skip_not_portable(items)


def _find_turn(item: pytest.Item) -> tuple[int, str, int]:
    if item.get_closest_marker("compose") and isinstance(item, pytest.Function):
        return 0, item.path.name, inspect.unwrap(item.function).__code__.co_firstlineno
    return 1 if item.get_closest_marker("slow") else 2, "", 0


def pytest_configure() -> None:
    """Have what the tests start heed Ctrl-C and hangups: children of those who ignore them do too.

    A shell's background job ignores the one, and what ``nohup`` starts the other.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)  # exec resets a handler


@pytest.fixture(autouse=True)
def _nothing_lasts() -> Iterator[None]:
    """See that signals mean after a test what they meant before, and forget which coordinators were
    at which addresses.

    The system gives a port to one test's coordinator that another one's has had.
    """
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    encryption._spoken.clear()
    acquaintances._known.clear()
    yield
    after = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert after == before


def pytest_collection_finish() -> None:
    """Leave what all tests have in common out of garbage collection: it is large, and stays."""
    gc.collect()
    gc.freeze()
