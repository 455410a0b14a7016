"""What templates can do with a value: ``{{ value | name }}``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Filters by their names in templates.
FILTERS: dict[str, Callable[..., Any]] = {}
