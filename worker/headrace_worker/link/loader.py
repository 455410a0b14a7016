"""Finding the function that finds services, by its dotted name."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterable
from importlib.util import find_spec

from headrace_services.permits import Permits
from headrace_services.service import Service

#: Finds services by entry point.
DEFAULT_LOADER = "headrace_services.registry:load_service"


#: What most calls need, small enough to be in every slot: slots share it. Each module that a slot
#: imports for a call is among it, be it one of Python's own: where a slot looks for a user's
#: modules first, it might find another one of that name later.
CALL_MODULES = (
    "ast",
    "dataclasses",
    "dis",
    "linecache",
    "multiprocessing.spawn",
    "pkgutil",
    "reprlib",
    "tokenize",
    "traceback",
    "zoneinfo",
    "headrace_services.calls.errors",
    "headrace_services.calls.main_module",
    "headrace_services.calls.main_names",
    "headrace_services.calls.pickling",
    "headrace_services.calls.rebuilding",
    "headrace_services.calls.running",
    "headrace_services.calls.service",
    "headrace_services.calls.show",
    "headrace_services.calls.transport",
)


def list_light_modules(permits: Permits) -> tuple[str, ...]:
    """List what is worth to be imported before slots are forked, for jobs as they are allowed."""
    if not permits.allows_anything:
        return ()
    pickles = permits.pickle and find_spec("cloudpickle") is not None
    return (
        *CALL_MODULES,
        *(["cloudpickle"] if pickles else []),
        *(["headrace_services.calls.shipment"] if permits.ship else []),
    )


def import_beforehand(names: Iterable[str]) -> None:
    """Import what slots are to share; a slot tells its pool what is missing."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def resolve_loader(dotted: str) -> Callable[[str], Service]:
    """Import what ``module:function`` names; it returns the service of a name.

    Raises ValueError for another form, ImportError or AttributeError where it is not there.
    """
    module, colon, function = dotted.partition(":")
    if not (module and colon and function):
        raise ValueError(f"the service loader is {dotted!r}: write 'module:function'")
    loader: Callable[[str], Service] = getattr(importlib.import_module(module), function)
    return loader
