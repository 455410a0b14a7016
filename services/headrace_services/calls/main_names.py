"""Which names a program's main module has when it is loaded under another name.

A slot runs the program's file, but not the code under ``if __name__ == "__main__":``. Names that
are only bound there only exist in the program, and have to be sent by value.
"""

from __future__ import annotations

import ast
import dis
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from msgspec import Struct

#: Names that every module has.
_EVERY_MODULE = frozenset({"__name__", "__file__", "__doc__", "__package__", "__spec__"})


class MainNames(Struct, frozen=True):
    """What is known about a main module's names.

    ``own`` are bound wherever the file is run, ``guarded`` only where it is the main program.
    ``open`` means that the file binds names which cannot be read from it (``import *``).
    """

    own: frozenset[str] = frozenset()
    guarded: frozenset[str] = frozenset()
    open: bool = True

    def has(self, name: str) -> bool:
        """Return whether a slot finds this name in its main module."""
        return name in self.own or (self.open and name not in self.guarded)

    def hides_definitions(self) -> bool:
        """Return whether a function or class with a name of this program does not exist in a
        slot.
        """
        if not self.guarded:
            return False
        space = sys.modules["__main__"].__dict__
        for name in self.guarded:
            thing = space.get(name)
            if isinstance(thing, type | FunctionType) and thing.__module__ == "__main__":
                return True
        return False


#: Used if the file cannot be read: a slot is assumed to have every name.
ALL_NAMES = MainNames()


def read_main_names(main: ModuleType) -> MainNames:
    """Read from the file of a main module which names it binds."""
    path = getattr(main, "__file__", None)
    if not isinstance(path, str):
        return ALL_NAMES
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as given
            tree = ast.parse(file.read(), path)
        guards = _GuardRemover()
        guards.visit(tree)
        names = set(_list_stored(_compile(tree, path)))
        guarded = set(_list_stored(_compile(ast.Module(guards.removed, []), path))) - names
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ALL_NAMES
    has_star = "*" in names
    return MainNames(frozenset(names | _EVERY_MODULE), frozenset(guarded), has_star)


class _GuardRemover(ast.NodeTransformer):
    """Removes what only runs in the main program."""

    def __init__(self) -> None:
        self.removed: list[ast.stmt] = []

    def visit_If(self, node: ast.If) -> Any:
        runs_as_main = _decide(node.test)
        if runs_as_main is None:
            return self.generic_visit(node)
        kept = node.orelse if runs_as_main else node.body
        self.removed += node.body if runs_as_main else node.orelse
        return [self.visit(one) for one in kept] or ast.copy_location(ast.Pass(), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        return node

    visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = visit_FunctionDef  # type: ignore[assignment]  # noqa: N815 - as above


def _decide(test: ast.expr) -> bool | None:
    """Return True for a condition that only holds in the main program, False for the opposite."""
    match test:
        case ast.BoolOp(ast.And(), values):
            return True if any(_decide(one) is True for one in values) else None
        case ast.UnaryOp(ast.Not(), operand):
            decided = _decide(operand)
            return None if decided is None else not decided
        case ast.Compare(
            ast.Name("__name__"), [operator], [ast.Constant("__main__")]
        ) | ast.Compare(ast.Constant("__main__"), [operator], [ast.Name("__name__")]):
            if isinstance(operator, ast.Eq):
                return True
            return False if isinstance(operator, ast.NotEq) else None
        case _:
            return None


def _compile(tree: ast.Module, path: str) -> CodeType:
    return compile(tree, path, "exec", dont_inherit=True)


def _list_stored(code: CodeType) -> Iterator[str]:
    deleted: set[str] = set()
    stored: set[str] = set()
    for step in dis.get_instructions(code):
        if step.opname in ("STORE_NAME", "STORE_GLOBAL"):
            stored.add(step.argval)
        elif step.opname in ("DELETE_NAME", "DELETE_GLOBAL"):
            deleted.add(step.argval)
        elif step.opname == "IMPORT_STAR" or step.argrepr == "INTRINSIC_IMPORT_STAR":
            stored.add("*")
    yield from stored - deleted
