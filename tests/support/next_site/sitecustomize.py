"""Makes a process one of the next minor version, which says more than this one.

On PYTHONPATH it is imported before anything else. Each message has one more field at its end, and
the version is the next one; all else is as it is.
"""

from __future__ import annotations

import ast
import re
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The field that each message has in the next version.
ADDED = 'added_later: str = "something that is not known yet"'

#: The modules with messages.
MODULES = {f"headrace_wire.{name}" for name in ("messages", "views", "job_views", "shared")}

#: Messages from which others inherit: what is added to these would not be at the others' end.
BASES = {"Message", "LeasedSpan", "WorkerInfo", "Span"}


class NextVersion(SourceFileLoader):
    """Loads a module as it could be in the next version."""

    def get_code(self, fullname: str) -> CodeType:
        text = Path(self.path).read_text()
        if fullname == "headrace_wire.version":
            text = re.sub(r'VERSION = "(\d+)\.(\d+)', _raise_minor, text)
            return compile(text, self.path, "exec")
        tree = ast.parse(text)
        for one in tree.body:
            if isinstance(one, ast.ClassDef) and one.name not in BASES and _is_message(one):
                place = next(
                    (at for at, part in enumerate(one.body) if isinstance(part, ast.FunctionDef)),
                    len(one.body),
                )
                one.body[place:place] = ast.parse(ADDED).body
        return compile(ast.fix_missing_locations(tree), self.path, "exec")


class Finder:
    """Has the modules that differ loaded so."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in MODULES and name != "headrace_wire.version":
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec and spec.origin:
            spec.loader = NextVersion(name, spec.origin)
        return spec


def _raise_minor(found: re.Match[str]) -> str:
    return f'VERSION = "{found[1]}.{int(found[2]) + 1}'


def _is_message(one: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id in BASES for base in one.bases)


sys.meta_path.insert(0, Finder)
