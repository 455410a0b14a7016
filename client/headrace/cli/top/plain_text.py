"""Text as it is: without markup, without colours, and drawn anew only when it has changed."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import Static


class PlainText(Static):
    """Lines that others have cleaned."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._shown = ""

    def show_text(self, text: str) -> None:
        """Show this from now on."""
        if text != self._shown:
            # The screen is laid out anew only where another number of lines needs another height.
            is_as_high = self._is_flat(text) and self._is_flat(self._shown)
            is_as_high = is_as_high and text.count("\n") == self._shown.count("\n")
            self._shown = text
            self.update(Text(text), layout=not is_as_high)

    def _is_flat(self, text: str) -> bool:
        """Whether none of the lines has to be folded."""
        return bool(text) and all(cell_len(line) <= self.size.width for line in text.split("\n"))
