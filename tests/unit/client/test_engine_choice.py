"""Which engine a program asks for, and what is refused before anything is started."""

from __future__ import annotations

import sys

import pytest

from headrace import Executor, Pool
from headrace_wire.engines import EngineChoice, parse_engine
from headrace_wire.errors import UsageError


def test_an_engine_is_a_name_and_maybe_an_address() -> None:
    assert parse_engine("pool") == EngineChoice()
    assert parse_engine("dask") == EngineChoice("dask")
    assert parse_engine("dask://host:8786") == EngineChoice("dask", "host:8786")
    for wrong in ("", "abacus", "dask://", "pool://host", "dask:host", "://"):
        with pytest.raises(UsageError, match="is no engine: there are pool, dask"):
            parse_engine(wrong)


def test_what_an_engine_cannot_do_is_refused_at_the_door() -> None:
    with pytest.raises(UsageError, match="task_timeout cannot be kept: a Dask cluster cannot end"):
        Pool(engine="dask", task_timeout=1.0)
    with pytest.raises(UsageError, match="is for the slots of a pool"):
        Pool(maxtasksperchild=3, engine="dask")
    with pytest.raises(UsageError, match="is for the slots of a pool"):
        Executor(max_tasks_per_child=3, engine="dask")
    with pytest.raises(UsageError, match="its workers decide, with --engine"):
        Pool("host:7333", engine="dask")
    with pytest.raises(UsageError, match="'abacus' is no engine"):
        Executor(engine="abacus")


def test_a_missing_library_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match="pip install distributed"):
        Pool(engine="dask")
