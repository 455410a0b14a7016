"""What a slot that is dead has left of its tasks' lines."""

from __future__ import annotations

from headrace_worker.link.cell import CELL_BYTES, Cell
from headrace_worker.link.messages import TaskLine


def make_line(text: str, index: int = 7) -> TaskLine:
    return TaskLine("job", index, 2, 1.5, "print", text)


def test_lines_are_there_until_they_are_sent() -> None:
    cell = Cell()
    written = [make_line(f"line {number} é", number) for number in range(3)]
    for line in written:
        cell.last_words.add(line)
    assert cell.last_words.read() == written
    cell.last_words.clear()
    assert cell.last_words.read() == []
    cell.last_words.add(written[1])
    assert cell.last_words.read() == [written[1]]
    assert list(cell.words) == [0] * 8, "the words are left alone"
    cell.close()


def test_what_finds_no_room_is_left_out() -> None:
    cell = Cell()
    for number in range(100):
        cell.last_words.add(make_line("x" * 4000, number))
    found = [line.index for line in cell.last_words.read()]
    assert found == list(range(len(found)))
    assert len(found) * 4000 > CELL_BYTES * 0.9
    cell.close()


def test_what_a_task_has_overwritten_harms_nobody() -> None:
    cell = Cell()
    cell.last_words.add(make_line("text"))
    memory = cell.last_words._body  # pyright: ignore[reportPrivateUsage]
    memory[:8] = b"\xc1" * 8
    assert cell.last_words.read() == []
    head = cell.last_words._head  # pyright: ignore[reportPrivateUsage]
    head[0] = (1 << 64) - 1
    assert cell.last_words.read() == []
    cell.close()
