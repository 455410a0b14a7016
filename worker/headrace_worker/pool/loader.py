"""Finding the function that finds services, by its dotted name."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace_services.permits import Permits
    from headrace_services.service import Service

#: Finds services by entry point.
DEFAULT_LOADER = "headrace_services.registry:load_service"


#: What most calls need, small enough to be in every slot: slots share it.
CALL_MODULES = (
    "headrace_services.calls.rebuilding",
    "headrace_services.calls.service",
    "headrace_services.calls.transport",
)


def list_light_modules(permits: Permits) -> tuple[str, ...]:
    """List what is worth to be imported before slots are forked, for jobs as they are allowed."""
    return CALL_MODULES if permits.allows_anything else ()


def resolve_loader(dotted: str) -> Callable[[str], Service]:
    """Import what ``module:function`` names: it gives the service of a name.

    Raises ValueError for another form, ImportError or AttributeError where it is not there.
    """
    module, colon, function = dotted.partition(":")
    if not (module and colon and function):
        raise ValueError(f"the service loader is {dotted!r}: write 'module:function'")
    loader: Callable[[str], Service] = getattr(importlib.import_module(module), function)
    return loader
