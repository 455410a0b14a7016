"""Names as parts of paths: of jobs and of workers, with whatever people put into them.

``Route("/jobs/{job:named}", …)``: the ``/`` of a name, ``%2F`` in the path, is part of it.
"""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor

#: Stands for a ``/`` that is part of a name; no character at all otherwise.
SLASH = "\ufdd0"


class NameConvertor(Convertor[str]):
    """Takes one part of a path for a name."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        """The name."""
        return value.replace(SLASH, "/")

    def to_string(self, value: str) -> str:
        """The part of the path."""
        return value.replace("/", SLASH)


def register_names() -> None:
    """Make ``named`` known to routes."""
    register_url_convertor("named", NameConvertor())
