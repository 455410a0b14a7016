"""Names of jobs and workers as parts of paths, whatever characters they contain.

``Route("/jobs/{job:named}", …)``: a ``/`` in a name, ``%2F`` in the path, is part of the name.
"""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor

#: Stands for a ``/`` that is part of a name; it is not a valid character otherwise.
SLASH = "\ufdd0"


class NameConvertor(Convertor[str]):
    """Converts one part of a path to a name."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        """Return the name."""
        return value.replace(SLASH, "/")

    def to_string(self, value: str) -> str:
        """Return the part of the path."""
        return value.replace("/", SLASH)


def register_names() -> None:
    """Register ``named`` for routes."""
    register_url_convertor("named", NameConvertor())
