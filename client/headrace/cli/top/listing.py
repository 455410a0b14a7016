"""A table that fits its terminal and is changed in place, so that nothing flickers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.text import Text
from textual import events
from textual.widgets import DataTable

from headrace.cli.top.application import find_app
from headrace.cli.top.columns import Column, Place, choose_columns
from headrace_wire.printing import clean_line

#: How many columns of the terminal are left for the scroll bar.
SCROLLBAR = 1


class Listing(DataTable[Text]):
    """Rows that have a key each. The cursor stays on its row, even if that moves.

    With ``newest_first``, a cursor on the first row stays on the first row.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        id: str,  # noqa: A002 - textual's name
        newest_first: bool = False,
    ) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=0)
        self._all_columns = columns
        self._places: list[Place] = []
        self._newest_first = newest_first
        self._rows: dict[str, Mapping[str, str]] = {}

    @property
    def chosen(self) -> str:
        """The key of the row under the cursor; "" if there is none."""
        keys = list(self._rows)
        return keys[self.cursor_row] if 0 <= self.cursor_row < len(keys) else ""

    def show_rows(self, rows: Iterable[tuple[str, Mapping[str, str]]]) -> None:
        """Show these rows, each with its key and its cells by their headings."""
        before, self._rows = self._rows, dict(rows)
        if not self._places:
            return  # it has no size yet
        if list(before) == list(self._rows):
            self._change_cells(before)
        else:
            self._fill(before)

    def on_resize(self, event: events.Resize) -> None:
        """Choose the columns again."""
        places = choose_columns(self._all_columns, event.size.width - SCROLLBAR)
        if places == self._places:
            return
        self._places = places
        kept = self.chosen
        self.clear(columns=True)
        for place in places:
            heading = Text(place.draw(place.heading))
            self.add_column(heading, width=place.width + place.gap, key=place.heading)
        self._add_rows(kept, 0)

    def _change_cells(self, before: Mapping[str, Mapping[str, str]]) -> None:
        for key, row in self._rows.items():
            for place in self._places:
                if row[place.heading] != before[key][place.heading]:
                    self.update_cell(key, place.heading, _draw(row, place))

    def _fill(self, before: Mapping[str, object]) -> None:
        keys = list(before)
        place = self.cursor_row
        is_kept = 0 <= place < len(keys) and not (self._newest_first and place == 0)
        kept = keys[place] if is_kept else ""
        top = self.scroll_offset.y
        with find_app(self).batch_update():
            self.clear()
            self._add_rows(kept, place)
            self.scroll_to(y=top, animate=False, force=True)

    def _add_rows(self, kept: str, place: int) -> None:
        for key, row in self._rows.items():
            self.add_row(*(_draw(row, one) for one in self._places), key=key)
        if self._rows:
            keys = list(self._rows)
            found = keys.index(kept) if kept in self._rows else min(place, len(keys) - 1)
            self.move_cursor(row=found, scroll=False)


def _draw(row: Mapping[str, str], place: Place) -> Text:
    return Text(place.draw(clean_line(row[place.heading])), no_wrap=True)
