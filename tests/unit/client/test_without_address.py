"""What says how to reach a coordinator wants one that is named."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from headrace import Cluster, Executor, Pool
from headrace_wire.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("name", ["key_file", "tls"])
@pytest.mark.parametrize("start", [Pool, Executor, Cluster, partial(Pool, 2)])
def test_it_is_refused_before_anything_is_started(start: Callable[..., object], name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is for a cluster that is there, and none was"):
        start(**{name: "on"})


def test_so_is_a_key_itself() -> None:
    with pytest.raises(UsageError, match="key is for a cluster that is there"):
        Cluster(key=b"k" * 64)
