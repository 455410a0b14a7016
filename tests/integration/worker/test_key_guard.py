"""Slots with a folder that is closed to them: no way leads into it, and all else is open."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace_services.calls import open_result, plan_starmap
from headrace_services.permits import Permits
from headrace_wire.encoding import pack
from headrace_wire.system.landlock import VERSION_WITH_TRUNCATE, explain_missing, find_version
from headrace_worker.link.loader import DEFAULT_LOADER
from headrace_worker.pool.batch import Batch
from support import thieves
from support.polled_pool import Pool
from support.pool_driver import run

pytestmark = [
    pytest.mark.skipif(bool(explain_missing()), reason=explain_missing()),
    # Another test may have loaded a library with native threads, which Python 3.12 warns of.
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
]

MakePool = Callable[..., Pool]


@pytest.fixture
def start_method(request: pytest.FixtureRequest) -> str:
    """Each pool has a launcher of its own: slots of others have other folders closed, or none."""
    return str(getattr(request, "param", "forkserver"))


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    (tmp_path / "closed").mkdir()
    key_file = tmp_path / "closed" / "key"
    key_file.write_text("secret")
    (tmp_path / "open").mkdir()
    return key_file


def call(pool: Pool, function: Callable[..., Any], *arguments: object) -> Any:
    plan = plan_starmap(function, [arguments])
    inputs = tuple(plan.inputs or ())
    parameters = pack(dict(plan.parameters))
    batch = Batch(1, "job", "calls", plan.operation, parameters, 0, 1, inputs=inputs)
    outcomes = run(pool, batch)
    assert not outcomes.failed("job")
    serializer: Any = plan.parameters["serializer"]
    return open_result(serializer, outcomes.values["job", 0][0])


def scratch(key_file: Path) -> str:
    """A folder for tasks: what they make in those on the way to the key is closed to them, too."""
    return str(key_file.parents[1] / "open")


def open_pool(make_pool: MakePool, key_file: Path, *, slots: int = 1, closed: bool = True) -> Pool:
    folders = (str(key_file.parent.resolve()),) if closed else ()
    permits = Permits(("support.thieves",))
    return make_pool(slots, loader=DEFAULT_LOADER, permits=permits, closed_folders=folders)


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"], indirect=True)
def test_no_way_leads_into_a_closed_folder_or_the_worker(
    make_pool: MakePool, key_file: Path
) -> None:
    pool = open_pool(make_pool, key_file)
    assert call(pool, thieves.find_ways, str(key_file), os.getpid(), scratch(key_file)) == []
    assert key_file.read_text() == "secret"


def test_a_slot_cannot_look_into_others(make_pool: MakePool, key_file: Path) -> None:
    slots, ways = call(open_pool(make_pool, key_file, slots=2), thieves.look_into_slots)
    assert (slots, ways) == (1, [])
    slots, ways = call(
        open_pool(make_pool, key_file, slots=2, closed=False), thieves.look_into_slots
    )
    assert slots == 1
    assert "memory" in ways, "there is something to look into"


def test_the_same_ways_are_open_without_it(make_pool: MakePool, key_file: Path) -> None:
    pool = open_pool(make_pool, key_file, closed=False)
    ways = call(pool, thieves.find_ways, str(key_file), os.getpid(), scratch(key_file))
    assert {"path", "own root", "hard link", "rename", "another process"} <= {*ways}
    assert "worker's memory" in ways


def test_what_lies_in_a_closed_folder_cannot_be_changed(
    make_pool: MakePool, key_file: Path
) -> None:
    pool = open_pool(make_pool, key_file)
    old = ["shorten"] if find_version() < VERSION_WITH_TRUNCATE else []
    assert call(pool, thieves.find_harm, str(key_file), scratch(key_file)) == old
    assert [*key_file.parent.iterdir()] == [key_file]
    assert key_file.read_text() == ("s" if old else "secret")
    other = Path(scratch(key_file), "inner", "key")
    other.parent.mkdir()
    other.touch()
    assert len(call(pool, thieves.find_harm, str(other), scratch(key_file))) > 9


def test_what_others_make_on_the_way_is_read_by_slots_that_start_afterwards(
    make_pool: MakePool, key_file: Path
) -> None:
    pool = open_pool(make_pool, key_file)
    assert call(pool, thieves.can_read, "/etc/passwd")
    later = key_file.parents[1] / "later"
    later.touch()
    assert not call(pool, thieves.can_read, str(later))
    assert call(open_pool(make_pool, key_file), thieves.can_read, str(later))


def test_a_task_uses_the_rest_of_the_machine_as_before(make_pool: MakePool, key_file: Path) -> None:
    pool = open_pool(make_pool, key_file)
    done = call(pool, thieves.use_machine, scratch(key_file))
    assert done == ["text", "wave", "cat 0", "1", "x"]
