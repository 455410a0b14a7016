"""Finds the function that finds services, by its dotted name."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterable
from importlib.util import find_spec

from headrace_services.permits import Permits
from headrace_services.service import Service

#: The function that finds services by their entry points.
DEFAULT_LOADER = "headrace_services.registry:load_service"


#: Modules that most calls need, small enough to be in every slot; slots share them. Every module
#: that a slot imports for a call has to be listed, even from the standard library: where a slot
#: searches a user's folders first, it might later find another module of that name.
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
    """Return the modules that should be imported before slots are forked, given these permits."""
    if not permits.allows_anything:
        return ()
    pickles = permits.pickle and find_spec("cloudpickle") is not None
    return (
        *CALL_MODULES,
        *(["cloudpickle"] if pickles else []),
        *(["headrace_services.calls.shipment"] if permits.ship else []),
    )


def import_beforehand(names: Iterable[str]) -> None:
    """Import the modules that slots are to share. A slot reports to its pool those that are
    missing.
    """
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def resolve_loader(dotted: str) -> Callable[[str], Service]:
    """Import the function named ``module:function``, which returns a service by name.

    Raises ValueError for any other form, and ImportError or AttributeError if it does not exist.
    """
    module, colon, function = dotted.partition(":")
    if not (module and colon and function):
        raise ValueError(f"the service loader is {dotted!r}: write 'module:function'")
    loader: Callable[[str], Service] = getattr(importlib.import_module(module), function)
    return loader
