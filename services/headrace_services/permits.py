"""What a worker lets the jobs of strangers run: only what its operator has named.

headrace worker --allow, --path, --shared-root, … ─► Permits ─► each slot ─► service.permit
"""

from __future__ import annotations

import re
from typing import Protocol, runtime_checkable

from msgspec import Struct

from headrace_wire.errors import HeadraceError, UsageError

#: Allows everything that can be imported, for the embedded worker, which runs its own user's
#: program.
EVERYTHING = "*"

#: The root for an embedded worker, which reads and writes like its own user's program.
EVERYWHERE = "/"

#: Pictures with more pixels than this, in all frames together, are never decoded.
DEFAULT_MAX_PIXELS = 10**9

#: ``package``, ``package.module`` or ``module:name``. Names may be nested, as in ``Class.method``.
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*(\.[^\W\d]\w*)*)?")


class RefusedError(HeadraceError, ValueError):
    """The worker does not allow this."""

    code = "refused"


class Permits(Struct, frozen=True):
    """What jobs may use here; by default nothing.

    A name in ``allow`` is either a module, which allows everything in it and in the modules below
    it, or ``module:name``, which only allows that name. ``pickle`` says whether pickled functions
    and values may be opened, and ``ship`` whether jobs may bring their own code; either one allows
    everything. Modules are also looked for in the folders ``paths``, before all others. Jobs may
    read and write files beneath the folders ``roots``. A job's own limit cannot exceed
    ``max_pixels``.

    Raises UsageError for a name that is not valid.
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
        """Return whether everything in a module is allowed."""
        return any(
            name in (EVERYTHING, module) or module.startswith(f"{name}.") for name in self.allow
        )

    def names(self, module: str, qualname: str) -> bool:
        """Return whether this single name of a module is allowed."""
        return f"{module}:{qualname}" in self.allow

    def describe(self) -> str:
        """Return a few words that say what is allowed."""
        words = [*self.allow, *(["pickled functions"] if self.pickle else [])]
        words += ["shipped code"] if self.ship else []
        return "allows " + (", ".join(words) or "nothing")


@runtime_checkable
class PermittedService(Protocol):
    """A service that needs to know what is allowed. Its ``permit`` is called first."""

    def permit(self, permits: Permits) -> None:
        """Note what is allowed on this machine."""
        ...
