"""What a worker lets strangers' jobs run: nothing but what its operator named.

headrace worker --allow, --path, --shared-root, … ─► Permits ─► each slot ─► service.permit
"""

from __future__ import annotations

import re
from typing import Protocol, runtime_checkable

from msgspec import Struct

from headrace_wire.errors import HeadraceError, UsageError

#: Allows whatever can be imported; for the embedded worker, which runs its own user's program.
EVERYTHING = "*"

#: The root for an embedded worker, which reads and writes as its own user's program does.
EVERYWHERE = "/"

#: Pictures of more pixels, all their frames together, are decoded for nobody.
DEFAULT_MAX_PIXELS = 10**9

#: ``package``, ``package.module`` or ``module:name``; names may be nested, as ``Class.method``.
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*(\.[^\W\d]\w*)*)?")


class RefusedError(HeadraceError, ValueError):
    """The worker does not allow this."""

    code = "refused"


class Permits(Struct, frozen=True):
    """What jobs may use here; by default nothing.

    A name in ``allow`` is a module, which allows all in it and in modules below it, or
    ``module:name``, which allows just that. ``pickle`` tells whether pickled functions and values
    may be opened, ``ship`` whether code may come with a job; either allows everything. Modules are
    also looked for in the folders ``paths``, before all others. Files are read and written for
    jobs beneath the folders ``roots``; no job's own limit lifts ``max_pixels``.

    Raises UsageError for a name that cannot be one.
    """

    allow: tuple[str, ...] = ()
    pickle: bool = False
    paths: tuple[str, ...] = ()
    ship: bool = False
    roots: tuple[str, ...] = ()
    max_pixels: int = DEFAULT_MAX_PIXELS

    def __post_init__(self) -> None:
        for name in self.allow:
            if name != EVERYTHING and not _NAME.fullmatch(name):
                raise UsageError(
                    f"{name!r} cannot be allowed: write 'package', 'package.module' or "
                    "'package.module:function'"
                )

    @property
    def allows_anything(self) -> bool:
        """Whether anything is allowed at all."""
        return bool(self.allow or self.pickle or self.ship)

    def allows_module(self, module: str) -> bool:
        """Whether all in a module is allowed."""
        return any(
            name in (EVERYTHING, module) or module.startswith(f"{name}.") for name in self.allow
        )

    def names(self, module: str, qualname: str) -> bool:
        """Whether just this one name of a module was allowed by itself."""
        return f"{module}:{qualname}" in self.allow

    def describe(self) -> str:
        """Say in a few words what is allowed."""
        words = [*self.allow, *(["pickled functions"] if self.pickle else [])]
        words += ["shipped code"] if self.ship else []
        return "allows " + (", ".join(words) or "nothing")


@runtime_checkable
class PermittedService(Protocol):
    """A service that asks what is allowed: it is told before anything else is asked of it."""

    def permit(self, permits: Permits) -> None:
        """Take note of what is allowed on this machine."""
        ...
