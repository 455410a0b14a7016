"""What a program finds in ``headrace`` itself: names, exceptions, versions, and their help."""

from __future__ import annotations

import inspect
import pkgutil
import pydoc
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from typing import Any

import pytest

import headrace
import headrace.shared
import headrace_services
import headrace_wire
from headrace import HeadraceError

#: Exceptions that no program meets: one becomes a cancelled future, one is the command line's own.
INTERNAL = {"CallWithdrawnError", "CommandFailedError"}

CLASSES = [
    headrace.AsyncCluster,
    headrace.Cluster,
    headrace.Executor,
    headrace.Pool,
    headrace.SubmitOptions,
    *(getattr(headrace.shared, name) for name in headrace.shared.__all__ if name != "ABSENT"),
]


def import_all(package: Any) -> None:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith(("__main__", "joblib", "libvips", "pyvips")):
            import_module(module.name)


def list_subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    for one in kind.__subclasses__():
        yield one
        yield from list_subclasses(one)


def list_methods(kind: type[Any]) -> list[tuple[str, Callable[..., Any]]]:
    return [
        (name, member)
        for name, member in inspect.getmembers(kind, callable)
        if not name.startswith("_") and getattr(member, "__module__", "").startswith("headrace")
    ]


def test_every_exception_that_a_program_meets_is_there() -> None:
    for package in (headrace_wire, headrace_services, headrace):
        import_all(package)
    met = {
        kind.__name__: kind
        for kind in list_subclasses(HeadraceError)
        if headrace.RemoteError not in kind.__bases__  # such a class is made when it is met
        and kind.__module__.startswith(("headrace.", "headrace_wire.", "headrace_services."))
    }
    assert {name for name in met if name not in headrace.__all__} == INTERNAL
    for name, kind in met.items():
        if name not in INTERNAL:
            assert getattr(headrace, name) is kind


def test_all_that_is_promised_is_there_and_seen() -> None:
    for name in headrace.__all__:
        assert getattr(headrace, name) is not None
    assert set(headrace.__all__) <= set(dir(headrace))
    with pytest.raises(AttributeError, match="no attribute 'Poool'"):
        _ = headrace.Poool


def test_the_version_is_that_of_the_distribution() -> None:
    assert headrace.__version__ == version("headrace")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_help_shows_signatures_that_people_can_read(kind: type[Any]) -> None:
    shown: list[tuple[str, Callable[..., Any]]] = [(kind.__name__, kind), *list_methods(kind)]
    for name, thing in shown:
        signature = inspect.signature(thing)
        if not getattr(thing, "__isabstractmethod__", False):
            assert inspect.getdoc(thing), f"{name} says nothing"
        assert "Meta(" not in str(signature), name
        kinds = {parameter.kind for parameter in signature.parameters.values()}
        assert kinds != {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}, name
    assert "Meta(" not in pydoc.plain(pydoc.render_doc(kind))


def test_the_help_of_the_package_lists_its_classes() -> None:
    shown = pydoc.plain(pydoc.render_doc(headrace))
    for name in ("class Pool", "class Executor", "class UnreachableError", "current_cluster("):
        assert name in shown
    assert headrace.__version__ in shown
