"""The services that exist: entry points in the group ``headrace.services``, by name."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

from headrace_services.permits import Permits, PermittedService, RefusedError
from headrace_services.service import Service
from headrace_wire.bounds import Identifier, check_value, fit_name
from headrace_wire.errors import UsageError
from headrace_wire.messages.workers import PICKLED_CALLS

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

log = logging.getLogger(__name__)

#: The entry-point group in which distributions announce services.
GROUP = "headrace.services"

#: The service whose functions may be pickled.
CALLS = "calls"


def list_services() -> list[str]:
    """Return the names of the services that are installed."""
    return sorted(_find_entries().names)


@cache
def load_service(name: str) -> Service:
    """Return the service of this name. Raises UsageError if it is not installed."""
    if name not in _find_entries().names:
        _find_entries.cache_clear()  # it may have been installed since
    try:
        entry = _find_entries()[name]
    except KeyError:
        known = ", ".join(list_services()) or "none"
        raise UsageError(
            f"there is no service {name!r} installed here (there are: {known})"
        ) from None
    service: Service = entry.load()
    return service


@cache
def _find_entries() -> EntryPoints:
    from importlib import metadata  # noqa: PLC0415 - loads modules for mail and archives

    # Finding them takes some milliseconds, and slots, which are forked, use what the worker found.
    return metadata.entry_points(group=GROUP)


def find_engines(permits: Permits | None = None) -> dict[str, str]:
    """Return what each service that works on this machine uses for its work, by service name.

    A service that cannot work here is left out, and a line in the log says why. A service that
    needs a permit and has none is left out, too, but this is not logged.
    """
    engines: dict[str, str] = {}
    for name in list_services():
        try:
            check_value(Identifier, name, "a service's name")
            service = load_service(name)
            if isinstance(service, PermittedService):
                service.permit(permits or Permits())
            engines[name] = fit_name(service.engine())
            if name == CALLS and permits and permits.pickle:
                engines[PICKLED_CALLS] = "cloudpickle"
        except RefusedError as error:
            log.debug("service %s is not offered: %s", name, error)
        except Exception as error:  # noqa: BLE001 - third parties' services may raise anything
            log.warning("service %s cannot work here: %s", name, error)
    return engines
