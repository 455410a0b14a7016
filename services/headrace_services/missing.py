"""What to do about a package that a worker lacks."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from headrace_wire.version import VERSION

#: The ways to install a package for a worker.
ADVICE = (
    "this worker lacks the package {}: `pip install --target` it into a folder of --path "
    "(HEADRACE_CODE in compose.yaml), or into the worker's Python (in Docker, an image FROM "
    f"headrace:{VERSION})"
)


def advise_on_missing(error: BaseException) -> str:
    """Return one line on how to install the missing package; "" for any other error."""
    if type(error) is not ModuleNotFoundError or not isinstance(error.name, str):
        return ""
    package = error.name.partition(".")[0]
    return "" if _is_there(package) else ADVICE.format(repr(package))


def _is_there(package: str) -> bool:
    try:
        return package in sys.modules or find_spec(package) is not None
    except (ImportError, ValueError):
        return False
