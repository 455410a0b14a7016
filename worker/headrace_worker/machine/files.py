"""How many files a worker has open, which the system limits for each process."""

from __future__ import annotations

from headrace_wire.open_files import require_files, require_files_of_child
from headrace_wire.words import count

#: How many files a worker has open apart from its slots, including standard streams, some
#: connections, and what is opened for a moment; and how many more for each slot.
OWN_FILES = 22
FILES_PER_SLOT = 5


def require_files_for(slots: int, *, is_child: bool = False) -> None:
    """Raise UsageError if a worker with this many slots may open too few files.

    The worker is this process, whose limit is raised if necessary, or a child of it.
    """
    require = require_files_of_child if is_child else require_files
    require(OWN_FILES + slots * FILES_PER_SLOT, f"a worker with {count(slots, 'slot')}")
