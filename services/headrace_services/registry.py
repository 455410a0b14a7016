"""Which services there are: entry points in the group ``headrace.services``, by name."""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from operator import attrgetter
from typing import cast

from headrace_services.permits import Permits, PermittedService, RefusedError
from headrace_services.service import Service
from headrace_wire.bounds import Identifier, check_value, fit_name
from headrace_wire.distributions import list_entry_points
from headrace_wire.errors import UsageError

log = logging.getLogger(__name__)

#: The entry-point group in which distributions announce services.
GROUP = "headrace.services"


def list_services() -> list[str]:
    """The names of the services that are installed."""
    return sorted(list_entry_points(GROUP))


@cache
def load_service(name: str) -> Service:
    """The service of this name. Raises UsageError when none is installed."""
    entries = list_entry_points(GROUP)
    if name not in entries:
        known = ", ".join(sorted(entries)) or "none"
        raise UsageError(f"there is no service {name!r} installed here (there are: {known})")
    module, _, attribute = entries[name].partition(":")
    return cast("Service", attrgetter(attribute.strip())(import_module(module.strip())))


def find_engines(permits: Permits | None = None) -> dict[str, str]:
    """What each service that works on this machine does its work with, by service name.

    A service that cannot work here is left out, with a line in the log that says why; so is one
    that needs a permit and has none, which is nothing to be told of.
    """
    engines: dict[str, str] = {}
    for name in list_services():
        try:
            check_value(Identifier, name, "a service's name")
            service = load_service(name)
            if isinstance(service, PermittedService):
                service.permit(permits or Permits())
            engines[name] = fit_name(service.engine())
        except RefusedError as error:
            log.debug("service %s is not offered: %s", name, error)
        except Exception as error:  # noqa: BLE001 - a third party's service may fail in any way
            log.warning("service %s cannot work here: %s", name, error)
    return engines
