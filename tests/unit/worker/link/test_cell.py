from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headrace_worker.link.cell import FINISHED, GENERATION, PREPARING, SINCE, STARTED, Cell, Running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def cell() -> Iterator[Cell]:
    cell = Cell()
    yield cell
    cell.close()


def test_nothing_runs_in_a_new_cell(cell: Cell) -> None:
    assert cell.read_running() is None


def test_a_task_runs_from_its_start_to_its_finish(cell: Cell) -> None:
    cell.times[SINCE] = 12.5
    cell.words[STARTED] = 7
    assert cell.read_running() == Running(7, 12.5, preparing=False)
    cell.words[PREPARING] = 1
    assert cell.read_running() == Running(7, 12.5, preparing=True)
    cell.words[PREPARING] = 0
    cell.words[FINISHED] = 7
    assert cell.read_running() is None


def test_each_revocation_is_a_new_generation(cell: Cell) -> None:
    assert [cell.revoke(), cell.revoke()] == [1, 2]
    assert cell.words[GENERATION] == 2
