"""Methods that are written once, as coroutines, and are also used by programs that wait in a
thread.

Such a coroutine only awaits calls to the coordinator. If these block their thread, the coroutine is
never suspended, and runs from beginning to end like any function:

    SharedValue.get = blocking(AsyncValue.get) ─► finish(coroutine) ─► BlockingCaller.call ─► proxy
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

Api = TypeVar("Api")
P = ParamSpec("P")
T = TypeVar("T")


class BlockingCaller(Generic[Api]):
    """Calls the methods of an API like an ``AsyncCaller``, but blocks the thread."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def call(
        self, method: Callable[Concatenate[Api, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Return the answer to a method of the API. Raises the method's errors."""
        return cast("T", getattr(self._api, method.__name__)(*arguments, **named))


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end. Everything that it awaits must block instead."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    coroutine.close()
    raise RuntimeError("a coroutine that was to block was suspended")


def finish_each(items: AsyncGenerator[T]) -> Iterator[T]:
    """Yield the items of an asynchronous generator. All that it awaits must block instead."""
    with contextlib.suppress(StopAsyncIteration):
        while True:
            yield finish(anext(items))


def blocking(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Any, P], T]:
    """Make a blocking method of one that is awaited."""

    def run(self: Any, /, *arguments: P.args, **named: P.kwargs) -> T:
        try:
            coroutine = method(self, *arguments, **named)
        except TypeError as error:
            # It was called with other arguments than it has, and nothing of it has run.
            called = f"{type(self).__name__}.{method.__name__}"
            raise TypeError(str(error).replace(method.__qualname__, called)) from None
        return finish(coroutine)

    functools.update_wrapper(run, method)
    return run
