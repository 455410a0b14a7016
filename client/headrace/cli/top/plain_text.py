"""Text without markup and colours, which is only redrawn when it has changed."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import Static


class PlainText(Static):
    """Lines that have been cleaned by the caller."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._shown = ""

    def show_text(self, text: str) -> None:
        """Show this from now on."""
        if text != self._shown:
            # A new layout of the screen is only needed if the height of the text changes.
            is_as_high = self._is_flat(text) and self._is_flat(self._shown)
            is_as_high = is_as_high and text.count("\n") == self._shown.count("\n")
            self._shown = text
            self.update(Text(text), layout=not is_as_high)

    def _is_flat(self, text: str) -> bool:
        """Return whether none of the lines needs to be folded."""
        return bool(text) and all(cell_len(line) <= self.size.width for line in text.split("\n"))
