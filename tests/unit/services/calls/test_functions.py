from __future__ import annotations

import functools
import json
import math
import os
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace_services.calls.functions import check_name, name_function, resolve, resolve_function
from headrace_services.permits import Permits, RefusedError
from headrace_wire.errors import UsageError
from support import calls_shop
from support.calls_shop import Shelf, add, double, make_closure, make_inner

SHOP = Permits(("support.calls_shop",))


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (double, "support.calls_shop:double"),
        (Shelf.count, "support.calls_shop:Shelf.count"),
        (Shelf.label, "support.calls_shop:Shelf.label"),
        (Shelf, "support.calls_shop:Shelf"),
        (json.dumps, "json:dumps"),
        (math.sqrt, "math:sqrt"),
        (np.linalg.norm, "numpy.linalg:norm"),
        (Decimal, "decimal:Decimal"),
        (len, "builtins:len"),
    ],
)
def test_a_function_of_a_module_is_named_and_found_again(
    function: Callable[..., Any], name: str
) -> None:
    assert name_function(function) == name
    assert resolve_function(name, Permits((name.partition(":")[0],))) == function
    assert resolve_function(name, Permits((name,))) == function


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda: 1, "a lambda"),
        (make_closure(), "a lambda"),
        (make_inner(), "defined inside a function"),
        (functools.partial(double, 1), "a functools.partial"),
        (Shelf().method, "a method of an object"),
        ([].append, "a method of an object"),
        (Shelf(), "not callable"),
        (np.vectorize(double), "an object that can be called"),
        (5, "not callable"),
    ],
)
def test_a_function_that_has_no_name_is_refused_at_once(function: Any, why: str) -> None:
    with pytest.raises(UsageError, match=f"cannot travel by name: it is {why}"):
        name_function(function)


def test_a_function_of_the_program_itself_is_refused_with_where_to_put_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(double, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    with pytest.raises(
        UsageError, match=r"^double cannot travel by name: .*move it to a module of"
    ):
        name_function(double)


def test_a_function_that_hides_behind_another_ones_name_is_refused() -> None:
    @functools.wraps(double)
    def other(value: int) -> int:
        return value

    with pytest.raises(UsageError, match=r"support.calls_shop:double is not this function"):
        name_function(other)


def test_names_that_people_write_are_checked() -> None:
    assert check_name("shop.stock:Shelf.count") == "shop.stock:Shelf.count"
    for name in (
        "shop",
        "shop:",
        ":f",
        "shop:f()",
        "shop stock:f",
        "shop::f",
        "shop:f:g",
        "a..b:c",
    ):
        with pytest.raises(UsageError, match="write 'module:function'"):
            check_name(name)
    with pytest.raises(UsageError, match="__main__"):
        check_name("__main__:f")


@pytest.mark.parametrize(
    ("allow", "name"),
    [
        ("support", "support.calls_shop:add"),
        ("support.calls_shop", "support.calls_shop:add"),
        ("support.calls_shop:add", "support.calls_shop:add"),
        ("*", "support.calls_shop:add"),
    ],
)
def test_what_is_allowed_is_found(allow: str, name: str) -> None:
    assert resolve(name, Permits((allow,))) is add


@pytest.mark.parametrize(
    ("allow", "name"),
    [
        ((), "support.calls_shop:add"),
        (("support.calls",), "support.calls_shop:add"),
        (("calls_shop",), "support.calls_shop:add"),
        (("support.calls_shop.more",), "support.calls_shop:add"),
        (("support.calls_shop:double",), "support.calls_shop:add"),
        (("support.calls_shop:Shelf",), "support.calls_shop:Shelf.count"),
        (("support.calls_shop",), "support.calls_shop:os.system"),
        (("support.calls_shop",), "support.calls_shop:alias"),
        (("support.calls_shop",), "support.calls_shop:foreign"),
        (("support.calls_shop",), "support.calls_shop:doubled"),
        (("support.calls_shop",), "support.calls_shop:add.__globals__"),
        (("support.calls_shop",), "support.calls_shop:Shelf.__subclasses__"),
        (("support.calls_shop",), "support.calls_shop:__builtins__"),
        (("support.calls_shop",), "support.calls_shop:OutOfStockError.__init__"),
        (("support.calls_shop",), "support.calls_shop:ran.clear"),
        (("support.calls_shop",), "support.calls_shop:ran"),
        (("support.calls_shop",), "support.calls_shop:missing"),
        (("support.calls_shop",), "os:system"),
        (("os",), "os:system"),
        (("support.missing",), "support.missing:f"),
        (("support.calls_shop",), "nonsense"),
        (("*",), "support.calls_shop:os.system"),
    ],
)
def test_what_is_not_allowed_or_not_there_is_refused(allow: tuple[str, ...], name: str) -> None:
    with pytest.raises(RefusedError):
        resolve(name, Permits(allow))


def test_a_refusal_says_what_to_do() -> None:
    with pytest.raises(
        RefusedError, match=r"start it with --allow shop or --allow shop.stock:count"
    ):
        resolve("shop.stock:count", Permits())
    with pytest.raises(RefusedError, match=r"which belongs to posix, .* --allow os:getpid$"):
        resolve("os:getpid", Permits(("os",)))
    with pytest.raises(RefusedError, match="--path FOLDER"):
        resolve("shop.stock:count", Permits(("shop",)))
    with pytest.raises(RefusedError, match="is not a function: it is a list"):
        resolve_function("support.calls_shop:ran", Permits(("support.calls_shop:ran",)))


def test_what_is_no_function_is_not_said_to_need_leave() -> None:
    with pytest.raises(RefusedError, match=r"it is no function or class, but a list$"):
        resolve("support.calls_shop:ran", Permits(("support",)))


def test_one_name_that_is_allowed_may_come_from_anywhere() -> None:
    assert resolve("os:getpid", Permits(("os:getpid",))) is os.getpid
    assert resolve("support.calls_shop:alias", Permits(("support.calls_shop:alias",))) is os.system


def test_a_module_that_is_not_allowed_is_not_imported() -> None:
    assert "wave" not in sys.modules
    with pytest.raises(RefusedError):
        resolve("wave:open", SHOP)
    assert "wave" not in sys.modules


def test_a_step_through_a_foreign_object_is_refused_before_it_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Trap:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"{name} was looked for")

    monkeypatch.setattr(calls_shop, "trap", Trap(), raising=False)
    with pytest.raises(RefusedError, match="leads out of"):
        resolve("support.calls_shop:trap.f", SHOP)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\n1 / 0\n", r"calls_broken\.py, line 2: ZeroDivisionError: division by zero"),
        ("import json\njson.loads('')\n", r"calls_broken\.py, line 2: JSONDecodeError"),
        ("def f(:\n", r"calls_broken\.py, line 1: SyntaxError"),
        (
            "import calls_not_there\n",
            r"line 1: this worker lacks the package 'calls_not_there': `pip ",
        ),
        ("raise SystemExit(3)\n", r"calls_broken\.py, line 1: SystemExit: 3"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    (tmp_path / "calls_broken.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RefusedError, match=told):
        resolve("calls_broken:f", Permits(("calls_broken",)))


@pytest.mark.parametrize("name", ["", "a b", "a:", ":b", "a.", "a:b:c", "a-b", "**", "../a", "a.*"])
def test_a_name_that_cannot_be_one_cannot_be_allowed(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be allowed"):
        Permits((name,))
