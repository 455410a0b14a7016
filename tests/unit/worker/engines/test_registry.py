"""Which engines there are, and what is said where one cannot be had."""

from __future__ import annotations

import re
import sys
from importlib.metadata import requires

import pytest

from headrace_wire.engines import ENGINES, keeps_limits
from headrace_wire.errors import UsageError
from headrace_wire.version import VERSION
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
    with pytest.raises(UsageError) as caught:
        require_library(engine)
    said = str(caught.value)
    assert f": pip install {library} (in Docker, into an image FROM headrace:{VERSION})" in said
    assert "\n" not in said
    require_library("pool")


def test_what_is_to_be_installed_is_what_the_extra_has(monkeypatch: pytest.MonkeyPatch) -> None:
    extras = [one for one in requires("headrace") or () if "extra ==" in one]
    for engine in ENGINE_NAMES[1:]:
        (needed,) = (one for one in extras if re.search(rf"extra == ['\"]{engine}['\"]", one))
        library = re.match(r"\w+", needed)
        assert library
        monkeypatch.setitem(sys.modules, library[0], None)
        with pytest.raises(UsageError, match=rf"pip install {library[0]} "):
            require_library(engine)


def test_slots_of_an_engine_are_a_number_or_all() -> None:
    assert read_most_slots("auto") is None
    assert read_most_slots("12") == 12
    for wrong in ("2x", "0", "-1", "many"):
        with pytest.raises(UsageError, match="--slots"):
            read_most_slots(wrong)
