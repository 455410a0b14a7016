"""Which engines there are, and what is said where one cannot be had."""

from __future__ import annotations

import sys

import pytest

from headrace_wire.engines import ENGINES, keeps_limits
from headrace_wire.errors import UsageError
from headrace_worker.engines.registry import ENGINE_NAMES, read_most_slots, require_library


def test_all_that_can_be_chosen_are_known_to_clients_and_coordinator() -> None:
    assert set(ENGINE_NAMES) <= set(ENGINES)
    assert ENGINE_NAMES[0] == "pool"


def test_only_engines_that_kill_keep_time_limits() -> None:
    assert keeps_limits("pool")
    assert keeps_limits("ray")
    assert not keeps_limits("dask")
    assert not keeps_limits("unheard of")


@pytest.mark.parametrize(("engine", "library"), [("dask", "distributed"), ("ray", "ray")])
def test_a_missing_library_is_one_line_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, engine: str, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=rf"pip install 'headrace\[{engine}\]'") as caught:
        require_library(engine)
    assert "\n" not in str(caught.value)
    require_library("pool")


def test_slots_of_an_engine_are_a_number_or_all() -> None:
    assert read_most_slots("auto") is None
    assert read_most_slots("12") == 12
    for wrong in ("2x", "0", "-1", "many"):
        with pytest.raises(UsageError, match="--slots"):
            read_most_slots(wrong)
