"""Shared state for programs with an event loop: the same objects as ``headrace.shared``, awaited.

    await cluster.dict("stock") ─► AsyncDict ─► AsyncSession ─► coordinator

Methods replace the operators of those objects, because operators cannot be awaited.
"""

from __future__ import annotations

from headrace.async_shared.collections import AsyncDict, AsyncList
from headrace.async_shared.primitives import AsyncEvent, AsyncLock, AsyncQueue, AsyncValue

__all__ = ["AsyncDict", "AsyncEvent", "AsyncList", "AsyncLock", "AsyncQueue", "AsyncValue"]
