"""What a program called wrongly is told by the name that it knows."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Struct

from headrace import AsyncCluster, Cluster
from headrace.job_base import JobBase
from support.api_page import list_public

#: Every public class, with a method that it has, also from another class of ours.
METHODS = [
    pytest.param(kind, name, id=f"{kind.__name__}.{name}")
    for kind in list_public()
    if inspect.isclass(kind) and not issubclass(kind, Struct)
    for name, member in inspect.getmembers(kind, inspect.isfunction)
    if (not name.startswith("_") or name == "__init__") and member.__module__.startswith("headrace")
]  # fmt: skip

#: Ways to call a method that none has.
WRONG: list[tuple[tuple[Any, ...], dict[str, Any]]] = [((), {"zzz": 1}), ((1,) * 20, {}), ((), {})]


def list_errors(kind: type, name: str) -> Iterator[TypeError]:
    """What each wrong call raises."""
    method = getattr(object.__new__(kind), name)
    signature = inspect.signature(method)
    for arguments, named in WRONG:
        try:
            signature.bind(*arguments, **named)
        except TypeError:
            with pytest.raises(TypeError) as caught:
                method(*arguments, **named)
            yield caught.value


@pytest.mark.parametrize(("kind", "name"), METHODS)
def test_a_method_that_is_called_wrongly_is_told_by_its_own_name(kind: type, name: str) -> None:
    for error in list_errors(kind, name):
        assert str(error).startswith(f"{kind.__name__}.{name}() ")


def test_a_copy_is_otherwise_the_same() -> None:
    mine, original = AsyncCluster.map, AsyncCluster.__mro__[1].map  # type: ignore[attr-defined]
    assert mine is not original
    assert inspect.signature(mine) == inspect.signature(original)
    assert (mine.__doc__, mine.__module__) == (original.__doc__, original.__module__)
    assert inspect.iscoroutinefunction(mine)
    assert mine.__qualname__ == "AsyncCluster.map"


def test_what_a_class_overrides_stays_its_own() -> None:
    for name, member in vars(Cluster).items():
        if inspect.isfunction(member):
            assert member.__qualname__.rpartition(".")[2] == member.__name__
            assert getattr(Cluster, name) is member
    assert JobBase.gather.__qualname__ == "JobBase.gather"
